"""Colours as people see them: OKLab, the few that make a picture, and a vector to search them by.

OKLab: Björn Ottosson, "A perceptual color space for image processing", 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.model import Swatch

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Pixels

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_LEVELS = np.arange(256) / 255
_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)

CELL = 0.04
"""Side of the OKLab cells that pixels are counted in before clustering; a just noticeable difference is about 0.02."""

MERGE = 0.07
"""Colours nearer than this are one."""


def oklab(rgb: Pixels) -> Floats:
    """sRGB uint8 (..., 3) to OKLab float32 (..., 3): L from 0 to 1, a and b about ±0.3."""
    lms = np.cbrt(_LINEAR[rgb] @ _TO_LMS.T)
    return np.asarray(lms @ _TO_LAB.T, np.float32)


def rgb(lab: Floats) -> Pixels:
    """The inverse of `oklab`; what lies outside sRGB is clipped."""
    lms = (lab @ np.linalg.inv(_TO_LAB).T) ** 3
    linear = np.clip(lms @ np.linalg.inv(_TO_LMS).T, 0, 1)
    return np.asarray(np.round(np.interp(linear, _LINEAR, np.arange(256))), np.uint8)


def dominant(pixels: Pixels, most: int = 6) -> tuple[Swatch, ...]:
    """The colours that make a picture, the largest share first; the same pixels give the same answer.

    `pixels` (..., 3) or (..., 4) sRGB uint8; transparent ones do not count. Weighted k-means over the
    occupied OKLab cells, seeded by the cell that adds most (weight times squared distance to the nearest seed).
    """
    pixels = pixels.reshape(-1, pixels.shape[-1])
    if pixels.shape[1] == 4:
        clear = 128 if (pixels[:, 3] >= 128).any() else 1  # a picture that is faint all over has colours too
        pixels = pixels[pixels[:, 3] >= clear]
    if not len(pixels):
        return ()
    points, weights = _cells(oklab(pixels[:, :3]))
    centres = _merged(*_kmeans(points, weights, _seeds(points, weights, most)))
    total = weights.sum()
    kept = [(lab, weight / total) for lab, weight in centres if weight / total >= 0.01]
    colours = rgb(np.array([lab for lab, _ in kept], np.float32))
    return tuple(
        Swatch(hex="#{:02x}{:02x}{:02x}".format(*map(int, colour)), share=round(float(share), 4))
        for colour, (_, share) in zip(colours, kept, strict=True)
    )


def _cells(lab: Floats) -> tuple[Floats, Floats]:
    """Mean colour (n, 3) and pixel count (n,) of every occupied cell."""
    grid = np.floor(lab / CELL).astype(np.int64) + 64
    _, which, counts = np.unique(grid @ np.array([1 << 16, 1 << 8, 1]), return_inverse=True, return_counts=True)
    sums = np.stack([np.bincount(which, weights=lab[:, axis]) for axis in range(3)], axis=1)
    return np.asarray(sums / counts[:, None], np.float32), counts.astype(np.float32)


def _seeds(points: Floats, weights: Floats, most: int) -> Floats:
    chosen = [int(np.argmax(weights))]
    nearest = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < most and float((nearest * weights).max()) > 0:
        chosen.append(int(np.argmax(nearest * weights)))
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


def _kmeans(points: Floats, weights: Floats, centres: Floats, rounds: int = 8) -> tuple[Floats, Floats]:
    """Centres (k, 3) and the weight of each (k,)."""
    for _ in range(rounds):
        nearest = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        held = np.bincount(nearest, weights=weights, minlength=len(centres))
        mass = (weights[:, None] * points).T
        sums = np.stack([np.bincount(nearest, weights=axis, minlength=len(centres)) for axis in mass], axis=1)
        centres = np.where(held[:, None] > 0, sums / np.maximum(held, 1e-9)[:, None], centres).astype(np.float32)
    return centres, held.astype(np.float32)


def _merged(centres: Floats, held: Floats) -> list[tuple[Floats, float]]:
    """Centres that look alike become one, the heaviest first."""
    kept: list[tuple[Floats, float]] = []
    for index in np.argsort(-held, kind="stable"):
        if held[index] <= 0:
            continue
        lab, weight = centres[index], float(held[index])
        for at, (other, mass) in enumerate(kept):
            if float(np.linalg.norm(lab - other)) < MERGE:
                kept[at] = ((other * mass + lab * weight) / (mass + weight), mass + weight)
                break
        else:
            kept.append((lab, weight))
    return sorted(kept, key=lambda pair: -pair[1])


def _lattice() -> Floats:
    """Points of a body-centred lattice in OKLab that lie in sRGB's gamut or just outside of it."""
    steps = np.arange(-4, 10)
    corner = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3) * SPACING
    points = np.concatenate([corner, corner + SPACING / 2]).astype(np.float32)
    off = np.linalg.norm(oklab(rgb(points)) - points, axis=1)
    return np.asarray(points[off < SPACING / 2])


SPACING = 0.12
WIDTH = 0.075
"""Standard deviation of the kernel, in OKLab units: how far off a colour may be and still answer."""

_POINTS = _lattice()

DIM = len(_POINTS)
"""Length of a colour vector."""


def histogram(palette: Sequence[Swatch]) -> Floats:
    """A palette as (DIM,) float32, L2-normalised: each colour spread softly over the lattice around it.

    The inner product of two is near 1 for the same colours in the same shares and near 0 for colours
    that have nothing in common. Zeros for an empty palette.
    """
    if not palette:
        return np.zeros(DIM, np.float32)
    colours = np.array([tuple(bytes.fromhex(swatch.hex.lstrip("#"))) for swatch in palette], np.uint8)
    shares = np.array([swatch.share for swatch in palette], np.float32)
    distance = ((oklab(colours)[:, None, :] - _POINTS[None]) ** 2).sum(axis=2)
    vector = shares @ np.exp(-distance / (2 * WIDTH**2))
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
