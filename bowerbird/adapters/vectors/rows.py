"""What a caller hands over, checked before anything is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints


def known_ids(ids: Ints) -> Ints:
    ids = np.asarray(ids)
    if ids.dtype != np.int64 or ids.ndim != 1:
        raise ValueError("ids must be a one-dimensional int64 array")
    if len(ids) and ids.min() < 1:
        raise ValueError("ids must be above zero")
    return ids


def unit_rows(vectors: Floats, dim: int) -> Floats:
    vectors = np.asarray(vectors)
    if vectors.dtype != np.float32:
        raise ValueError("vectors must be a float32 array")
    if vectors.ndim != 2 or vectors.shape[1] != dim or not len(vectors):
        raise ValueError(f"vectors must be (n, {dim}) with n above zero, not {vectors.shape}")
    squares = np.einsum("ij,ij->i", vectors, vectors)
    # Written so that NaN fails too.
    if not (np.abs(squares - 1) < 0.01).all():
        raise ValueError("vectors must be finite and of length 1")
    return np.ascontiguousarray(vectors)
