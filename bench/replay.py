"""Does the feed show people what they like? Replayed with people whose tastes are known, and with real saves.

    python -m bench.replay [--folder .cache/bench-replay] [--newcomers 40] [--seeds 1] [--ablate]
                           [--saves ../shared/saves/train.txt]

First the demo gallery: the forty who live there, with half of what they saved held out, and as many newcomers with
tastes of their own, who chose five pictures when they came. In each world everybody opens one kind of wall in a few
sessions a day apart, two pages of 25 each; the feed is the real one, in process, and what is seen, opened and saved is
folded between any two pages. A picture is saved with the chance that such a taste saves it, times `ATTENTION`. hit is
the share of shown pins that the viewer's taste would save; a pin that somebody is shown again counts for nothing. The
other walls never repeat a pin nor show what its viewer keeps. cover is the share of the gallery shown to anybody on
first pages, apart the mean distance (1 - cosine) of the pictures of a page, styles how many are on one. Intervals are
95 % over viewers; `best` shows what likes most, which nobody can know.

Then real saves: a fifth of each person's is held out, and the sources of the feed that need no pictures propose. hit@25
is the share of 25 pins that were held out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.recommend import split
from bench.replay_site import Site, Viewer, by_viewer, demo
from bowerbird.catalog import boards
from bowerbird.feed import affinity, page, rank, sources
from bowerbird.feed.candidates.affinity import propose as by_affinity
from bowerbird.feed.candidates.walk import propose as by_walk
from bowerbird.feed.compose import SHARES
from bowerbird.feed.features import NAMES, SOURCES
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Asked, Feed
from bowerbird.model import Action, Event, EventKind, Taste, Trend

LIMIT = 25
SESSIONS, PAGES = 3, 2
DAY = 86400.0
ATTENTION = 0.3
"""Of what they would like, people save so much when they meet it; of the rest of it they open so much."""
PEOPLE = 2000
"""Of the real saves, that are asked for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".cache/bench-replay"))
    parser.add_argument("--newcomers", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--saves", type=Path, default=Path(__file__).parents[2] / "shared" / "saves" / "train.txt")
    parser.add_argument("--ablate", action="store_true", help="the feed without each source and each weight")
    options = parser.parse_args()
    console = Console(width=140)
    replay = Replay(demo(options.folder), options.newcomers, range(options.seeds))
    walls = {name: replay.of(wall) for name, wall in WALLS.items()}
    console.print(table_of(walls))
    console.print(told(walls))
    if options.ablate:
        console.print(ablated(replay, walls["feed"]))
    if options.saves.exists():
        console.print(real(options.saves))


class Wall:
    """What a viewer is shown next. `seen` is what they were shown before, and what they keep."""

    def __init__(self, site: Site, dice: np.random.Generator) -> None:
        self.site, self.dice = site, dice
        self.bookmarks: dict[int, str | None] = {}

    def page(self, viewer: Viewer, seen: set[int], first: bool) -> list[tuple[int, str, str]]:
        """Pin ids, each with its source and the request that proposed it."""
        left = [pin for pin in self.order(viewer) if pin not in seen]
        return [(pin, type(self).__name__.lower(), "") for pin in left[:LIMIT]]

    def order(self, viewer: Viewer) -> list[int]:
        raise NotImplementedError


class Home(Wall):
    def page(self, viewer: Viewer, seen: set[int], first: bool) -> list[tuple[int, str, str]]:
        bookmark = None if first else self.bookmarks[viewer.user_id]
        with self.site.engines.database.read() as conn:
            made = page.home(self.site.feed, conn, viewer.user_id, bookmark, LIMIT)
        self.bookmarks[viewer.user_id] = made.bookmark
        return [(one.pin.id, one.source, made.request) for one in made.placed]


class Newest(Wall):
    def order(self, viewer: Viewer) -> list[int]:
        return [int(pin) for pin in self.site.pin_ids[::-1]]


class Trending(Wall):
    def order(self, viewer: Viewer) -> list[int]:
        known = self.site.engines.metadata.get("trend:")
        best = [pin for pin, _ in msgspec.json.decode(known, type=Trend).pins] if known else []
        return list(dict.fromkeys([*best, *self.site.pin_ids[::-1].tolist()]))


class Chance(Wall):
    def order(self, viewer: Viewer) -> list[int]:
        return [int(pin) for pin in self.dice.permutation(self.site.pin_ids)]


class Best(Wall):
    def order(self, viewer: Viewer) -> list[int]:
        return [int(self.site.pin_ids[row]) for row in np.argsort(-viewer.likes, kind="stable")]


WALLS: dict[str, type[Wall]] = {
    "feed": Home,
    "trending": Trending,
    "newest": Newest,
    "at random": Chance,
    "best": Best,
}


class Seen:
    """What was seen of one kind of wall: one row a viewer, one column a page."""

    def __init__(self) -> None:
        self.hit: list[list[float]] = []
        self.apart: list[list[float]] = []
        self.styles: list[list[float]] = []
        self.repeated: list[list[float]] = []
        self.new: list[bool] = []
        self.covered: list[float] = []
        self.hits_of: Counter[str] = Counter()
        self.shown_of: Counter[str] = Counter()

    def first(self, new: bool | None = None) -> Any:
        """(viewers,): hits of the very first page."""
        return np.array(self.hit)[self._some(new), 0]

    def all(self, new: bool | None = None) -> Any:
        return np.array(self.hit)[self._some(new)].mean(axis=1)

    def _some(self, new: bool | None) -> Any:
        return np.array([new is None or one == new for one in self.new])


class Replay:
    def __init__(self, folder: Path, newcomers: int, seeds: range) -> None:
        self._folder, self._newcomers, self._seeds = folder, newcomers, seeds

    def of(self, wall: type[Wall]) -> Seen:
        """Everybody opens this kind of wall, in a world of its own for each seed."""
        found = Seen()
        for seed in self._seeds:
            with tempfile.TemporaryDirectory() as name:
                site = Site(self._folder, Path(name) / "site", self._newcomers, seed)
                _replay(site, wall(site, np.random.default_rng(seed)), found, np.random.default_rng(1000 + seed))
                site.close()
        return found


def _replay(site: Site, wall: Wall, found: Seen, dice: np.random.Generator) -> None:
    start, rows = site.now, {int(pin): row for row, pin in enumerate(site.pin_ids)}
    shown: dict[int, set[int]] = {viewer.user_id: set() for viewer in site.viewers}
    keeps, covered = by_viewer(site), set()
    pages: dict[int, list[tuple[float, ...]]] = {viewer.user_id: [] for viewer in site.viewers}
    for session in range(SESSIONS):
        site.now = start + session * DAY
        for number in range(PAGES):
            for at in dice.permutation(len(site.viewers)).tolist():
                viewer = site.viewers[at]
                own = viewer.user_id
                placed = wall.page(viewer, shown[own] | keeps[own], number == 0)
                pins = [pin for pin, _, _ in placed]
                fresh = [rows[pin] for pin in pins if pin not in shown[own]]
                likes = viewer.likes[fresh].sum() / LIMIT
                pages[own].append((likes, *_variety(site, [rows[pin] for pin in pins]), 1 - len(fresh) / LIMIT))
                for pin, source, _ in placed:
                    found.shown_of[source] += 1
                    found.hits_of[source] += float(viewer.likes[rows[pin]]) * (pin not in shown[own])  # type: ignore[assignment]
                shown[own].update(pins)
                covered |= set(pins) if session == number == 0 else set()
                site.tell(_does(site, viewer, placed, rows, keeps[own], dice))
                site.now += 20.0
        site.learn()
    for viewer in site.viewers:
        for column, kept in zip(
            zip(*pages[viewer.user_id], strict=True),
            (found.hit, found.apart, found.styles, found.repeated),
            strict=True,
        ):
            kept.append(list(column))
        found.new.append(viewer.new)
    found.covered.append(len(covered) / len(rows))


def _variety(site: Site, rows: list[int]) -> tuple[float, float]:
    """Mean distance of the looks of a page, and how many styles are on it."""
    looks, count = site.looks[rows], len(rows)
    alike = (looks.sum(axis=0) @ looks.sum(axis=0) - count) / max(1, count * (count - 1))
    return float(1 - alike), float(len(set(site.styles[rows].tolist())))


def _does(
    site: Site,
    viewer: Viewer,
    placed: list[tuple[int, str, str]],
    rows: dict[int, int],
    keeps: set[int],
    dice: np.random.Generator,
) -> list[Event]:
    """Looks at all of them, saves some and opens others."""
    events = []
    for position, (pin, source, request) in enumerate(placed):
        at = site.now + 0.1 * position
        where = {"page": "home", "request": request, "position": position, "source": source}
        events.append(Event(EventKind.IMPRESSION, at, viewer.user_id, pin, where))
        likes, drawn = viewer.likes[rows[pin]], dice.random(2)
        if pin in keeps:
            continue
        if drawn[0] < ATTENTION * likes:
            keeps.add(pin)
            with site.engines.database.write() as conn:
                boards.save(conn, viewer.board_id, pin, viewer.user_id)
            events.append(Event(EventKind.SAVE, at, viewer.user_id, pin, where | {"board_id": viewer.board_id}))
        elif drawn[1] < ATTENTION * likes:
            events.append(Event(EventKind.CLOSEUP, at, viewer.user_id, pin, where))
    return events


def table_of(walls: dict[str, Seen]) -> Table:
    table = Table(
        "wall", "hit, first page", "ratio", "hit, all pages", "ratio", "newcomers, first", "all", "repeated", "cover",
        "apart", "styles", title="People with known tastes",
    )  # fmt: skip
    peer = walls["trending"]
    for name, seen in walls.items():
        table.add_row(
            name,
            figure(seen.first()),
            f"{seen.first().mean() / peer.first().mean():.2f}",
            figure(seen.all()),
            f"{seen.all().mean() / peer.all().mean():.2f}",
            figure(seen.first(True)),
            figure(seen.all(True)),
            f"{np.mean(seen.repeated):.3f}",
            f"{np.mean(seen.covered):.2f}",
            figure(np.array(seen.apart).mean(axis=1)),
            f"{np.mean(seen.styles):.1f}",
        )
    return table


def told(walls: dict[str, Seen]) -> str:
    lines = []
    for name in ("trending", "newest"):
        first, every = (difference(get(walls["feed"]), get(walls[name])) for get in (Seen.first, Seen.all))
        lines.append(f"feed less {name}: {first} on first pages, {every} on all")
    feed = walls["feed"]
    lines.append(
        "hits by source: "
        + ", ".join(f"{name} {feed.hits_of[name] / n:.2f} of {n:,}" for name, n in feed.shown_of.most_common())
    )
    return "\n".join(lines)


def ablated(replay: Replay, whole: Seen) -> Table:
    table = Table("feed without", "first page", "difference", "all pages", "difference", "cover", "apart", "styles")
    for name in sources.SOURCES:
        kept = sources.SOURCES.pop(name)
        try:
            _compared(table, f"source {name}", replay.of(Home), whole)
        finally:
            sources.SOURCES[name] = kept
    for name, weight in rank.WEIGHTS.items():
        if weight and name not in SOURCES:
            with weighted({name: 0.0}):
                _compared(table, f"weight {name}", replay.of(Home), whole)
    return table


def _compared(table: Table, name: str, seen: Seen, whole: Seen) -> None:
    cells = [c for get in (Seen.first, Seen.all) for c in (figure(get(seen)), difference(get(seen), get(whole)))]
    cells += [f"{np.mean(seen.covered):.2f}", f"{np.mean(seen.apart):.2f}", f"{np.mean(seen.styles):.1f}"]
    table.add_row(name, *cells)


class weighted:  # noqa: N801 - it is used as a verb
    """With other fixed weights, for as long as it lasts."""

    def __init__(self, changed: dict[str, float]) -> None:
        self._changed = changed

    def __enter__(self) -> None:
        self._before, self._shares = rank._WEIGHTS.copy(), SHARES.copy()
        for name, weight in self._changed.items():
            rank._WEIGHTS[NAMES.index(name)] = weight
            if name in SOURCES:
                SHARES[SOURCES.index(name)] = weight

    def __exit__(self, *_: object) -> None:
        rank._WEIGHTS[:], SHARES[:] = self._before, self._shares


def figure(values: Any) -> str:
    return f"{values.mean():.3f} ± {1.96 * values.std() / len(values) ** 0.5:.3f}"


def difference(values: Any, peer: Any) -> str:
    """Of the same viewers."""
    apart = values - peer
    return f"{apart.mean():+.3f} ± {1.96 * apart.std() / len(apart) ** 0.5:.3f}"


def real(path: Path) -> Table:
    saves, held = split(path, 1)
    people, pins = (side.astype(np.int64) + 1 for side in saves.nonzero())  # ids begin with 1
    feed = Feed(None, lambda *_: [])  # type: ignore[arg-type]
    learned = affinity.fit(saves)
    feed.affinity = affinity.Affinity(learned.pin_ids + 1, learned.matrix)
    with tempfile.TemporaryDirectory() as name:
        SaveGraph.build(pins, people, 0, Path(name) / "1")
        feed.graph = SaveGraph.open(Path(name) / "1")
    popular = np.asarray(saves.sum(axis=0)).ravel()
    some = np.random.default_rng(2).choice(saves.shape[0], min(PEOPLE, saves.shape[0]), replace=False)
    results = {name: ([], set()) for name in REAL}
    for person in some.tolist():
        kept = saves[person].indices
        asked = _asked(feed, kept)
        for name, rank_of in REAL.items():
            scores = rank_of(asked, popular)
            scores[kept] = -np.inf
            best = np.argsort(-scores, kind="stable")[:LIMIT]
            hits = np.isin(best, held[person]).sum()
            results[name][0].append((hits / LIMIT, hits / len(held[person])))
            results[name][1].update(best.tolist())
    table = Table(
        "wall", "hit@25", "ratio", "recall@25", "less popular", "cover", title=f"Real saves, {len(some)} people"
    )
    peer = np.array(results["most saved"][0])
    for name, (found, covered) in results.items():
        hit = np.array(found)
        table.add_row(
            name,
            figure(hit[:, 0]),
            f"{hit[:, 0].mean() / peer[:, 0].mean():.2f}",
            figure(hit[:, 1]),
            difference(hit[:, 0], peer[:, 0]),
            f"{len(covered) / saves.shape[1]:.2f}",
        )
    return table


def _asked(feed: Feed, kept: Any) -> Asked:
    """What is latest is not known, so chance decides."""
    dice = np.random.default_rng(int(kept.sum()))
    actions = tuple(Action(EventKind.SAVE, int(pin) + 1, 0, 0.0) for pin in dice.permutation(kept))
    return Asked(feed, None, 1, 0.0, dice, Taste(0, actions))  # type: ignore[arg-type]


def _proposed(asked: Asked, popular: Any, names: tuple[str, ...]) -> Any:
    """Scores of all pins by the feed's fixed weights, of the columns that are known without pictures."""
    proposed = np.zeros((len(names), len(popular)), np.float32)
    for row, name in enumerate(names):
        for one in BY[name](asked):
            proposed[row, one.pin_id - 1] = max(one.score, 1e-3)
    weights = np.array([rank.WEIGHTS[name] for name in names])
    scores = weights @ proposed + rank.WEIGHTS["agreement"] * np.maximum((proposed > 0).sum(axis=0) - 1, 0)
    scores += rank.WEIGHTS["popular"] * np.log1p(popular)
    return np.where(proposed.any(axis=0), scores, -1e6 + popular)


BY = {"affinity": by_affinity, "walk": by_walk}
REAL: dict[str, Callable[[Asked, Any], Any]] = {
    "affinity and walk, as ranked": lambda asked, popular: _proposed(asked, popular, ("affinity", "walk")),
    "affinity alone": lambda asked, popular: _proposed(asked, popular, ("affinity",)),
    "walk alone": lambda asked, popular: _proposed(asked, popular, ("walk",)),
    "most saved": lambda asked, popular: popular.astype(np.float64),
    "newest": lambda asked, popular: np.arange(len(popular), dtype=np.float64),
    "at random": lambda asked, popular: asked.dice.random(len(popular)),
}


if __name__ == "__main__":
    main()
