"""Several rankings into one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bowerbird.model import Hit

SMOOTH = 60
"""How little the very first ranks stand out; the paper's value."""


def fuse(rankings: Sequence[Sequence[Hit]], weights: Sequence[float] | None = None) -> list[Hit]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): the sum of weight / (60 + rank).

    Ranks need no common scale, so BM25, cosines and colours go together. What one ranking scores alike has one rank
    there, or words that all have would decide by chance. Equal sums keep the order in which the pictures first came.
    """
    weights = [1.0] * len(rankings) if weights is None else weights
    sums: dict[int, float] = {}
    for hits, weight in zip(rankings, weights, strict=True):
        rank, last = 0, math.nan
        for place, hit in enumerate(hits, 1):
            if hit.score != last:
                rank, last = place, hit.score
            sums[hit.image_id] = sums.get(hit.image_id, 0.0) + weight / (SMOOTH + rank)
    return sorted((Hit(image_id, score) for image_id, score in sums.items()), key=lambda hit: -hit.score)
