"""What people keep together with what someone saved: walks on the save graph."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Asked, Feed, Proposal, Why
from bowerbird.feed.walk import walk
from bowerbird.model import EventKind

SEEDS = 20
MOST = 64
STEPS = 8_000
"""A page's worth: more of them change the order little."""
NEAR_STEPS = 4_000
POPULARITY = 0.4
"""Without it walks end where everyone ends; see `bench/recommend.py`."""
WEIGHT = {EventKind.SAVE: 1.0, EventKind.UPLOAD: 0.8, EventKind.CLICK: 0.6, EventKind.CLOSEUP: 0.35}


def propose(asked: Asked) -> list[Proposal]:
    graph = asked.feed.graph
    recent = asked.recent(SEEDS)
    if graph is None or not recent:
        return []
    weights = {action.pin_id: WEIGHT.get(EventKind(action.kind), 0.3) for action in recent}
    seed = int(asked.dice.integers(2**31))
    found = walk(graph, weights, MOST + SEEDS, STEPS, seed, popularity=POPULARITY)
    top = found[0][1] if found else 1.0
    whys = whys_by(graph, [action.pin_id for action in recent], Why("people"))
    return [Proposal(partial(whys, pin_id), score / top, pin_id) for pin_id, score in found[:MOST]]


def whys_by(graph: SaveGraph, seeds: Sequence[int], else_: Why) -> Callable[[int], Why]:
    """Why a pin was met, by its id: it is on one board with a seed, the first of those that are, or further away."""

    @cache
    def seed_of() -> dict[int, int]:  # by board; not before somebody asks, for a pin may be on thousands of them
        return {board: seed for seed in reversed(seeds) for board in graph.boards(seed)}

    def why(pin_id: int) -> Why:
        seed = next((seed_of()[board] for board in graph.boards(pin_id) if board in seed_of()), 0)
        return Why("together", seed) if seed else else_

    return why


def near(feed: Feed, weights: Mapping[int, float], most: int) -> list[tuple[int, float]]:
    """Pins kept together with these, best first, alike each time; empty without a graph."""
    if feed.graph is None:
        return []
    seed = zlib.crc32(repr(sorted(weights)).encode())
    return walk(feed.graph, weights, most, NEAR_STEPS, seed, popularity=POPULARITY)
