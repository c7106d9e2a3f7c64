"""Pictures that look alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bowerbird.catalog.cached import cached
from bowerbird.model import Box, Hit, Image
from bowerbird.ports import Encoder, Engines, Floats, Vectors

if TYPE_CHECKING:
    from bowerbird.darkroom.process import Darkroom


def glance(encoder: Encoder, data: bytes, box: Box | None, max_pixels: int) -> Floats:
    """The vector (dim,) of a picture that is not kept, or of its part in `box`.

    Opens foreign bytes: to be run in the darkroom. Raises `Spoiled`.
    """
    # pyvips is loaded in the darkroom's child only.
    import pyvips

    from bowerbird.darkroom import Spoiled
    from bowerbird.darkroom.framing import square
    from bowerbird.darkroom.picture import opaque, open_picture

    part = min(box.w, box.h) if box else 1.0
    try:
        # Twice the encoder's side, so that decoding smaller loses no detail that it would see.
        image, _facts = open_picture(data, max_pixels, enough=round(2 * encoder.size / max(part, 0.01)))
        pixels = square(opaque(image), encoder.size, box)
    except pyvips.Error as error:
        raise Spoiled("open", f"The file is damaged or cut off ({str(error).strip()[:120]}).") from None
    vector: Floats = encoder.encode(pixels[None]).vectors[0]
    return vector


def part(engines: Engines, darkroom: Darkroom, image: Image, box: Box, max_pixels: int) -> Floats:
    """The vector (dim,) of a part of a stored picture, seen in its original's pixels; the further pages of its answer
    ask for it again. Raises `Spoiled`."""

    def see() -> bytes:
        data = engines.blobs.get(image.original)
        return darkroom.run(glance, data, box, max_pixels).astype(np.float32).tobytes()

    name = f"{image.media}:{box.x:.4f},{box.y:.4f},{box.w:.4f},{box.h:.4f}"
    return np.frombuffer(cached(engines, "part", name, see), np.float32)


def related(engines: Engines, image_id: int, k: int) -> list[Hit]:
    """The `k` pictures that look most like this one, itself left out; none while it has no vector."""
    vector = engines.looks.get(np.array([image_id], np.int64))[0]
    return [hit for hit in near(engines, vector, k + 1) if hit.image_id != image_id][:k]


def near(engines: Engines, vector: Floats, k: int) -> list[Hit]:
    """The `k` pictures that look most like `vector` (dim,); none for a vector of zeros."""
    return hits_of(engines.looks, vector, k)


def hits_of(index: Vectors, vector: Floats, k: int) -> list[Hit]:
    k = min(k, len(index))
    if k < 1 or not vector.any():
        return []
    found = index.search(vector[None], k)
    pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
    return [Hit(image_id, score) for image_id, score in pairs if image_id >= 0]
