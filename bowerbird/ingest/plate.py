"""What the steps hand on: a plate inside the darkroom, a print outside of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from bowerbird.model import Look, Rendition, Swatch, Tag

if TYPE_CHECKING:
    from bowerbird.ports import Encoder, Floats


@dataclass
class Plate:
    """One picture on its way through the darkroom; each step fills in its part."""

    data: bytes
    encoder: Encoder
    max_pixels: int

    format: str = ""
    facts: Any = None
    """`darkroom.picture.Facts`."""
    image: Any = None
    """A pyvips image in memory: upright, sRGB, 8 bit, as wide as the widest rendition."""
    small: Any = None
    """The same, as the narrowest rendition."""
    pixels: Any = None
    """(64, 64, 3 or 4) sRGB uint8: all of it, squeezed."""
    renditions: list[Rendition] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """WebP by the name of the rendition: `236x`, ..., `animated`."""
    thumbhash: str = ""
    palette: tuple[Swatch, ...] = ()
    phash: str = ""
    phash_flip: str = ""
    vector: Floats | None = None
    tags: tuple[Tag, ...] = ()


class Print(msgspec.Struct, frozen=True):
    """What comes out of the darkroom: nothing in it is foreign any more."""

    look: Look
    files: dict[str, bytes]
    vector: Any
    """(dim,) float32."""


def printed(plate: Plate) -> Print:
    look = Look(
        width=plate.facts.width,
        height=plate.facts.height,
        format=plate.format,
        renditions=tuple(plate.renditions),
        thumbhash=plate.thumbhash,
        palette=plate.palette,
        phash=plate.phash,
        phash_flip=plate.phash_flip,
        tags=plate.tags,
        animated="animated" in plate.files,
        taken_at=plate.facts.taken_at,
        camera=plate.facts.camera,
    )
    return Print(look=look, files=plate.files, vector=plate.vector)
