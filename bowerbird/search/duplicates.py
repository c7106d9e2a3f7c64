"""Pictures that are the same picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowerbird.catalog import images, kin, pins
from bowerbird.catalog.kin import BITS, NEAR
from bowerbird.catalog.kin import Kind as Kind
from bowerbird.model import Pin
from bowerbird.ports import Engines, Floats

SAME = 0.96
"""Cosine from which two pictures are the same, whatever their hashes say."""

Prints = Callable[[Sequence[int]], NDArray[np.void]]
"""Of images by id (n,) of `prints.PRINT`."""


class Near(NamedTuple):
    pins: list[tuple[Pin, Kind]]
    """The likest first."""
    whole: bool
    """False while some pictures are still to be laid over this one (`ingest.compare`)."""


def fold(image_ids: Sequence[int], looks: Floats, prints: Prints) -> list[int]:
    """The ranks of these images (best first, `looks` (n, dim)) that are left when each group of near-duplicates is
    folded into its best.

    An image joins the group of the first better one that it is near to, and chains of likenesses grow from
    there: what comes later in the ranking never changes what came before, so pages fit together.
    """
    leader = list(range(len(image_ids)))
    for later, earlier in _alike(image_ids, looks, prints):
        if leader[later] == later:
            leader[later] = leader[earlier]
    return [rank for rank, best in enumerate(leader) if rank == best]


def _alike(image_ids: Sequence[int], looks: Floats, prints: Prints) -> list[list[int]]:
    """Pairs of near-duplicates by their ranks, the later first; in the order of the later, then the earlier."""
    cosines = np.tril(looks @ looks.T, -1)
    later, earlier = np.nonzero(cosines >= NEAR)
    if not len(later):
        return []
    # Few are near to any other, so that few hashes are asked for.
    near = np.zeros(len(image_ids), bool)
    near[later] = near[earlier] = True
    known = prints([image_ids[rank] for rank in np.flatnonzero(near).tolist()])
    place = np.cumsum(near) - 1
    one, other = known[place[later]], known[place[earlier]]
    bits = np.minimum(np.bitwise_count(one["hash"] ^ other["hash"]), np.bitwise_count(one["hash"] ^ other["mirrored"]))
    told = (one["id"] > 0) & (other["id"] > 0)
    same = (cosines[later, earlier] >= SAME) | ((bits <= BITS) & told)
    return np.stack([later, earlier], axis=1)[same].tolist()  # type: ignore[no-any-return]


def near_duplicates(engines: Engines, image_id: int, viewer: int | None) -> Near:
    """Pins that the viewer sees whose pictures are this one but for a crop, its size, its compression or a mirror."""
    likest = kin.nearest(engines, image_id)
    with engines.database.read() as conn:
        media = images.media_of(conn, [image_id, *likest])
        shown = pins.for_images(conn, [other for other in likest if other in media], viewer)
    if image_id not in media:
        return Near([], whole=True)
    known = kin.known(engines, media[image_id], [media[other] for other in likest if other in media])
    pairs = [(shown[other], kind) for other in likest if other in shown and (kind := known.kinds.get(media[other]))]
    return Near(pairs, whole=not known.untold)
