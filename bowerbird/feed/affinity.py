"""Which pins go together, learned from who keeps what: a linear model from a save matrix to ranked pins.

A person's saves times a matrix of pins by pins gives every pin's score. The matrix is a filter of the save graph, GF-CF
(Shen et al., CIKM 2021): the co-occurrence of pins, with people and pins weighed down by how many saves they have, plus
an ideal low-pass, its leading directions by themselves. Two things are ours: what a person keeps speaks a little louder
the more others keep it, for then its row is better known, and of each row only the strongest `NEIGHBOURS` are kept, so
that an answer takes a fraction of a millisecond. `bench/recommend.py` compares.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.feed.generations import renewed, whole
from bowerbird.ports import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_PINS = 30_000
"""Pins that are learned about, those saved most; pins beyond are left to walks. Time grows with their square, memory
with their number: at most about 1 GB."""
NEIGHBOURS = 600
"""Of each pin that are kept."""
RANK = 448
"""Leading directions of the low-pass."""
SHARE = 0.3
"""Of the low-pass, beside the co-occurrence."""
LOUDER = 0.2
"""Power of a pin's saves by which its row is multiplied. This, `RANK` and `SHARE` were chosen on held-out saves."""
PASSES = 3
"""Of subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4)."""
BLOCK = 1024
"""Rows of the matrix that are made at a time."""


class Affinity:
    """`matrix` (pins, pins) is sparse; rows are what a person keeps, columns what it speaks for."""

    def __init__(self, pin_ids: Ints, matrix: csr_matrix) -> None:
        self.pin_ids = pin_ids
        """The pin of each column, ascending."""
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.pin_ids)

    def top_k(self, columns: Ints, k: int, weights: Floats | None = None) -> tuple[Ints, Floats]:
        """Columns and scores, falling, of the `k` that a person with these saves would keep next; without their own."""
        ends, to, values = self.matrix.indptr, self.matrix.indices, self.matrix.data
        spans = list(zip(ends[columns].tolist(), ends[columns + 1].tolist(), strict=True))
        if not spans:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        spoken = np.concatenate([to[start:end] for start, end in spans])
        each = np.ones(len(columns), np.float32) if weights is None else np.asarray(weights, np.float32)
        worth = np.concatenate([values[start:end] * w for (start, end), w in zip(spans, each, strict=True)])
        scores = np.bincount(spoken, worth, len(self.pin_ids)).astype(np.float32)
        scores[columns] = 0
        best = np.flatnonzero(scores > 0)
        if k < len(best):
            best = best[np.argpartition(-scores[best], k)[:k]]
        best = best[np.argsort(-scores[best], kind="stable")]
        return best.astype(np.int64), scores[best]

    def columns(self, pin_ids: Ints) -> Ints:
        """Those of these pins that it knows, as columns."""
        if not len(self.pin_ids):
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(self.pin_ids, pin_ids), len(self.pin_ids) - 1)
        return np.asarray(at[self.pin_ids[at] == pin_ids], np.int64)

    def near(self, pin_id: int, k: int) -> list[tuple[int, float]]:
        """Pins that go with one, and their scores, falling; none for one it does not know."""
        found, scores = self.top_k(self.columns(np.array([pin_id], np.int64)), k)
        return list(zip(self.pin_ids[found].tolist(), scores.tolist(), strict=True))

    def save(self, folder: Path) -> None:
        """Whole or not at all."""
        parts = {"pin_ids": self.pin_ids, "indptr": self.matrix.indptr, "indices": self.matrix.indices}
        with whole(folder) as made:
            for name, array in (parts | {"data": self.matrix.data}).items():
                np.save(made / f"{name}.npy", array)
            (made / "affinity.json").write_text(json.dumps({"pins": len(self.pin_ids)}))

    @classmethod
    def load(cls, folder: Path) -> Affinity:
        """By memory map. Raises `FileNotFoundError`."""
        from scipy.sparse import csr_matrix

        names = ("pin_ids", "data", "indices", "indptr")
        pin_ids, *parts = (np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray) for name in names)
        return cls(pin_ids, csr_matrix(tuple(parts), shape=(len(pin_ids), len(pin_ids)), copy=False))


def fit(saves: csr_matrix, pin_ids: Ints | None = None, most_pins: int = MOST_PINS) -> Affinity:
    """Learn from `saves` (people, pins), whatever its values, above zero where someone keeps a pin.

    `pin_ids` (pins,) names the columns, ascending; by default their numbers. Pins that nobody keeps, and those past
    the `most_pins` saved most, are left out of the model.
    """
    pin_ids = np.arange(saves.shape[1], dtype=np.int64) if pin_ids is None else pin_ids
    counts = np.diff(saves.tocsc().indptr)
    kept = np.sort(np.argsort(-counts, kind="stable")[:most_pins])
    kept = kept[counts[kept] > 0]
    saves = (saves.tocsr()[:, kept] > 0).astype(np.float32)
    return Affinity(np.asarray(pin_ids[kept], np.int64), _learned(saves))


def renew(folder: Path, pins: Ints, people: Ints) -> Path:
    """Learn from these saves (two arrays of one length: a pin's and a person's id) and write the next generation; the
    ones before the last are dropped."""
    from scipy.sparse import csr_matrix

    pin_ids, columns = np.unique(pins, return_inverse=True)
    person_ids, rows = np.unique(people, return_inverse=True)
    ones = np.ones(len(pins), np.float32)
    learned = fit(csr_matrix((ones, (rows, columns)), shape=(len(person_ids), len(pin_ids))), pin_ids)
    return renewed(folder, learned.save)


def _learned(saves: csr_matrix) -> csr_matrix:
    """(pins, pins), the strongest of each row; `saves` is of ones, without empty columns."""
    from scipy.sparse import csr_matrix, diags, vstack

    people, pins = saves.shape
    if not saves.nnz:
        return csr_matrix((pins, pins), dtype=np.float32)
    of_person = np.maximum(np.diff(saves.indptr), 1).astype(np.float32)
    of_pin = np.bincount(saves.indices, minlength=pins).astype(np.float32)
    even = (diags(of_person**-0.5) @ saves @ diags(of_pin**-0.5)).tocsr().astype(np.float32)
    directions = _leading(even, min(RANK, people, pins))
    root = np.sqrt(of_pin)
    left = SHARE * directions / root[:, None]
    right = (directions * root[:, None]).T
    louder = of_pin**LOUDER
    turned = even.T.tocsr()
    blocks = []
    for start in range(0, pins, BLOCK):
        rows = (turned[start : start + BLOCK] @ even).toarray() + left[start : start + BLOCK] @ right
        rows[np.arange(len(rows)), start + np.arange(len(rows))] = 0  # nothing speaks for itself
        blocks.append(_strongest(rows * louder[start : start + BLOCK, None]))
    return vstack(blocks, format="csr")


def _leading(even: csr_matrix, rank: int) -> Floats:
    """The leading eigenvectors of `even.T @ even`, (pins, rank), by randomised iteration."""
    width = min(rank + 32, even.shape[1])
    basis = np.random.default_rng(0).standard_normal((even.shape[1], width)).astype(np.float32)
    for _ in range(PASSES + 1):
        basis = np.linalg.qr(even.T @ (even @ basis))[0]
    inside = even @ basis
    values, axes = np.linalg.eigh(inside.T @ inside)
    return np.asarray(basis @ axes[:, np.argsort(-values)[:rank]], np.float32)


def _strongest(rows: Floats) -> csr_matrix:
    """The `NEIGHBOURS` greatest of each row, if above zero."""
    from scipy.sparse import csr_matrix

    k = min(NEIGHBOURS, rows.shape[1])
    best = np.sort(np.argpartition(-rows, k - 1, axis=1)[:, :k], axis=1).astype(np.int32)
    values = np.maximum(np.take_along_axis(rows, best, axis=1), 0)
    ends = np.arange(0, best.size + 1, k)
    kept = csr_matrix((values.ravel(), best.ravel(), ends), shape=rows.shape)
    kept.eliminate_zeros()
    return kept
