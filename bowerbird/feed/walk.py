"""Random walks on the save graph: pins that people keep together with some pins.

Pixie (Eksombatchai et al., WWW 2018): from each pin of a query its own walks, pin to board to pin, beginning again at
it now and then; as many steps as its degree deserves (equations 1 and 2); a pin that walks from several query pins meet
counts for more (equation 3); a query pin whose walks have found enough stops early (algorithm 3).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bowerbird.feed.graph import WIDTH, Both, SaveGraph
from bowerbird.ports import Floats, Ints

STEPS = 100_000
RESTART = 0.5
"""Chance, after each step, to begin again at the query pin."""
ENOUGH = (1000, 12)
"""A query pin's walks end once so many pins have been met so many times."""
LANES = 64
"""Walkers that step together: none waits for another's memory, so their cache misses overlap."""


def walk(
    graph: SaveGraph,
    query: Mapping[int, float],
    k: int = 200,
    steps: int = STEPS,
    seed: int = 0,
    restart: float = RESTART,
    popularity: float = 0.0,
    enough: tuple[int, int] = ENOUGH,
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
    allotted = _allotted(degrees, np.array([numbers[p] for p in nodes.tolist()]), steps)
    buffers = _buffers(graph, count)
    found = _compiled()(
        nodes, allotted, np.uint64(seed * 2 + 1), np.uint64(restart * 2**32), *enough, _flat(rows), *buffers
    )
    met, scores = buffers[2][:found].copy(), buffers[3][:found].copy()
    if popularity:
        scores /= np.maximum(_degrees(rows, met), 1).astype(np.float32) ** popularity
    return _best(graph, met, scores, nodes, k)


def _allotted(degrees: Ints, weights: Floats, steps: int) -> Ints:
    """Steps of each query pin: more for higher degrees, but less than in proportion (equations 1 and 2)."""
    share = degrees * (degrees.max() - np.log(degrees))
    share = weights * np.maximum(share, 1e-9)
    return np.asarray(np.maximum(LANES, steps * share / share.sum()), np.int64)


def _best(graph: SaveGraph, met: Ints, scores: Floats, without: Ints, k: int) -> list[tuple[int, float]]:
    scores[np.isin(met, without)] = 0
    top = np.argpartition(-scores, min(k, len(scores) - 1))[:k]
    top = top[scores[top] > 0]
    # Equal scores in the order of their pins, so that the answer does not depend on how they were found.
    top = top[np.lexsort((met[top], -scores[top]))]
    ids = graph.ids(met[top])
    return list(zip(ids.tolist(), scores[top].tolist(), strict=True))


def _degrees(rows: Both, nodes: Ints) -> Ints:
    return rows.boards_of.degrees(nodes) + rows.newer_boards_of.degrees(nodes)


def _flat(rows: Any) -> tuple[Any, ...]:
    return tuple(array for each in rows for array in each)


def _buffers(graph: SaveGraph, count: int) -> tuple[Any, ...]:
    """This thread's: visits and sums by node, all zero between walks; nodes met, and their scores."""
    kept = getattr(graph.local, "buffers", None)
    if kept is None or len(kept[0]) < count:
        kept = (
            np.zeros(count, np.int32),
            np.zeros(count, np.float32),
            np.zeros(count + 1, np.int32),  # one more: the next place is written before it is known to be needed
            np.zeros(count + 1, np.float32),
        )
        graph.local.buffers = kept
    return kept


@functools.cache
def _compiled() -> Callable[..., int]:
    """Compiled when first used: to load the compiler costs memory that a process without a graph need not have."""
    import numba

    @numba.njit(nogil=True, cache=True, inline="always")
    def _draw(dice, place, more, pick):  # type: ignore[no-untyped-def]
        """For each walker a neighbour: its place among those of the base, `-2 - place` among the newer ones, or -1
        where there is none (its last edge went while we looked)."""
        for i in range(LANES):
            x = dice[i]
            x ^= x >> np.uint64(12)
            x ^= x << np.uint64(25)
            x ^= x >> np.uint64(27)
            dice[i] = x
            drawn = (x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(32)
            base = place[i] & (WIDTH - 1)
            both = base + (more[i] & (WIDTH - 1))
            chosen = np.int64((drawn * np.uint64(both)) >> np.uint64(32))
            newer = -2 - ((more[i] >> 24) + chosen - base)
            pick[i] = (place[i] >> 24) + chosen if chosen < base else (newer if chosen < both else -1)

    @numba.njit(nogil=True, cache=True)
    def run(nodes, allotted, seed, restart, many, often, rows, visits, sums, met, scores):  # type: ignore[no-untyped-def]
        p_place, p_to, b_place, b_to, np_place, np_to, nb_place, nb_to = rows
        newer = len(np_to) > 0
        at = np.empty(LANES, np.int32)
        through = np.empty(LANES, np.int32)
        place = np.empty(LANES, np.int64)
        more = np.zeros(LANES, np.int64)
        pick = np.empty(LANES, np.int64)
        dice = np.empty(LANES, np.uint64)
        own = np.empty(len(met), np.int32) if len(nodes) > 1 else met
        all_met = 0
        for q in range(len(nodes)):
            home = np.int32(nodes[q])
            for i in range(LANES):
                z = seed + np.uint64(q * LANES + i + 1) * np.uint64(0x9E3779B97F4A7C15)
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                dice[i] = (z ^ (z >> np.uint64(31))) | np.uint64(1)
                at[i] = home
            found = 0
            full = 0
            for _ in range((allotted[q] + LANES - 1) // LANES):
                for i in range(LANES):
                    place[i] = p_place[at[i]]
                if newer:
                    for i in range(LANES):
                        more[i] = np_place[at[i]]
                _draw(dice, place, more, pick)
                for i in range(LANES):
                    through[i] = p_to[pick[i]] if pick[i] >= 0 else -1
                if newer:
                    for i in range(LANES):
                        if pick[i] <= -2:
                            through[i] = np_to[-2 - pick[i]]
                for i in range(LANES):
                    place[i] = b_place[through[i]] if through[i] >= 0 else 0
                if newer:
                    for i in range(LANES):
                        more[i] = nb_place[through[i]] if through[i] >= 0 else 0
                _draw(dice, place, more, pick)
                for i in range(LANES):
                    at[i] = b_to[pick[i]] if pick[i] >= 0 else home
                if newer:
                    for i in range(LANES):
                        if pick[i] <= -2:
                            at[i] = nb_to[-2 - pick[i]]
                # Without a branch where a coin is tossed: half of them would be guessed wrong.
                for i in range(LANES):
                    p = at[i]
                    seen = visits[p]
                    own[found] = p
                    found += seen == 0
                    visits[p] = seen + 1
                    full += (seen + 1 == often) & (p != home)
                for i in range(LANES):
                    again = (dice[i] & np.uint64(0xFFFFFFFF)) < restart
                    at[i] = home if again else at[i]
                if full >= many:
                    break
            for j in range(found):
                p = own[j]
                if len(nodes) == 1:
                    sums[p] = visits[p]
                else:
                    if sums[p] == 0:
                        met[all_met] = p
                        all_met += 1
                    sums[p] += np.sqrt(np.float32(visits[p]))
                visits[p] = 0
            if len(nodes) == 1:
                all_met = found
        for j in range(all_met):
            p = met[j]
            scores[j] = sums[p] if len(nodes) == 1 else sums[p] * sums[p]
            sums[p] = 0
        return all_met

    compiled: Callable[..., int] = run
    return compiled
