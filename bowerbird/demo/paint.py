"""The gallery: every style in every palette, each picture with its words, painted by this code alone."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.demo import cloth, flow, form, glass, land, plant
from bowerbird.demo.palettes import PALETTES, Palette
from bowerbird.demo.sheet import Sheet
from bowerbird.demo.words import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

TALL = ((736, 1104), (750, 1000), (736, 1104), (768, 1024), (736, 1308), (736, 920))
MIXED = ((736, 1104), (750, 1000), (800, 800), (736, 1104), (960, 720), (736, 920))
SQUARE = ((800, 800), (750, 1000), (736, 920), (736, 1104), (800, 800), (768, 1024))

STYLES: dict[str, tuple[Callable[[Sheet, Palette, Generator], None], tuple[tuple[int, int], ...]]] = {
    "ranges": (land.ranges, (*TALL, (960, 720))),
    "shore": (land.shore, MIXED),
    "moonlight": (land.moonlight, TALL),
    "contours": (land.contours, MIXED),
    "river": (flow.river, (*TALL, (1000, 667))),
    "marble": (flow.marble, TALL),
    "washes": (flow.washes, MIXED),
    "coral": (flow.coral, MIXED),
    "tartan": (cloth.tartan, SQUARE),
    "knit": (cloth.knit, TALL),
    "quilt": (cloth.quilt, SQUARE),
    "terrazzo": (cloth.terrazzo, MIXED),
    "tiles": (cloth.tiles, SQUARE),
    "poster": (form.poster, TALL),
    "vases": (form.vases, ((750, 1000), (800, 800), (736, 920), (768, 1024), (900, 750))),
    "arches": (form.arches, ((736, 1104), (750, 1000), (736, 920), (768, 1024))),
    "pendulum": (form.pendulum, SQUARE),
    "pebbles": (form.pebbles, TALL),
    "glass": (glass.glass, TALL),
    "sprigs": (plant.sprigs, ((736, 1104), (750, 1000), (736, 920), (768, 1024))),
    "trees": (plant.trees, ((750, 1000), (736, 920), (800, 800), (736, 1104))),
    "meadow": (plant.meadow, ((900, 720), (736, 920), (800, 800), (750, 1000), (736, 1104))),
}


@dataclass(frozen=True)
class Painting:
    name: str
    """Of the style and the palette; names the picture for ever."""
    style: str
    palette: Palette
    width: int
    height: int
    title: str
    description: str
    alt: str


@cache
def gallery() -> tuple[Painting, ...]:
    """All of it, shuffled as it will hang: no two of one style in a row."""
    taken: set[str] = set()
    paintings = []
    for turn, style in enumerate(STYLES):
        shapes = STYLES[style][1]
        for number, palette in enumerate(PALETTES):
            name = f"{style}-{palette.name}"
            title, description, alt = describe(style, palette, _chance(name, "words"), taken)
            taken.add(title)
            width, height = shapes[(number * 5 + turn) % len(shapes)]
            paintings.append(Painting(name, style, palette, width, height, title, description, alt))
    return tuple(_hung(paintings))


def paint(painting: Painting, width: int | None = None) -> bytes:
    """Its JPEG, `width` pixels wide if not its own size. The same on every run of one machine."""
    wide = width or painting.width
    sheet = Sheet(wide, round(wide * painting.height / painting.width), painting.palette.ground)
    STYLES[painting.style][0](sheet, painting.palette, _chance(painting.name, "strokes"))
    return sheet.jpeg()


def _chance(*words: str) -> Generator:
    return np.random.default_rng([zlib.crc32(word.encode()) for word in words])


def _hung(paintings: list[Painting]) -> list[Painting]:
    """Round after round, one of each style, in another order each time and never the same palette side by side."""
    rng = _chance("hanging")
    left = {style: [p for p in paintings if p.style == style] for style in STYLES}
    for pile in left.values():
        pile.sort(key=lambda painting: zlib.crc32(painting.name.encode()))
    hung: list[Painting] = []
    while any(left.values()):
        lately_hung = {painting.style for painting in hung[-5:]}
        for style in sorted(rng.permutation(list(STYLES)), key=lately_hung.__contains__):
            pile = left[style]
            lately = {painting.palette.family for painting in hung[-2:]}
            pick = next((k for k, painting in enumerate(pile) if painting.palette.family not in lately), 0)
            hung.append(pile.pop(pick))
    return hung
