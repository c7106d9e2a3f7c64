"""Random walks on a save graph of 1M pins, 200k boards and 10M saves: 20 query pins, 100,000 steps, one core.

    python -m bench.walk [--pins 1000000] [--boards 200000] [--saves 10000000] [--queries 400] [--steps 100000]

Query pins are drawn as saves are, so that much-saved ones come up more. Each query goes to every method in turn. The
peers are a loop as one would write it, compiled by numba, and numpy with 20,000 walkers in lock-step; all share the
steps out alike, begin again at the same rate, boost pins met from several query pins, and take all steps: only the last
row of ours may stop early. Ratios are to the naive loop, of the processor's time, so that neighbours count for less.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

from bowerbird.feed import compiled
from bowerbird.feed import walk as walking
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.walk import BIAS, ENOUGH, RESTART, walk

QUERY = 20
WALKERS = 20_000
GOAL = 12.0
FRESH = 10**9
"""Ids from here on are not in the graph."""
WARM = 10
"""Queries before the clock counts."""
NEVER = (1 << 30, 1 << 30)
TOPICS = 250
"""That the pins have at random, which finds as few of one topic on a board as there can be."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins", type=int, default=1_000_000)
    parser.add_argument("--boards", type=int, default=200_000)
    parser.add_argument("--saves", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--steps", type=int, default=walking.STEPS)
    options = parser.parse_args()
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "1"
        pins, boards = saves(options.pins, options.boards, options.saves)
        console.print(f"{len(pins):,} saves, {shape('pins', pins)}, {shape('boards', boards)}")
        queries = drawn(pins, options.queries + WARM)
        start = time.perf_counter()
        SaveGraph.build(pins, boards, 0, folder, (pins % TOPICS).astype(np.uint8))
        build = time.perf_counter() - start
        del pins, boards
        costs = alone(folder, queries[:20])
        console.print(f"build {build:.1f} s, {size(folder):.0f} MB on disk; open {costs['open'] * 1e3:.0f} ms")
        console.print(
            f"a process takes {costs['before']:.0f} MB before, {costs['opened']:.0f} opened, "
            f"{costs['walked']:.0f} walked ({costs['own']:.0f} of them its own, the rest mapped from disk)"
        )
        graph = SaveGraph.open(folder)
        times = compared(graph, queries, options.steps)
        table = Table("method", "p50 ms", "p99 ms", "cpu p50", "cpu p99", "ratio p50", "ratio p99", "ns a step")
        for method, found in times.items():
            table.add_row(method, *figures(found, times[NAIVE], options.steps))
        console.print(table)
        console.print(f"goal: p99 of the whole call under {GOAL:.0f} ms")
        console.print(fresh(graph, queries, options.steps))


def saves(pins: int, boards: int, count: int, seed: int = 7) -> tuple[Any, Any]:
    """Pin and board ids of each save, without repetition: both sides' degrees fall off by a power law."""
    dice = np.random.default_rng(seed)
    drawn, ends = (
        np.empty(0, np.int64),
        [np.cumsum(dice.pareto(shape, n) + 0.2) for shape, n in ((1.5, pins), (1.8, boards))],
    )
    while len(drawn) < count:
        more = count - len(drawn)
        p, b = (np.searchsorted(end, dice.random(more + more // 20) * end[-1]) for end in ends)
        drawn = np.unique(np.concatenate([drawn, p * boards + b]))
    drawn = dice.permutation(drawn)[:count]
    return drawn // boards + 1, drawn % boards + 1


def shape(side: str, ids: Any) -> str:
    degrees = np.bincount(ids)
    degrees = np.sort(degrees[degrees > 0])
    half, most = (degrees[int(len(degrees) * share)] for share in (0.5, 0.99))
    return f"{len(degrees):,} {side} (degree p50 {half}, p99 {most}, most {degrees[-1]:,})"


def drawn(pins: Any, queries: int) -> Any:
    """(queries, QUERY) pin ids."""
    dice = np.random.default_rng(1)
    return np.stack(
        [dice.choice(np.unique(dice.choice(pins, 3 * QUERY)), QUERY, replace=False) for _ in range(queries)]
    )


def size(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    start, busy = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - start, time.thread_time() - busy


def figures(found: list[tuple[float, float]], peer: list[tuple[float, float]], steps: int) -> list[str]:
    ours, theirs = (np.quantile(each, (0.5, 0.99), axis=0).T for each in (found, peer))
    cells = [f"{value * 1e3:.1f}" for value in ours.ravel()]
    return [*cells, *(f"{ratio:.2f}" for ratio in ours[1] / theirs[1]), f"{ours[1, 0] / steps * 1e9:.0f}"]


def alone(folder: Path, queries: Any) -> dict[str, float]:
    """What a process that opens the graph and walks it takes, MB."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_alone, args=(folder, queries, theirs))
    process.start()
    found: dict[str, float] = mine.recv()
    process.join()
    return found


def _alone(folder: Path, queries: Any, told: Any) -> None:
    walk(SaveGraph.empty(), {})
    found = {"before": resident("VmRSS")}
    start = time.perf_counter()
    graph = SaveGraph.open(folder)
    found["open"] = time.perf_counter() - start
    found["opened"] = resident("VmRSS")
    for query in queries:
        walk(graph, dict.fromkeys(query.tolist(), 1.0))
    told.send(found | {"walked": resident("VmRSS"), "own": resident("RssAnon")})


def resident(field: str) -> float:
    """MB, as Linux tells; nothing where it does not."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith(field)), float("nan"))


NAIVE = "naive loop, numba"


def compared(graph: SaveGraph, queries: Any, steps: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each query by each method, the first `WARM` left out."""
    naive, rows = naive_loop(), graph.rows
    p_ends, b_ends = (each.place >> 24 for each in (rows.boards_of, rows.pins_of))
    p_degrees, b_degrees = (each.degrees(np.arange(len(each.place))) for each in (rows.boards_of, rows.pins_of))
    sides = (p_ends, p_degrees, rows.boards_of.to, b_ends, b_degrees, rows.pins_of.to)
    visits, sums = np.zeros(len(graph), np.int32), np.zeros(len(graph), np.float32)
    kernel, buffers = compiled.steps, walking._buffers(graph, len(graph))
    flat, again = walking._flat(rows), np.uint64(RESTART * 2**32)
    methods: dict[str, Callable[[Any, Any, dict[int, float], int], Any]] = {
        "ours, whole call": lambda nodes, share, query, n: walk(graph, query, steps=steps, seed=n, enough=NEVER),
        "ours, kernel alone": lambda nodes, share, query, n: kernel(
            nodes, share, np.uint64(2 * n + 1), again, *NEVER, np.uint64(BIAS * 2**32), graph.about, flat, *buffers
        ),
        "ours, whole call, not biased": lambda nodes, share, query, n: walk(
            graph, query, steps=steps, seed=n, enough=NEVER, bias=0.0
        ),
        NAIVE: lambda nodes, share, query, n: naive(nodes, share, n, np.uint64(RESTART * 2**16), *sides, visits, sums),
        f"numpy, {WALKERS:,} in lock-step": lambda nodes, share, query, n: lock_step(nodes, share, n, sides, steps),
        f"ours, may stop early {ENOUGH}": lambda nodes, share, query, n: walk(graph, query, steps=steps, seed=n),
    }
    asked = []
    for pins in queries:
        nodes = np.array([graph.number(pin) for pin in pins.tolist()], np.int64)
        share = np.maximum(compiled.LANES, walking._allotted(rows.boards_of.degrees(nodes), np.ones(QUERY), steps))
        asked.append((nodes, share, dict.fromkeys(pins.tolist(), 1.0)))
    times: dict[str, list[tuple[float, float]]] = {method: [] for method in methods}
    dice = np.random.default_rng(2)
    for n in range(len(queries)):
        # At no time is a query near to itself in time: it would find its pins in the processor's cache.
        for turn in dice.permutation(len(methods)).tolist():
            method, run = list(methods.items())[turn]
            query = asked[(n + turn * len(asked) // len(methods)) % len(asked)]
            took = timed(lambda run=run, query=query, n=n, turn=turn: run(*query, 1000 * turn + n))
            times[method] += [took] if n >= WARM else []
    return times


def naive_loop() -> Callable[..., Any]:
    @numba.njit(nogil=True)
    def run(nodes, share, seed, restart, p_ends, p_degrees, p_to, b_ends, b_degrees, b_to, visits, sums):  # type: ignore[no-untyped-def]
        dice = np.uint64(2 * seed + 1)
        met = np.empty(share.sum(), np.int64)
        all_met = 0
        for q in range(len(nodes)):
            own = np.empty(share[q], np.int64)
            found = 0
            at = nodes[q]
            for _ in range(share[q]):
                # Not `np.random`: with it this loop takes twice the time.
                dice ^= dice << np.uint64(13)
                dice ^= dice >> np.uint64(7)
                dice ^= dice << np.uint64(17)
                board = p_to[p_ends[at] + (dice >> np.uint64(43)) % p_degrees[at]]
                at = b_to[b_ends[board] + ((dice >> np.uint64(22)) & np.uint64(0x1FFFFF)) % b_degrees[board]]
                if visits[at] == 0:
                    own[found] = at
                    found += 1
                visits[at] += 1
                if (dice & np.uint64(0xFFFF)) < restart:
                    at = nodes[q]
            for p in own[:found]:
                if sums[p] == 0:
                    met[all_met] = p
                    all_met += 1
                sums[p] += np.sqrt(np.float32(visits[p]))
                visits[p] = 0
        scores = np.empty(all_met, np.float32)
        for j in range(all_met):
            scores[j] = sums[met[j]] ** 2
            sums[met[j]] = 0
        return met[:all_met], scores

    compiled: Callable[..., Any] = run
    return compiled


def lock_step(nodes: Any, share: Any, seed: int, sides: tuple[Any, ...], steps: int) -> tuple[Any, Any]:
    """Every walker takes the same number of steps; a query pin has as many walkers as it deserves."""
    p_ends, p_degrees, p_to, b_ends, b_degrees, b_to = sides
    dice = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(nodes)), np.maximum(1, np.rint(share / share.sum() * WALKERS).astype(np.int64)))
    home = nodes[of]
    at, visited = home, []
    for _ in range(max(1, steps // len(of))):
        draw = dice.random((3, len(of)), np.float32)
        board = p_to[p_ends[at] + (draw[0] * p_degrees[at]).astype(np.int64)]
        at = b_to[b_ends[board] + (draw[1] * b_degrees[board]).astype(np.int64)].astype(np.int64)
        visited.append(at * len(nodes) + of)
        at = np.where(draw[2] < RESTART, home, at)
    keys = np.sort(np.concatenate(visited))
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    pins, roots = keys[first] // len(nodes), np.sqrt(np.diff(np.r_[first, len(keys)]))
    begins = np.flatnonzero(np.r_[True, pins[1:] != pins[:-1]])
    return pins[begins], np.add.reduceat(roots, begins) ** 2


def fresh(graph: SaveGraph, queries: Any, steps: int) -> Table:
    """How soon what was saved just now is walked, the longer the list of what is newer than the last rebuild."""
    table = Table(
        "newer saves kept", "1 save walkable, p50 ms", "p99 ms", "1,000 at once ms", "walk cpu p50", "ratio to none"
    )
    known, dice, before = queries.ravel(), np.random.default_rng(3), 0.0
    for count in (0, 1_000, 10_000, 100_000):
        graph.add_all(new(max(0, count - len(graph._edges)), known, dice))
        asked = [dict.fromkeys(query.tolist(), 1.0) for query in queries[WARM:]]
        walks = [timed(lambda query=query: walk(graph, query, steps=steps))[1] for query in asked]
        ones = []
        for n in range(50):
            pin, board = FRESH + count + n, FRESH + count + n
            graph.add(int(known[n]), board)
            start = time.perf_counter()
            graph.add(pin, board)
            found = walk(graph, {pin: 1.0}, steps=1000)
            ones.append(time.perf_counter() - start)
            if int(known[n]) not in dict(found):
                raise RuntimeError("a new save is not walked")
        more = new(1000, known, dice)
        many = timed(lambda more=more: graph.add_all(more))[0]
        before = before or float(np.median(walks))
        table.add_row(
            f"{count:,}",
            *(f"{np.quantile(ones, q) * 1e3:.1f}" for q in (0.5, 0.99)),
            f"{many * 1e3:.1f}",
            f"{np.median(walks) * 1e3:.1f}",
            f"{np.median(walks) / before:.2f}",
        )
    return table


def new(count: int, known: Any, dice: Any) -> list[tuple[int, int]]:
    """Saves of known pins and unknown ones alike to a tenth as many boards, which the graph lacks."""
    pins = np.where(dice.random(count) < 0.5, dice.choice(known, count), FRESH * 2 + dice.integers(0, 10**6, count))
    boards = FRESH * 2 + dice.integers(0, 1 + count // 10, count)
    return list(zip(pins.tolist(), boards.tolist(), strict=True))


if __name__ == "__main__":
    main()
