"""The approximate index over a generation's first rows.

Rows are projected on their first principal axes (Tepper et al. 2023, "LeanVec", section 3), coded in
8 bits an axis and linked in a graph by FAISS (Malkov and Yashunin 2018, HNSW, of which the lowest layer
is kept). A query walks the graph over the short codes; what the walk finds is ranked by its full rows.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss as untyped
import numpy as np
from numpy.typing import NDArray

from bowerbird.adapters.vectors.log import sync_folder

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints

    Codes = NDArray[np.int8]

# What faiss declares of itself is partly wrong.
faiss: Any = untyped

KEPT = 0.975
"""Share of the energy that the projection keeps."""
STEPS = 36.0
"""Code steps a standard deviation: a byte holds 3.5 deviations to each side."""
LINKS = 24
"""Half of the links a node has."""
BUILD_EFFORT = 40
SAMPLE = 100_000
CELL = 1_000
"""Rows a cell, of which one is a door: where walks may start."""


def build(rows: Floats, folder: Path) -> Ints:
    """Write an index over `rows` (n, dim) into a new `folder`; durable on return.

    Returns the order (n,) in which the rows must lie on disk: row `order[i]` is node `i`. Near rows
    lie near each other, for the sake of caches.
    """
    axes = _axes(rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:SAMPLE])])
    short = np.concatenate([rows[i : i + SAMPLE] @ axes for i in range(0, len(rows), SAMPLE)])
    cells = faiss.Kmeans(short.shape[1], max(1, len(short) // CELL), niter=4, seed=0, max_points_per_centroid=64)
    cells.train(short)
    _, cell = cells.index.search(short, 1)
    order: Ints = np.argsort(cell[:, 0], kind="stable")
    short = short[order]
    _, doors = faiss.knn(cells.centroids, short, 1)
    folder.mkdir()
    _save(folder / "axes.npy", axes)
    _save(folder / "codes.npy", _coded(short))
    _save(folder / "doors.npy", np.unique(doors))
    _save(folder / "links.npy", _links(short))
    sync_folder(folder)
    return order


def _axes(sample: Floats) -> Floats:
    """The projection (dim, axes): principal axes, turned so that each carries alike, in code steps."""
    energy, vectors = np.linalg.eigh(sample.T @ sample)
    energy, vectors = energy[::-1].clip(0), vectors[:, ::-1]
    enough = int(np.searchsorted(np.cumsum(energy) / energy.sum(), KEPT)) + 1
    # Whole vector registers; fewer axes would save little.
    width = min(sample.shape[1], -(-enough // 32) * 32)
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((width, width)))
    axes = np.ascontiguousarray(vectors[:, :width] @ turn, np.float32)
    scaled: Floats = axes * np.float32(STEPS / (sample @ axes).std())
    return scaled


def _links(short: Floats) -> NDArray[np.int32]:
    """(n, 2 * LINKS), ended by -1."""
    index = faiss.IndexHNSWSQ(short.shape[1], faiss.ScalarQuantizer.QT_8bit, LINKS, faiss.METRIC_L2)
    index.hnsw.efConstruction = BUILD_EFFORT
    index.train(short[:: max(1, len(short) // SAMPLE)])
    index.add(short)
    starts = faiss.vector_to_array(index.hnsw.offsets)[:-1].astype(np.int64)
    neighbours = faiss.vector_to_array(index.hnsw.neighbors)
    links = np.empty((len(short), 2 * LINKS), np.int32)
    for i in range(2 * LINKS):
        links[:, i] = neighbours[starts + i]
    return links


def _save(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())


class Graph:
    """A saved index, mapped into memory."""

    def __init__(self, folder: Path) -> None:
        """Raises `FileNotFoundError`, and `ValueError` for files that are cut short."""
        self._axes = np.load(folder / "axes.npy")
        import numba

        # Compiled code lies with the data it serves: whoever opens them next need not compile.
        numba.config.CACHE_DIR = numba.config.CACHE_DIR or str(folder.parent / "compiled")
        from bowerbird.adapters.vectors import walk

        self._kernels: Any = walk
        self._codes, self._links = _map(folder / "codes.npy"), _map(folder / "links.npy")
        self._doors = np.load(folder / "doors.npy")
        self._door_codes = np.ascontiguousarray(self._codes[self._doors])
        self.count, self.axes = self._codes.shape

    def code(self, rows: Floats) -> Codes:
        """(n, dim) to (n, axes)."""
        return _coded(rows @ self._axes)

    def search(self, query: Floats, tail: Codes, rows: Floats, ids: Ints, k: int, effort: int) -> tuple[Ints, Floats]:
        """Up to k (row numbers, scores) for `query` (dim,), best first, of `rows` whose id is not 0.

        `tail` (m, axes) codes the m rows after the indexed ones. `effort` rows of either are ranked.
        """
        code = np.rint(query @ self._axes).astype(np.int16)
        nodes = self._kernels.walk(code, self._codes, self._links, self._doors, self._door_codes, effort)
        if len(tail):
            nodes = np.append(nodes, self._kernels.scan(code, tail, effort) + self.count)
        found, scores = self._kernels.rank(query, nodes, rows, ids, k)
        return found, scores


def _coded(short: Floats) -> Codes:
    return np.clip(np.rint(short), -127, 127).astype(np.int8)


def _map(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, mmap_mode="r"))
