"""Pictures as unlike each other as there are."""

from __future__ import annotations

import numpy as np

from bowerbird.ports import Floats, Ints


def farthest(vectors: Floats, most: int, centres: Floats | None = None) -> Ints:
    """(at most `most`,) rows of `vectors` (n, dim), each the farthest from those before it and from `centres`
    (m, dim): Gonzalez' greedy 2-approximation of k centres (Theoretical Computer Science 38, 1985). Without centres
    it begins with the first row. Rows of zeros are never chosen, nor is what equals a row chosen before."""
    nearest = np.full(len(vectors), -1.0, np.float32)
    if centres is not None and len(centres):
        nearest = (vectors @ centres.T).max(axis=1)
    nearest[~vectors.any(axis=1)] = np.inf
    chosen: list[int] = []
    while len(chosen) < min(most, len(vectors)):
        row = int(np.argmin(nearest))
        if nearest[row] > 0.999:
            break
        chosen.append(row)
        nearest = np.maximum(nearest, vectors @ vectors[row])
        nearest[row] = np.inf
    return np.array(chosen, np.int64)
