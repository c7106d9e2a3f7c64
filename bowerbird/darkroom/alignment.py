"""Whether one picture is a part of another: laid over it at every place and scale."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bowerbird.ports import Encoder, Floats

COARSE, FINE = 48, 128
"""Longer side in pixels of the whole at the two looks."""

SMALLEST = 0.62
"""Of the whole's side: the smallest part looked for."""

STEP = 0.97
"""Ratio of two neighbouring scales; half of it is a pixel at the coarse look."""

PROMISING = 0.75
"""Correlation at the coarse look below which there is no second."""


class Place(NamedTuple):
    """Where a part correlates best with the whole."""

    score: float
    scale: float
    top: int
    left: int


def fits(encoder: Encoder, one: bytes, other: bytes) -> tuple[float, float]:
    """How well one of two WebP renditions fits into the other, and how well its mirror image does: from 0 to 1.

    It is the correlation of fine detail where the pictures, in grey, correlate best (Lewis, "Fast
    Normalized Cross-Correlation", 1995); a real part of 60 to 90 % has above 0.8 all but
    always, and different pictures that look alike stay below 0.6. Runs in the darkroom's child.
    """
    a, b = _grey(one), _grey(other)
    mirrored = b[:, ::-1]
    return max(_fit(a, b), _fit(b, a)), max(_fit(a, mirrored), _fit(mirrored, a))


def _grey(data: bytes) -> Floats:
    import pyvips

    from bowerbird.darkroom.picture import opaque

    return np.asarray(opaque(pyvips.Image.webpload_buffer(data)).colourspace("b-w").cast("float").numpy(), np.float32)


def _fit(whole: Floats, part: Floats) -> float:
    rough = _best(whole, part, COARSE, (STEP ** np.arange(0, np.log(SMALLEST) / np.log(STEP))).tolist())
    if rough.score < PROMISING:
        return 0.0
    near = np.clip(rough.scale * np.linspace(STEP, 1 / STEP, 9), 0, 1)
    fine = _best(whole, part, FINE, np.unique(near).tolist())
    shown = _detail(_sized(part, *_size(whole, part, FINE, fine.scale)))
    height, width = shown.shape
    under = _detail(_whole(whole, FINE)[fine.top : fine.top + height, fine.left : fine.left + width])
    return max(0.0, float((shown * under).sum() / np.sqrt((shown**2).sum() * (under**2).sum() + 1e-6)))


def _best(whole: Floats, part: Floats, side: int, scales: list[float]) -> Place:
    field = _whole(whole, side)
    field = field - field.mean()
    spectrum = np.fft.rfft2(field, (side, side))
    sums, squares = _integral(field), _integral(field**2)
    best = Place(-1.0, 1.0, 0, 0)
    for scale in scales:
        shape = _sized(part, *_size(whole, part, side, scale))
        shape = shape - shape.mean()
        norm = float(np.sqrt((shape**2).sum()))
        if norm < 1:  # an even colour fits everywhere and says nothing
            continue
        height, width = shape.shape
        rows, columns = field.shape[0] - height + 1, field.shape[1] - width + 1
        products = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(shape, (side, side))), (side, side))[:rows, :columns]
        mean = _window(sums, height, width)
        spread = np.sqrt(np.maximum(_window(squares, height, width) - mean**2 / shape.size, 1.0))
        scores = products / (norm * spread)
        at = int(scores.argmax())
        if scores.flat[at] > best.score:
            best = Place(float(scores.flat[at]), scale, *divmod(at, columns))
    return best


def _whole(image: Floats, side: int) -> Floats:
    height, width = image.shape
    ratio = side / max(width, height)
    return _sized(image, max(8, round(width * ratio)), max(8, round(height * ratio)))


def _size(whole: Floats, part: Floats, side: int, scale: float) -> tuple[int, int]:
    """Width and height of `part` where it fills `scale` of the whole in its tighter direction."""
    (rows, columns), (tall, wide) = whole.shape, part.shape
    ratio = side / max(columns, rows)
    width, height = max(8, round(columns * ratio)), max(8, round(rows * ratio))
    fill = min(width / wide, height / tall) * scale
    return min(width, max(4, round(wide * fill))), min(height, max(4, round(tall * fill)))


def _sized(image: Floats, width: int, height: int) -> Floats:
    return np.asarray(_weights(image.shape[0], height) @ image @ _weights(image.shape[1], width).T, np.float32)


@lru_cache(maxsize=1024)
def _weights(source: int, target: int) -> Floats:
    """(target, source): what each pixel of a side takes of those of another, by Lanczos' kernel of three lobes. As two
    products of matrices a picture is resized ten times as fast as by libvips, which prepares each size anew."""
    stretch = max(1.0, source / target)
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    away = (np.arange(source)[None, :] - centres[:, None]) / stretch
    kernel = np.where(np.abs(away) < 3, np.sinc(away) * np.sinc(away / 3), 0.0)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)


def _integral(field: Floats) -> Floats:
    return np.pad(field.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))


def _window(sums: Floats, height: int, width: int) -> Floats:
    """Sums over every window of this size."""
    return sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]


def _detail(field: Floats) -> Floats:
    """Without what is smooth over some pixels: silhouettes on white agree, whatever they show."""
    import pyvips

    return field - np.asarray(pyvips.Image.new_from_array(np.ascontiguousarray(field)).gaussblur(3).numpy(), np.float32)
