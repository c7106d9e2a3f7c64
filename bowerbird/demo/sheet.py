"""The sheet a picture is painted on: distances and fields in, soft-edged colour on paper out.

Lengths are fractions of the sheet's width, so a picture has the same composition at every size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyvips

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from bowerbird.demo.palettes import Field


STROKE_SCALE = 2
"""Strokes are stamped on a grid this much finer and averaged down, which smooths their edges."""


@dataclass(frozen=True)
class Patch:
    """A part of a sheet around a point; `x` (1, n) and `y` (m, 1) are distances from that point."""

    where: tuple[slice, slice]
    x: Field
    y: Field


class Sheet:
    def __init__(self, width: int, height: int, colour: Field) -> None:
        self.width, self.height = width, height
        self.px = 1 / width
        self.tall = height / width
        self.x: Field = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
        self.y: Field = ((np.arange(height, dtype=np.float32) + 0.5) / width)[:, None]
        self.rgb: Field = np.empty((3, height, width), np.float32)
        self.rgb[:] = colour[:, None, None]

    def edge(self, inside: Field) -> Field:
        """Coverage from 0 to 1 of pixels `inside` a border by a distance (negative: outside)."""
        return np.clip(inside * self.width + 0.5, 0, 1)

    def around(self, x: float, y: float, reach: float, reach_y: float | None = None) -> Patch | None:
        """The patch within reach of a point; None off the sheet."""
        reach_y = reach if reach_y is None else reach_y
        left, right = int(max((x - reach) * self.width - 1, 0)), int(min((x + reach) * self.width + 2, self.width))
        top, bottom = int(max((y - reach_y) * self.width - 1, 0)), int(min((y + reach_y) * self.width + 2, self.height))
        if left >= right or top >= bottom:
            return None
        where = (slice(top, bottom), slice(left, right))
        return Patch(where, self.x[:, where[1]] - np.float32(x), self.y[where[0]] - np.float32(y))

    def lay(self, mask: Field, colour: Field, patch: Patch | None = None) -> None:
        """Cover with a colour, (3,) or one a pixel, as far as `mask` goes from 0 to 1."""
        area = self.rgb if patch is None else self.rgb[:, *patch.where]
        for c in range(3):
            area[c] += mask * (colour[c] - area[c])

    def wash(self, mask: Field, colour: Field, patch: Patch | None = None) -> None:
        """Glaze with a transparent colour: what is below darkens and shows through."""
        area = self.rgb if patch is None else self.rgb[:, *patch.where]
        for c in range(3):
            area[c] *= 1 - mask * (1 - colour[c])

    def shade(self, light: Field, patch: Patch | None = None) -> None:
        """Multiply by a light around 1."""
        area = self.rgb if patch is None else self.rgb[:, *patch.where]
        area *= light

    def colour_by(self, field: Field, ramp: Field) -> None:
        """Paint everything by a field from 0 to 1 through a ramp (n, 3)."""
        self.rgb[:] = through(field, ramp)

    def disc(self, x: float, y: float, radius: float, colour: Field, strength: float = 1.0) -> None:
        patch = self.around(x, y, radius)
        if patch is not None:
            self.lay(self.edge(radius - np.hypot(patch.x, patch.y)) * strength, colour, patch)

    def glow(self, x: float, y: float, radius: float, colour: Field, strength: float) -> None:
        """A soft light of a Gaussian's shape."""
        patch = self.around(x, y, radius * 3)
        if patch is not None:
            self.lay(strength * np.exp(-(patch.x**2 + patch.y**2) / (radius**2)), colour, patch)

    def noise(self, rng: Generator, cells: float, octaves: int = 1, gain: float = 0.5, flat: float = 1.0) -> Field:
        """Smooth noise of about unit deviation: `cells` bumps across the width, `flat` times wider than high."""
        total = np.zeros((self.height, self.width), np.float32)
        power = 0.0
        for octave in range(octaves):
            n = cells * 2**octave
            down, across = max(round(n * flat * self.tall), 1), max(round(n), 1)
            bumps = rng.standard_normal((down + 3, across + 3)).astype(np.float32)
            total += gain**octave * (spline(self.height, down) @ bumps @ spline(self.width, across).T)
            power += gain ** (2 * octave)
        return total / np.float32(0.48 * np.sqrt(power))

    def line(self, rng: Generator, cells: float, octaves: int = 1, gain: float = 0.5) -> Field:
        """(1, width) of such noise along x alone."""
        total = np.zeros(self.width, np.float32)
        for octave in range(octaves):
            across = max(round(cells * 2**octave), 1)
            total += gain**octave * (spline(self.width, across) @ rng.standard_normal(across + 3).astype(np.float32))
        return total[None, :] / np.float32(0.69)

    def strokes(self, paths: Sequence[tuple[Field, Field]], radii: Sequence[float], colours: Sequence[Field]) -> None:
        """Round strokes of even width along paths (x, y), later ones on top."""
        scale = self.width * STROKE_SCALE
        reach = max(radii) + self.px
        left, right = _span(paths, 0)
        top, bottom = _span(paths, 1)
        box = self.around(
            (left + right) / 2, (top + bottom) / 2, (right - left) / 2 + reach, (bottom - top) / 2 + reach
        )
        if box is None:
            return
        area = self.rgb[:, *box.where]
        pad = int(max(radii) * scale) + 2
        high, wide = area.shape[1] * STROKE_SCALE + 2 * pad, area.shape[2] * STROKE_SCALE + 2 * pad
        shift_x, shift_y = pad - box.where[1].start * STROKE_SCALE, pad - box.where[0].start * STROKE_SCALE
        labels = np.zeros(high * wide, np.uint16)
        for label, ((x, y), radius) in enumerate(zip(paths, radii, strict=True), start=1):
            r = radius * scale
            x, y = _dense(x * scale + shift_x, y * scale + shift_y, max(r * 0.6, 0.7))
            keep = (x > r) & (x < wide - r - 1) & (y > r) & (y < high - r - 1)
            at = y[keep].astype(np.int64) * wide + x[keep].astype(np.int64)
            labels[at[:, None] + _disc(round(r * 4) / 4, wide)[None, :]] = label
        grid = labels.reshape(high, wide)[pad:-pad, pad:-pad]
        table = np.concatenate([np.zeros((1, 3), np.float32), np.asarray(colours, np.float32).reshape(-1, 3)])
        total = np.zeros_like(area)
        for dy in range(STROKE_SCALE):
            for dx in range(STROKE_SCALE):
                part = grid[dy::STROKE_SCALE, dx::STROKE_SCALE]
                for c in range(3):
                    total[c] += np.where(part == 0, area[c], table[:, c][part])
        area[:] = total / np.float32(STROKE_SCALE**2)

    def density(self, x: Field, y: Field, weight: Field | float = 1.0) -> Field:
        """How much ink a fine pen leaves that visits these points; shared among four pixels each."""
        fx, fy = x * self.width - 0.5, y * self.width - 0.5
        ix, iy = np.floor(fx).astype(np.int64), np.floor(fy).astype(np.int64)
        fx, fy = fx - ix, fy - iy
        keep = (ix >= 0) & (ix < self.width - 1) & (iy >= 0) & (iy < self.height - 1)
        ix, iy, fx, fy = ix[keep], iy[keep], fx[keep], fy[keep]
        weights = np.broadcast_to(np.asarray(weight, np.float32), keep.shape)[keep]
        at = iy * self.width + ix
        size = self.width * self.height
        total = np.zeros(size)
        for offset, share in (
            (0, (1 - fx) * (1 - fy)),
            (1, fx * (1 - fy)),
            (self.width, (1 - fx) * fy),
            (self.width + 1, fx * fy),
        ):
            total += np.bincount(at + offset, share * weights, size)
        return total.reshape(self.height, self.width).astype(np.float32)

    def frame(self, margin: float, colour: Field) -> None:
        """Leave a margin of paper around the picture."""
        inside = np.minimum(
            np.minimum(self.x, 1 - self.x) - margin, np.minimum(self.y, np.float32(self.tall) - self.y) - margin
        )
        self.lay(1 - self.edge(inside.astype(np.float32)), colour)

    def paper(self, rng: Generator, strength: float = 1.0) -> None:
        """The tooth of paper: a fine grain and a slow unevenness."""
        light: Field = 1 + np.float32(0.008 * strength) * self.noise(rng, 5, 3)
        tile: Field = rng.standard_normal((256, 256)).astype(np.float32)
        tile = (tile + np.roll(tile, 1, 0) + np.roll(tile, 1, 1) + np.roll(tile, (1, 1), (0, 1))) / 2
        reps = (-(-self.height // 256), -(-self.width // 256))
        light += np.float32(0.014 * strength) * np.tile(tile, reps)[: self.height, : self.width]
        self.rgb *= light

    def jpeg(self, quality: int = 88) -> bytes:
        pixels = (np.clip(self.rgb, 0, 1) * 255 + 0.5).astype(np.uint8)
        packed = np.ascontiguousarray(pixels.transpose(1, 2, 0))
        image = pyvips.Image.new_from_memory(packed.data, self.width, self.height, 3, "uchar")
        data: bytes = image.copy(interpretation="srgb").jpegsave_buffer(Q=quality, optimize_coding=True)
        return data


def through(field: Field, ramp: Field) -> Field:
    """(3, ...) colours of a field from 0 to 1 through a ramp (n, 3)."""
    at = np.clip(field * (len(ramp) - 1) + 0.5, 0, len(ramp) - 1).astype(np.int32)
    return np.stack([ramp[:, c].copy()[at] for c in range(3)])


def bands(field: Field, table: Field) -> Field:
    """Like `through` for a ramp with hard steps: each pixel gets the ramp's mean over the stretch it covers."""
    n = len(table)
    dy, dx = np.gradient(field)
    reach = np.maximum((np.abs(dx) + np.abs(dy)) * np.float32(0.5 * n), 0.5)
    centre = field * n
    low = np.clip(centre - reach, 0, n - 1).astype(np.int32)
    high = np.clip(centre + reach, 1, n).astype(np.int32)
    high = np.maximum(high, low + 1)
    total = np.concatenate([np.zeros((1, 3)), np.cumsum(table, axis=0, dtype=np.float64)])
    share = 1 / (high - low).astype(np.float32)
    return np.stack([(total[:, c].copy()[high] - total[:, c].copy()[low]).astype(np.float32) * share for c in range(3)])


def smooth(low: float, high: float, value: Field) -> Field:
    """0 below `low`, 1 above `high`, an S between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@cache
def spline(size: int, cells: int) -> Field:
    """(size, cells + 3): the uniform cubic B-spline's weights; noise upsampled by it has no kinks."""
    at = np.arange(size) * (cells / size)
    first = at.astype(int)
    t = at - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    matrix = np.zeros((size, cells + 3), np.float32)
    np.put_along_axis(matrix, first[:, None] + np.arange(4), weights.astype(np.float32), axis=1)
    return matrix


def _span(paths: Sequence[tuple[Field, Field]], axis: int) -> tuple[float, float]:
    return min(float(path[axis].min()) for path in paths), max(float(path[axis].max()) for path in paths)


def _dense(x: Field, y: Field, step: float) -> tuple[Field, Field]:
    """The same path with points at most about `step` apart."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    wanted = np.linspace(0, along[-1], max(int(along[-1] / step) + 1, 2))
    return np.interp(wanted, along, x), np.interp(wanted, along, y)


@cache
def _disc(radius: float, stride: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Flat offsets of a disc's pixels."""
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = x * x + y * y <= radius * radius
    return np.asarray(y[inside] * stride + x[inside], np.int64)
