"""Vectors of images, by the ids that the catalog knows."""

from __future__ import annotations

import numpy as np

from bowerbird.ports import Ints, Vectors
from bowerbird.storage.move import Digest, Moved, Report, agreed

BATCH = 1000
CLOSE = 1e-6
"""An engine may keep numbers a last bit away from what it was given."""


def empty(target: Vectors) -> bool:
    return len(target) == 0


def move(what: str, source: Vectors, target: Vectors, image_ids: Ints, report: Report) -> list[Moved]:
    """Those of these images that the source knows; a vector that the target has already is left as it is."""
    here, copied = Digest(), Digest()
    for start in range(0, len(image_ids), BATCH):
        ids = image_ids[start : start + BATCH]
        rows = source.get(ids)
        known = rows.any(axis=1)
        ids, rows = ids[known], rows[known]
        missing = ~np.isclose(target.get(ids), rows, rtol=0, atol=CLOSE).all(axis=1)
        if missing.any():
            target.add(ids[missing], rows[missing])
        for image_id, row, found in zip(ids, rows, target.get(ids), strict=True):
            here.add(str(image_id).encode(), row.tobytes())
            copied.add(
                str(image_id).encode(), (row if np.allclose(found, row, rtol=0, atol=CLOSE) else found).tobytes()
            )
        report(what, min(start + BATCH, len(image_ids)), len(image_ids))
    target.settle()
    return [agreed(what, here, copied)]
