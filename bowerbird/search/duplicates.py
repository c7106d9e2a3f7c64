"""Pictures that are the same picture."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from bowerbird.catalog import images, pins
from bowerbird.catalog.faces import Face
from bowerbird.darkroom import Spoiled
from bowerbird.darkroom.fingerprint import distance
from bowerbird.model import WIDTHS, Hit, Image, media_key
from bowerbird.ports import Engines, Missing, Unavailable
from bowerbird.search import alignment, similar

if TYPE_CHECKING:
    from bowerbird.darkroom.process import Darkroom

CANDIDATES = 24
"""Nearest pictures that are looked at more closely."""

ALIGNED = 5
"""The nearest of these that are laid over the picture to find out about a crop."""

# Cosines of the default encoder. Of 900 photographs of clothes, no two different ones are above 0.96;
# crops to 60 % of the area have about 0.89 and few below 0.75, resizes to 30 % of the width 0.7 at least.
NEAR = 0.65
"""Below it two pictures are not even compared."""

SAME = 0.96
"""From it they are the same, whatever their hashes say."""

BITS = 8
"""Bits of 64 in which the perceptual hashes of the same picture differ at most; of different ones 12 or more do."""

FITS = 0.65
"""How well a part fits its whole at least; see `alignment.fits`."""

KEEP = 90 * 86400.0
"""Seconds for which a pair's verdict is kept."""


class Trace(msgspec.Struct, frozen=True):
    """The part of a `model.Look` that tells pictures apart."""

    width: int
    height: int
    phash: str
    phash_flip: str


_trace = msgspec.json.Decoder(Trace)


def traces(engines: Engines, media: Sequence[str]) -> dict[str, Trace]:
    """By media name; those not yet looked at are left out."""
    found = engines.metadata.get_many([f"look:{name}" for name in media])
    return {key.removeprefix("look:"): _trace.decode(look) for key, look in found.items()}


def fold(engines: Engines, hits: Sequence[Hit], faces: Mapping[int, Face], most: int) -> list[Hit]:
    """The first `most` of these hits, each group of near-duplicates folded into its best.

    A hit joins the group of the first better hit that it is near to, and chains of likenesses grow from
    there: what comes later in the ranking never changes what came before, so pages fit together.
    `faces` has the face of each by image id.
    """
    leader = list(range(len(hits)))
    for later, earlier in _alike(engines, hits, faces):
        if leader[later] == later:
            leader[later] = leader[earlier]
    return [hit for at, hit in enumerate(hits) if leader[at] == at][:most]


def _alike(engines: Engines, hits: Sequence[Hit], faces: Mapping[int, Face]) -> list[list[int]]:
    """Pairs of near-duplicates by their ranks, the later first; in the order of the later, then the earlier."""
    vectors = engines.looks.get(np.array([hit.image_id for hit in hits], np.int64))
    cosines = np.tril(vectors @ vectors.T, -1)
    later, earlier = np.nonzero(cosines >= NEAR)
    if not len(later):
        return []
    known = [faces[hit.image_id] for hit in hits]
    hashes = np.array([int(face.phash or "0", 16) for face in known], np.uint64)
    mirrored = np.array([int(face.phash_flip or "0", 16) for face in known], np.uint64)
    told = np.array([face.phash != "" for face in known])
    bits = np.minimum(
        np.bitwise_count(hashes[later] ^ hashes[earlier]), np.bitwise_count(hashes[later] ^ mirrored[earlier])
    )
    same = (cosines[later, earlier] >= SAME) | ((bits <= BITS) & told[later] & told[earlier])
    return np.stack([later, earlier], axis=1)[same].tolist()  # type: ignore[no-any-return]


class Kind(StrEnum):
    """What was done to one picture to make the other."""

    CROP = "crop"
    RESIZE = "resize"
    RECOMPRESS = "recompress"
    FLIP = "flip"


def near_duplicates(
    engines: Engines, image_id: int, viewer: int | None, darkroom: Darkroom | None = None
) -> list[tuple[Image, Kind]]:
    """Pictures that the viewer sees and that are this one but for a crop, its size, its compression or a mirror.

    Crops are found with a darkroom only, which lays the pictures over each other. That is slow, so it is done for
    the nearest few only, and once for each pair.
    """
    hits = [hit for hit in similar.related(engines, image_id, CANDIDATES) if hit.score >= NEAR]
    with engines.database.read() as conn:
        own = images.by_id(conn, image_id)
        shown = pins.for_images(conn, [hit.image_id for hit in hits], viewer)
    others = [shown[hit.image_id].image for hit in hits if hit.image_id in shown]
    known = traces(engines, [image.media for image in [own, *others] if image])
    if own is None or own.media not in known:
        return []
    kinds = {image.id: _kind(known[own.media], known[image.media]) for image in others if image.media in known}
    if darkroom is not None:
        unlike = [image for image in others if kinds.get(image.id) is None][:ALIGNED]
        kinds |= _crops(engines, darkroom, own, unlike)
    return [(image, kind) for image in others if (kind := kinds.get(image.id))]


def _kind(one: Trace, other: Trace) -> Kind | None:
    if distance(one.phash, other.phash) <= BITS:
        return Kind.RECOMPRESS if (one.width, one.height) == (other.width, other.height) else Kind.RESIZE
    return Kind.FLIP if distance(one.phash, other.phash_flip) <= BITS else None


def _crops(engines: Engines, darkroom: Darkroom, own: Image, others: Sequence[Image]) -> dict[int, Kind | None]:
    """By image id, whether one of the two was cut from the other. Told once for each pair, and kept."""
    keys = {image.id: "kin:" + ":".join(sorted((own.media, image.media))) for image in others}
    known = engines.metadata.get_many(list(keys.values()))
    kinds: dict[int, Kind | None] = {}
    for image in others:
        verdict = known.get(keys[image.id])
        if verdict is None:
            # A picture whose rendition is gone or away, or that nobody can open, is nobody's crop today.
            with contextlib.suppress(Missing, Spoiled, Unavailable):
                renditions = (engines.blobs.get(media_key(f"{WIDTHS[0]}x", name)) for name in (own.media, image.media))
                verdict = Kind.CROP.encode() if max(darkroom.run(alignment.fits, *renditions)) >= FITS else b""
                engines.metadata.put(keys[image.id], verdict, KEEP)
        kinds[image.id] = Kind.CROP if verdict else None
    return kinds
