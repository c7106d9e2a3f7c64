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
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.replay_saves import LIMIT, difference, figure, real
from bench.replay_site import Site, Viewer, by_viewer, demo
from bowerbird.catalog import boards
from bowerbird.feed import page, rank, sources
from bowerbird.feed.compose import SHARES
from bowerbird.feed.features import NAMES, SOURCES
from bowerbird.model import Event, EventKind, Trend

SESSIONS, PAGES = 3, 2
DAY = 86400.0
ATTENTION = 0.3
"""Of what they would like, people save so much when they meet it; of the rest of it they open so much."""


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


class View(NamedTuple):
    """One page, seen by one viewer."""

    world: int
    viewer: int
    new: bool
    page: int
    hit: float
    repeated: float
    apart: float
    styles: float


class Seen:
    """What was seen of one kind of wall."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.covered: list[float] = []
        self.hits_of: dict[str, float] = defaultdict(float)
        self.shown_of: Counter[str] = Counter()

    def of(self, measure: str = "hit", new: bool | None = None, first: bool = False) -> Any:
        """(viewers,): the mean of a measure over the pages of each, or of their first one."""
        by: dict[tuple[int, int], list[float]] = defaultdict(list)
        for view in self.views:
            if new in (None, view.new) and not (first and view.page):
                by[view.world, view.viewer].append(getattr(view, measure))
        return np.array([np.mean(by[viewer]) for viewer in sorted(by)])


class Replay:
    def __init__(self, folder: Path, newcomers: int, seeds: range) -> None:
        self._folder, self._newcomers, self._seeds = folder, newcomers, seeds

    def of(self, wall: type[Wall]) -> Seen:
        """Everybody opens this kind of wall, in a world of its own for each seed."""
        found = Seen()
        for seed in self._seeds:
            with tempfile.TemporaryDirectory() as name:
                site = Site(self._folder, Path(name) / "site", self._newcomers, seed)
                World(site, wall(site, np.random.default_rng(seed)), seed).live(found)
                site.close()
        return found


class World:
    """People who look at one kind of wall, and what they do with it."""

    def __init__(self, site: Site, wall: Wall, number: int) -> None:
        self.site, self.wall, self.number = site, wall, number
        self.dice = np.random.default_rng(1000 + number)
        self.rows = {int(pin): row for row, pin in enumerate(site.pin_ids)}
        self.keeps, self.shown = by_viewer(site), defaultdict(set)

    def live(self, found: Seen) -> None:
        start, covered = self.site.now, set()
        for number in range(SESSIONS * PAGES):
            if number % PAGES == 0:
                self.site.now = start + number // PAGES * DAY
            for at in self.dice.permutation(len(self.site.viewers)).tolist():
                placed = self._look(self.site.viewers[at], number, found)
                covered |= {pin for pin, _, _ in placed} if number == 0 else set()
                self.site.now += 20.0
            if number % PAGES == PAGES - 1:
                self.site.learn()
        found.covered.append(len(covered) / len(self.rows))

    def _look(self, viewer: Viewer, number: int, found: Seen) -> list[tuple[int, str, str]]:
        """One page, and what is made of it."""
        shown, kept = self.shown[viewer.user_id], self.keeps[viewer.user_id]
        placed = self.wall.page(viewer, shown | kept, number % PAGES == 0)
        rows = [self.rows[pin] for pin, _, _ in placed]
        new = [pin not in shown for pin, _, _ in placed]
        likes = viewer.likes[rows] * new
        for (_, source, _), like in zip(placed, likes.tolist(), strict=True):
            found.shown_of[source] += 1
            found.hits_of[source] += like
        about = likes.sum() / LIMIT, 1 - sum(new) / LIMIT, *_variety(self.site, rows)
        found.views.append(View(self.number, viewer.user_id, viewer.new, number, *about))
        shown.update(pin for pin, _, _ in placed)
        self.site.tell(self._does(viewer, placed, kept))
        return placed

    def _does(self, viewer: Viewer, placed: list[tuple[int, str, str]], keeps: set[int]) -> list[Event]:
        """Looks at all of them, saves some and opens others."""
        events = []
        for position, (pin, source, request) in enumerate(placed):
            at = self.site.now + 0.1 * position
            where = {"page": "home", "request": request, "position": position, "source": source}
            events.append(Event(EventKind.IMPRESSION, at, viewer.user_id, pin, where))
            likes, drawn = viewer.likes[self.rows[pin]], self.dice.random(2)
            if pin in keeps:
                continue
            if drawn[0] < ATTENTION * likes:
                keeps.add(pin)
                with self.site.engines.database.write() as conn:
                    boards.save(conn, viewer.board_id, pin, viewer.user_id)
                events.append(Event(EventKind.SAVE, at, viewer.user_id, pin, where | {"board_id": viewer.board_id}))
            elif drawn[1] < ATTENTION * likes:
                events.append(Event(EventKind.CLOSEUP, at, viewer.user_id, pin, where))
        return events


def _variety(site: Site, rows: list[int]) -> tuple[float, float]:
    """Mean distance of the looks of a page, and how many styles are on it."""
    looks, count = site.looks[rows], len(rows)
    alike = (looks.sum(axis=0) @ looks.sum(axis=0) - count) / max(1, count * (count - 1))
    return float(1 - alike), float(len(set(site.styles[rows].tolist())))


def table_of(walls: dict[str, Seen]) -> Table:
    table = Table(
        "wall", "hit, first page", "ratio", "hit, all pages", "ratio", "newcomers, first", "all", "repeated", "cover",
        "apart", "styles", title="People with known tastes",
    )  # fmt: skip
    peer = walls["trending"]
    for name, seen in walls.items():
        table.add_row(
            name,
            figure(seen.of(first=True)),
            f"{seen.of(first=True).mean() / peer.of(first=True).mean():.2f}",
            figure(seen.of()),
            f"{seen.of().mean() / peer.of().mean():.2f}",
            figure(seen.of(new=True, first=True)),
            figure(seen.of(new=True)),
            f"{seen.of('repeated').mean():.3f}",
            f"{np.mean(seen.covered):.2f}",
            figure(seen.of("apart")),
            f"{seen.of('styles').mean():.1f}",
        )
    return table


def told(walls: dict[str, Seen]) -> str:
    lines = []
    for name in ("trending", "newest"):
        first, every = (difference(walls["feed"].of(first=f), walls[name].of(first=f)) for f in (True, False))
        lines.append(f"feed less {name}: {first} on first pages, {every} on all")
    feed = walls["feed"]
    lines.append(
        "hits by source: "
        + ", ".join(f"{name} {feed.hits_of[name] / n:.2f} of {n:,}" for name, n in feed.shown_of.most_common())
    )
    return "\n".join(lines)


def ablated(replay: Replay, whole: Seen) -> Table:
    table = Table("feed without", "first page", "difference", "all pages", "difference", "cover", "apart", "styles")
    for name, kept in sources.SOURCES.items():
        sources.SOURCES[name] = lambda _: []
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
    cells = []
    for first in (True, False):
        ours, theirs = (each.of(first=first) for each in (seen, whole))
        cells += [figure(ours), difference(ours, theirs)]
    cells += [f"{np.mean(seen.covered):.2f}", f"{seen.of('apart').mean():.2f}", f"{seen.of('styles').mean():.1f}"]
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


if __name__ == "__main__":
    main()
