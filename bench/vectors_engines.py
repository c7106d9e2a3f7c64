"""The `Vectors` engines side by side: `python -m bench.vectors_engines [--rows 50000]`.

Each through its adapter, as Bowerbird uses it: one query a call from one thread, top 10, at the least effort that
reaches the recall, timed in turns by the clock. PostgreSQL is started from its wheel and Milvus Lite in a file, unless
`--postgres` or `--milvus` names a server; `vectors_bench` there is replaced.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.vectors import DIM, RECALLS, K, prepare
from bowerbird.ports import Vectors

NEVER = 1 << 40
BATCH, ALONE, ROUNDS = 5000, 200, 3
PATIENCE = 10.0
"""Seconds after which a round ends, whether or not all queries were asked."""
MOST = 1000
"""The highest effort tried."""


@contextmanager
def bowerbird(folder: Path, _: argparse.Namespace) -> Iterator[Vectors]:
    from bowerbird.adapters.vectors.faiss import FaissVectors

    yield FaissVectors(folder / "faiss", DIM, NEVER)


@contextmanager
def pgvector(folder: Path, options: argparse.Namespace) -> Iterator[Vectors]:
    from bowerbird.adapters.vectors.pgvector import PgVectors
    from bowerbird.fleet.server import free_port
    from bowerbird.fleet.servers import postgres

    if options.postgres:
        yield PgVectors(options.postgres, "bench", DIM, NEVER)
        return
    port = free_port()
    server = postgres.primary(folder / "postgres", port, "bench")
    server.start()
    try:
        server.wait()
        yield PgVectors(postgres.url(port, "bench"), "bench", DIM, NEVER)
    finally:
        server.stop()


@contextmanager
def milvus(folder: Path, options: argparse.Namespace) -> Iterator[Vectors]:
    from bowerbird.adapters.vectors.milvus import MilvusVectors

    yield MilvusVectors(options.milvus or f"milvus://{folder}/milvus.db", "bench", DIM)


ENGINES: dict[str, Callable[[Path, argparse.Namespace], Any]] = {
    "FAISS, as Bowerbird uses it": bowerbird,
    "pgvector": pgvector,
    "Milvus": milvus,
}


def fill(vectors: Any, rows: np.ndarray) -> tuple[float, float]:
    """Rows added a second, and the seconds until all are found as fast as they will be."""
    for start in range(1, len(vectors) + 1, BATCH):
        vectors.remove(np.arange(start, start + BATCH))
    start = time.perf_counter()
    for at in range(0, len(rows), BATCH):
        part = rows[at : at + BATCH]
        vectors.add(np.arange(at + 1, at + 1 + len(part)), part)
    added = time.perf_counter()
    vectors.exact_below = 1
    vectors.settle()
    return len(rows) / (added - start), time.perf_counter() - added


def asked(vectors: Any, effort: int, queries: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Recall, queries a second, p99 in ms."""
    vectors.effort = effort
    times: list[float] = []
    right = 0
    for query, near in zip(queries, truth, strict=True):
        start = time.perf_counter()
        found = vectors.search(query[None], K).ids[0] - 1
        times.append(time.perf_counter() - start)
        right += len(np.intersect1d(found, near))
        if sum(times) > PATIENCE:
            break
    return right / (K * len(times)), len(times) / sum(times), float(np.percentile(times, 99)) * 1000


def least_effort(ask: Callable[[int], tuple[float, float, float]], recall: float) -> int:
    low, high = K, MOST
    if ask(low)[0] >= recall:
        return low
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if ask(middle)[0] >= recall else (middle, high)
    return high


def alone(vectors: Vectors, rows: np.ndarray) -> float:
    """Rows a second that are added one by one to a finished index."""
    start = time.perf_counter()
    for n in range(ALONE):
        vectors.add(np.array([n + 1]), rows[n : n + 1])
    return ALONE / (time.perf_counter() - start)


def measure(opened: dict[str, Vectors], folder: Path) -> dict[str, dict[Any, Any]]:
    rows, queries, truth = (np.load(folder / f"{name}.npy") for name in ("rows", "queries", "truth"))
    results: dict[str, dict[Any, Any]] = {}
    efforts: dict[tuple[str, float], int] = {}
    for name, vectors in opened.items():
        added, built = fill(vectors, rows)
        results[name] = {"add": added, "build": built}
        for recall in RECALLS:
            efforts[name, recall] = least_effort(
                lambda effort, vectors=vectors: asked(vectors, effort, queries, truth), recall
            )
    runs: dict[tuple[str, float], list[tuple[float, float, float]]] = {key: [] for key in efforts}
    for _ in range(ROUNDS):
        for (name, recall), effort in efforts.items():
            runs[name, recall].append(asked(opened[name], effort, queries, truth))
    for (name, recall), times in runs.items():
        medians = (statistics.median(column) for column in zip(*times, strict=True))
        results[name][recall] = (efforts[name, recall], *medians)
    for name, vectors in opened.items():
        results[name]["alone"] = alone(vectors, rows)
    return results


def table(results: dict[str, dict[Any, Any]]) -> str:
    lines = ["| engine | add/s | build s | add/s one by one |"]
    for recall in RECALLS:
        lines[0] += f" effort, recall | q/s at {recall} | p99 ms |"
    lines.append("|" + "---|" * (lines[0].count("|") - 1))
    for name, result in results.items():
        row = f"| {name} | {result['add']:.0f} | {result['build']:.1f} | {result['alone']:.0f} |"
        for recall in RECALLS:
            effort, reached, rate, p99 = result[recall]
            row += f" {effort}, {reached:.3f} | {rate:.0f} | {p99:.1f} |"
        lines.append(row)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--postgres", help="URL of a PostgreSQL of your own")
    parser.add_argument("--milvus", help="URL of a Milvus of your own")
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), help="only these")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        prepare(folder, options.rows)
        with opened(folder, options, options.engines) as engines:
            print(table(measure(engines, folder)))


@contextmanager
def opened(folder: Path, options: argparse.Namespace, names: list[str]) -> Iterator[dict[str, Vectors]]:
    """Every engine, open at the same time."""
    if not names:
        yield {}
        return
    with ENGINES[names[0]](folder, options) as vectors, opened(folder, options, names[1:]) as others:
        yield {names[0]: vectors} | others
        vectors.close()


if __name__ == "__main__":
    main()
