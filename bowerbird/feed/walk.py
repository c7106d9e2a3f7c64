"""Random walks on the save graph: pins that people keep together with some pins.

Pixie (Eksombatchai et al., WWW 2018): from each pin of a query its own walks, pin to board to pin, beginning again at
it now and then; as many steps as its degree deserves (equations 1 and 2); a pin that walks from several query pins meet
counts for more (equation 3); a query pin whose walks have found enough stops early (algorithm 3). Now and then a step
keeps to what the query pin is about, where the board has such a pin (section 3.1, PersonalizedNeighbor).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from bowerbird.feed.graph import Both, SaveGraph
from bowerbird.ports import Floats, Ints

STEPS = 100_000
RESTART = 0.5
"""Chance, after each step, to begin again at the query pin."""
BIAS = 0.1
"""Chance that a step from a board goes to a pin of the topic that the walk began at, if one is there. Twice as much
does a little better in `bench/topics.py`, and takes a tenth longer."""
ENOUGH = (1000, 12)
"""A query pin's walks end once so many pins have been met so many times."""


def walk(
    graph: SaveGraph,
    query: Mapping[int, float],
    k: int = 200,
    steps: int = STEPS,
    seed: int = 0,
    restart: float = RESTART,
    popularity: float = 0.0,
    enough: tuple[int, int] = ENOUGH,
    bias: float = BIAS,
) -> list[tuple[int, float]]:
    """The `k` pins met most from the pins of `query` (pin id to weight above 0), with their scores, falling; without
    the query's own. The same for the same graph and seed. `popularity` is the power of a pin's degree that its score
    is divided by."""
    rows = graph.rows
    count = len(rows.boards_of.place)
    numbers = {graph.number(pin_id): weight for pin_id, weight in query.items() if weight > 0}
    known = np.array([p for p in numbers if 0 <= p < count], np.int64)
    degrees = _degrees(rows, known)
    nodes, degrees = known[degrees > 0], degrees[degrees > 0]
    if not len(nodes):
        return []
    from bowerbird.feed import compiled

    weights = np.array([numbers[p] for p in nodes.tolist()])
    allotted = np.maximum(compiled.LANES, _allotted(degrees, weights, steps))
    buffers = _buffers(graph, count)
    chances = np.uint64(restart * 2**32), *enough, np.uint64(bias * 2**32)
    found = compiled.steps(nodes, allotted, np.uint64(seed * 2 + 1), *chances, graph.about, _flat(rows), *buffers)
    met, scores = buffers[2][:found].copy(), buffers[3][:found].copy()
    graph.spare.append(buffers)
    if popularity:
        scores /= np.maximum(_degrees(rows, met), 1).astype(np.float32) ** popularity
    return _best(graph, met, scores, nodes, k)


def _allotted(degrees: Ints, weights: Floats, steps: int) -> Ints:
    """Steps of each query pin: more for higher degrees, but less than in proportion (equations 1 and 2)."""
    share = degrees * (degrees.max() - np.log(degrees))
    share = weights * np.maximum(share, 1e-9)
    return np.asarray(steps * share / share.sum(), np.int64)


def _best(graph: SaveGraph, met: Ints, scores: Floats, without: Ints, k: int) -> list[tuple[int, float]]:
    most = k + len(without)  # those to leave out are few: they are looked for among the best only
    top = np.flatnonzero(scores > scores.mean())  # so not most of them, which were met once
    if len(top) < most:
        top = np.arange(len(met))
    if len(top) > most:
        top = top[np.argpartition(-scores[top], most)[:most]]
    top = top[~np.isin(met[top], without)]
    # Equal scores in the order of their pins, so that the answer does not depend on how they were found.
    top = top[np.lexsort((met[top], -scores[top]))][:k]
    ids = graph.ids(met[top])
    return list(zip(ids.tolist(), scores[top].tolist(), strict=True))


def _degrees(rows: Both, nodes: Ints) -> Ints:
    degrees = rows.boards_of.degrees(nodes)
    return degrees + rows.newer_boards_of.degrees(nodes) if len(rows.newer_boards_of.to) else degrees


def _flat(rows: Any) -> tuple[Any, ...]:
    return tuple(array for each in rows for array in each)


def _buffers(graph: SaveGraph, count: int) -> tuple[Any, ...]:
    """Visits and sums by node, all zero between walks; nodes met, and their scores."""
    with suppress(IndexError):
        kept: tuple[Any, ...] = graph.spare.pop()
        if len(kept[0]) >= count:
            return kept
    return (
        np.zeros(count, np.int32),
        np.zeros(count, np.float32),
        np.zeros(count + 1, np.int32),  # one more: the next place is written before it is known to be needed
        np.zeros(count + 1, np.float32),
    )
