"""Whether search finds what there is: a sample of its answers against exact search."""

from __future__ import annotations

import numpy as np

from bowerbird.catalog import images
from bowerbird.ports import Engines, Floats, Ints

BLOCK = 10_000
"""Vectors compared at a time: 10 MB of them."""


def recall(engines: Engines, queries: int = 32, k: int = 10, seed: int | None = None) -> float | None:
    """Recall@k from 0 to 1: how many of the `k` pictures nearest to a stored one its answer has, over a random
    sample of stored ones; None while there are too few pictures to ask about.

    Compares with every vector: some 2 s of one core at a million pictures.
    """
    ids = _ids(engines)
    if len(ids) <= k:
        return None
    asked = np.random.default_rng(seed).choice(ids, min(queries, len(ids)), replace=False)
    vectors = engines.looks.get(asked)
    present = vectors.any(axis=1)
    asked, vectors = asked[present], vectors[present]
    if not len(asked):
        return None
    exact = _kth_best(engines, ids, engines.looks.as_searched(vectors), k)
    answers = engines.looks.search(vectors, k).scores
    # By score, not by id: of equal pictures any will do. The engine may round a little differently.
    return float((answers >= exact[:, None] - 1e-4).mean())


def _kth_best(engines: Engines, ids: Ints, vectors: Floats, k: int) -> Floats:
    """The k-th largest inner product of each query with any stored vector, (queries,)."""
    best = np.full((len(vectors), k), -np.inf, np.float32)
    for start in range(0, len(ids), BLOCK):
        scores = vectors @ engines.looks.as_searched(engines.looks.get(ids[start : start + BLOCK])).T
        best = np.partition(np.concatenate([best, scores], axis=1), -k, axis=1)[:, -k:]
    return np.asarray(best.min(axis=1), np.float32)


def _ids(engines: Engines) -> Ints:
    """Every ready picture's."""
    with engines.database.read() as conn:
        return images.ready_ids(conn)
