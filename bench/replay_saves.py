"""Real saves, for `bench.replay`: what the sources of the feed that need no pictures propose, beside what many save."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from bench.recommend import split
from bowerbird.feed import affinity, rank
from bowerbird.feed.candidates.affinity import propose as by_affinity
from bowerbird.feed.candidates.walk import propose as by_walk
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Asked, Feed
from bowerbird.model import Action, EventKind, Taste

LIMIT = 25
PEOPLE = 2000
"""That are asked for."""


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


def figure(values: Any) -> str:
    return f"{values.mean():.3f} ± {1.96 * values.std() / len(values) ** 0.5:.3f}"


def difference(values: Any, peer: Any) -> str:
    """Of the same viewers."""
    apart = values - peer
    return f"{apart.mean():+.3f} ± {1.96 * apart.std() / len(apart) ** 0.5:.3f}"
