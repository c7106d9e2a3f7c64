"""Pictures that are the same but for a crop, their size, their compression or a mirror: what is known of pairs of them.

Hashes tell most pairs. Whether one is a part of the other is found by laying them over each other (`ingest.compare`),
which is slow: it is done once for each pair, in a worker, and its verdict is kept under `kin:<media>:<media>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np

from bowerbird.ports import Engines

CANDIDATES = 24
"""Nearest pictures that are looked at more closely."""

ALIGNED = 5
"""The nearest of these whose hashes are unlike that are laid over the picture to find out about a crop."""

# Cosines of the default encoder. Of 900 photographs of clothes, no two different ones are above 0.96;
# crops to 60 % of the area have about 0.89 and few below 0.75, resizes to 30 % of the width 0.7 at least.
NEAR = 0.65
"""Below it two pictures are not even compared."""

BITS = 8
"""Bits of 64 in which the perceptual hashes of the same picture differ at most; of different ones 12 or more do."""

KEEP = 90 * 86400.0
"""Seconds for which a pair's verdict is kept."""

AGAIN = 3600.0
"""Seconds after which a pair that could not be looked at is tried again."""


class Kind(StrEnum):
    """What was done to one picture to make the other."""

    CROP = "crop"
    RESIZE = "resize"
    RECOMPRESS = "recompress"
    FLIP = "flip"


class Trace(msgspec.Struct, frozen=True):
    """The part of a `model.Look` that tells pictures apart."""

    width: int
    height: int
    phash: str
    phash_flip: str


class Known(NamedTuple):
    kinds: dict[str, Kind]
    """By the media names of near-duplicates; in the order in which they were asked for."""
    untold: list[str]
    """Those of the nearest that are still to be laid over this one."""


_trace = msgspec.json.Decoder(Trace).decode


def nearest(engines: Engines, image_id: int) -> list[int]:
    """Ids of the pictures that may be near-duplicates, the likest first; none while it has no vector."""
    own = np.array([image_id], np.int64)
    vector = engines.looks.get(own)
    k = min(CANDIDATES + 1, len(engines.looks))
    if k < 1 or not vector.any():
        return []
    found = engines.looks.search(vector, k).ids[0]
    others = found[(found > 0) & (found != image_id)][:CANDIDATES]
    # What search goes by may be learned; the encoder's own cosines keep their meaning.
    cosines = engines.looks.get(others) @ vector[0]
    order = np.argsort(-cosines, kind="stable")
    return [int(others[at]) for at in order if cosines[at] >= NEAR]


def known(engines: Engines, own: str, others: Sequence[str]) -> Known:
    """Of this picture and others by their media names, the likest first. Raises `Unavailable`."""
    verdicts = {media: _key(own, media) for media in others}
    found = engines.metadata.get_many([f"look:{own}", *(f"look:{media}" for media in others), *verdicts.values()])
    traces = {media: _trace(look) for media in (own, *others) if (look := found.get(f"look:{media}")) is not None}
    if own not in traces:
        return Known({}, [])
    hashes = {media: _told(traces[own], traces[media]) for media in others if media in traces}
    unlike = [media for media, kind in hashes.items() if kind is None]
    # All that was ever laid over it counts, also from the other's side; but no more than some are asked for.
    kinds = {media: kind or (Kind.CROP if found.get(verdicts[media]) else None) for media, kind in hashes.items()}
    untold = [media for media in unlike[:ALIGNED] if verdicts[media] not in found]
    return Known({media: kind for media, kind in kinds.items() if kind}, untold)


def keep(engines: Engines, own: str, other: str, crop: bool | None) -> None:
    """Whether one of the two was cut from the other; None if it could not be found out."""
    verdict = Kind.CROP.encode() if crop else b""
    engines.metadata.put(_key(own, other), verdict, AGAIN if crop is None else KEEP, durable=False)


def _key(one: str, other: str) -> str:
    return "kin:" + ":".join(sorted((one, other)))


def _told(one: Trace, other: Trace) -> Kind | None:
    """What their hashes tell."""
    if distance(one.phash, other.phash) <= BITS:
        return Kind.RECOMPRESS if (one.width, one.height) == (other.width, other.height) else Kind.RESIZE
    return Kind.FLIP if distance(one.phash, other.phash_flip) <= BITS else None


def distance(one: str, other: str) -> int:
    """Bits in which two hashes in hex differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
