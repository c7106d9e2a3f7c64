"""What a caller hands over, checked before anything is done with it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints


MOST = 10_000
"""Neighbours one query may ask for."""
PAGE = 2.0
"""Seconds that a question of a page may take, the wait for its turn included: there is more to a page than what looks
alike."""


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


def known_k(k: int) -> int:
    if not 1 <= k <= MOST:
        raise ValueError(f"k is {k}; it must be within 1 and {MOST}")
    return k


def new_rows(ids: Ints, vectors: Floats, dim: int) -> tuple[Ints, Floats]:
    """Checked, in the order of their ids, each id once: the last of its rows counts."""
    ids, vectors = known_ids(ids), unit_rows(vectors, dim)
    if len(ids) != len(vectors):
        raise ValueError(f"{len(ids)} ids for {len(vectors)} vectors")
    kept, places = np.unique(ids[::-1], return_index=True)
    return kept, vectors[::-1][places]


def table_name(name: str) -> str:
    """What an engine with narrow rules calls this index: at most 56 of a-z, 0-9 and _; different names stay so."""
    plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
    if plain != name or len(plain) > 40:
        plain = f"{plain[:38]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"vectors_{plain}"
