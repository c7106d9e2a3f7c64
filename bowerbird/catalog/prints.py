"""What tells near-duplicates of pictures, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from bowerbird.catalog import facts
from bowerbird.catalog.faces import Face
from bowerbird.ports import Engines

PRINT = np.dtype([("id", np.int64), ("hash", np.uint64), ("mirrored", np.uint64)])
"""Perceptual hashes of a picture and of its mirror image; `id` is 0 where they are not known."""


class Print(msgspec.Struct, frozen=True):
    """The part of a `model.Look` that is compared."""

    phash: str = ""
    phash_flip: str = ""


_of_look = msgspec.json.Decoder(Print).decode


def prints(engines: Engines, conn: Connection, image_ids: Sequence[int]) -> list[tuple[int, int, int]]:
    """Rows of `PRINT`; images not yet looked at are left out. Raises `Unavailable`."""
    media = facts.media(conn, image_ids)
    looks = engines.metadata.get_many([f"look:{name}" for name in media.values()])
    known = {image: _of_look(looks[f"look:{name}"]) for image, name in media.items() if f"look:{name}" in looks}
    return [_row(image, one) for image, one in known.items() if one.phash]


def of_faces(known: Mapping[int, Face], image_ids: Sequence[int]) -> NDArray[np.void]:
    """(n,) of `PRINT` by faces that are known, by image id."""
    rows = [_row(image, known[image]) if image in known and known[image].phash else (0, 0, 0) for image in image_ids]
    return np.array(rows, PRINT)


def _row(image_id: int, one: Print | Face) -> tuple[int, int, int]:
    return image_id, int(one.phash, 16), int(one.phash_flip or "0", 16)
