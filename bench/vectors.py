"""Nearest neighbours beside hnswlib and FAISS: `python -m bench.vectors [--n 1000000]`.

One query a call, top 10, one thread; each engine at the least effort that reaches the recall, timed in
turns in processes of their own; q/s by the processor's time, so that neighbours count for less, and p99
by the clock. Ours goes through the public `search`, refined from rows on disk.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DIM, K, QUERIES, ROUNDS = 256, 10, 2000, 5
RECALLS = (0.95, 0.99)
Search = Callable[[np.ndarray, int], np.ndarray]


def draw(n: int, queries: int, dim: int = DIM, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows shaped like embeddings: 2,000 clusters of uneven sizes, a power-law spectrum."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    axes = (turn * (np.arange(dim)[:, None] + 1.0) ** -0.75).astype(np.float32)
    centres = rng.standard_normal((2000, dim), dtype=np.float32)
    weights = rng.pareto(1.5, 2000) + 0.3
    rows = np.empty((n + queries, dim), np.float32)
    for i in range(0, len(rows), 65_536):
        part = rows[i : i + 65_536]
        cluster = rng.choice(2000, len(part), p=weights / weights.sum())
        np.matmul(centres[cluster] + rng.standard_normal(part.shape, dtype=np.float32), axes, out=part)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return rows[:n], rows[n:]


def intrinsic_dimension(scores: np.ndarray) -> float:
    """Levina and Bickel 2005, from the falling scores (q, k) of nearest neighbours."""
    distance = np.sqrt(np.maximum(2 - 2 * scores, 1e-12))
    return float(np.mean(1 / np.mean(np.log(distance[:, -1:] / distance[:, :-1]), axis=1)))


def prepare(folder: Path, n: int) -> None:
    import faiss

    if (folder / "truth.npy").exists():
        return
    rows, queries = draw(n, QUERIES)
    scores, truth = faiss.knn(queries, rows, 100, faiss.METRIC_INNER_PRODUCT)
    print(f"intrinsic dimension {intrinsic_dimension(scores):.1f}")
    np.save(folder / "rows.npy", rows)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "truth.npy", truth[:, :K])


def seconds(path: Path, build: Callable[[], None]) -> float:
    """How long `build` took, now or in the run that left its work in `path`."""
    note = path.with_name(path.name + ".seconds")
    if not note.exists():
        start = time.perf_counter()
        build()
        note.write_text(str(time.perf_counter() - start))
    return float(note.read_text())


def build_ours(folder: Path) -> float:
    from bowerbird.adapters.vectors.faiss import FaissVectors

    home = folder / "bowerbird"
    if not home.exists():
        rows = np.load(folder / "rows.npy", mmap_mode="r")
        vectors = FaissVectors(home, DIM, exact_below=1 << 40)
        for i in range(0, len(rows), 65_536):
            part = np.asarray(rows[i : i + 65_536])
            vectors.add(np.arange(i + 1, i + 1 + len(part)), part)
        vectors.close()
    builder = [sys.executable, "-m", "bowerbird.adapters.vectors.build", str(home), str(DIM), "1"]
    return seconds(home, lambda: subprocess.run(builder, check=True) and None)


def open_ours(folder: Path) -> Search:
    from bowerbird.adapters.vectors.faiss import FaissVectors

    vectors = FaissVectors(folder / "bowerbird", DIM)

    def search(query: np.ndarray, effort: int) -> np.ndarray:
        vectors.effort = effort
        return vectors.search(query, K).ids[0] - 1

    return search


def build_hnswlib(folder: Path) -> float:
    import hnswlib

    def build() -> None:
        rows = np.load(folder / "rows.npy")
        index = hnswlib.Index("ip", DIM)
        index.init_index(len(rows), M=16, ef_construction=200)
        index.add_items(rows, num_threads=os.cpu_count())
        index.save_index(str(folder / "hnswlib"))

    return seconds(folder / "hnswlib", build)


def open_hnswlib(folder: Path) -> Search:
    import hnswlib

    index = hnswlib.Index("ip", DIM)
    index.load_index(str(folder / "hnswlib"))
    index.set_num_threads(1)

    def search(query: np.ndarray, effort: int) -> np.ndarray:
        index.set_ef(effort)
        return index.knn_query(query, K)[0][0].astype(np.int64)

    return search


def build_faiss(folder: Path) -> float:
    import faiss

    def build() -> None:
        rows = np.load(folder / "rows.npy")
        index = faiss.index_factory(DIM, "HNSW32_SQ8")
        index.train(rows[:100_000])
        index.add(rows)
        faiss.write_index(index, str(folder / "faiss"))

    return seconds(folder / "faiss", build)


def open_faiss(folder: Path) -> Search:
    import faiss

    index, rows = faiss.read_index(str(folder / "faiss")), np.load(folder / "rows.npy", mmap_mode="r")
    faiss.omp_set_num_threads(1)

    def search(query: np.ndarray, effort: int) -> np.ndarray:
        walk = faiss.SearchParametersHNSW(efSearch=effort)
        found = index.search(query, min(3 * K, effort), params=walk)[1][0]
        return found[np.argpartition(-(rows[found] @ query[0]), K - 1)[:K]]

    return search


ENGINES: dict[str, tuple[Callable[[Path], float], Callable[[Path], Search]]] = {
    "hnswlib M16 efc200": (build_hnswlib, open_hnswlib),
    "FAISS HNSW32 SQ8, refine x3": (build_faiss, open_faiss),
    "Bowerbird": (build_ours, open_ours),
}


def memory() -> dict[str, float]:
    """Resident MB of this process: its own, and mapped files."""
    with Path("/proc/self/status").open() as status:
        lines = dict(line.split(":", 1) for line in status)
    return {part: int(lines[part].split()[0]) / 1024 for part in ("RssAnon", "RssFile")}


def serve(name: str, folder: Path, pipe: Any) -> None:
    """In a process of its own: open, answer `effort` with (recall, q/s, p99 ms), then say the memory."""
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    before, start = memory(), time.perf_counter()
    search = ENGINES[name][1](folder)
    search(queries[:1], 64)
    pipe.send(time.perf_counter() - start)
    while effort := pipe.recv():
        answers, times, worked = np.empty_like(truth), np.empty(len(queries)), time.thread_time()
        for i in range(len(queries)):
            query = queries[i : i + 1]
            begin = time.perf_counter()
            found = search(query, effort)
            times[i] = time.perf_counter() - begin
            answers[i] = found
        worked = time.thread_time() - worked
        right = sum(len(np.intersect1d(*pair)) for pair in zip(answers, truth, strict=True))
        pipe.send((right / truth.size, len(queries) / worked, float(np.percentile(times, 99)) * 1000))
    after = memory()
    pipe.send({part: after[part] - before[part] for part in after})


def least_effort(ask: Callable[[int], tuple[float, float, float]], recall: float) -> int:
    low, high = K, 1024
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if ask(middle)[0] >= recall else (middle + 1, high)
    return low


def measure(folder: Path) -> dict[str, dict[str, Any]]:
    """Every engine, in turns: {name: build, open, (recall: effort, recall, q/s, p99), memory}."""
    context, results, asks, pipes = multiprocessing.get_context("spawn"), {}, {}, {}
    for name, (build, _) in ENGINES.items():
        results[name] = {"build": build(folder)}
    for name in ENGINES:
        pipe, theirs = context.Pipe()
        context.Process(target=serve, args=(name, folder, theirs), daemon=True).start()
        results[name]["open"] = pipe.recv()
        pipes[name], asks[name] = pipe, lambda effort, pipe=pipe: (pipe.send(effort), pipe.recv())[1]
    efforts = {(name, recall): least_effort(asks[name], recall) for name in ENGINES for recall in RECALLS}
    runs: dict[tuple[str, float], list[tuple[float, float, float]]] = {key: [] for key in efforts}
    for _ in range(ROUNDS):
        for (name, recall), effort in efforts.items():
            runs[name, recall].append(asks[name](effort))
    for (name, recall), times in runs.items():
        results[name][recall] = (
            efforts[name, recall],
            *(statistics.median(column) for column in zip(*times, strict=True)),
        )
    for name, pipe in pipes.items():
        pipe.send(0)
        results[name]["memory"] = pipe.recv()
    return results


def table(results: dict[str, dict[str, Any]]) -> str:
    peers = [result for name, result in results.items() if name != "Bowerbird"]
    lines = ["| index | build s | RAM MB (own + mapped) | open + first query s |"]
    for recall in RECALLS:
        lines[0] += f" effort, recall | q/s at {recall} | p99 ms | to best peer |"
    lines.append("|" + "---|" * (lines[0].count("|") - 1))
    for name, result in results.items():
        used = result["memory"]
        row = (
            f"| {name} | {result['build']:.0f} | {used['RssAnon']:.0f} + {used['RssFile']:.0f} | {result['open']:.2f} |"
        )
        for recall in RECALLS:
            effort, reached, rate, p99 = result[recall]
            best = max(peer[recall][2] for peer in peers)
            row += f" {effort}, {reached:.3f} | {rate:.0f} | {p99:.2f} | {rate / best:.2f} |"
        lines.append(row)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--peers-cache", type=Path, help="keep the data and the built indexes here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.peers_cache or Path(scratch)) / str(options.n)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, options.n)
        print(table(measure(folder)))


if __name__ == "__main__":
    main()
