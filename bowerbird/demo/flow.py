"""Things that flow: rivers of brush strokes, marbled paper, watercolour, corals grown by reaction and diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import spline_filter1d

from bowerbird.demo.palettes import mix, ramp
from bowerbird.demo.sheet import bands, smooth, spline, through

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from bowerbird.demo.palettes import Field, Palette
    from bowerbird.demo.sheet import Sheet


def river(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Brush strokes that follow one slow current."""
    count, steps = int(rng.integers(650, 900)), 60
    angle = _current(rng, sheet.tall)
    cells = np.sqrt(count / sheet.tall)
    gx, gy = np.meshgrid(np.arange(-1, cells + 1), np.arange(-1, cells * sheet.tall + 1))
    x = ((gx + rng.uniform(0, 1, gx.shape)) / cells).ravel()
    y = ((gy + rng.uniform(0, 1, gx.shape)) / cells).ravel()
    hue = np.clip(0.5 + 0.55 * (y / sheet.tall - 0.5) + 0.22 * np.sin(5 * x + 3 * angle(x, y)), 0, 1)
    trail = [(x, y)]
    for _ in range(steps):
        a = angle(x, y)
        x, y = x + np.cos(a) * 0.0075, y + np.sin(a) * 0.0075
        trail.append((x, y))
    xs: Field = np.stack([p[0] for p in trail])
    ys: Field = np.stack([p[1] for p in trail])
    n: int = xs.shape[1]
    order = [*palette.colours, palette.ground, palette.ink]
    pick = np.clip(hue * 5 + rng.normal(0, 0.75, n), 0, 4.99).astype(int)
    pick = np.where(rng.random(n) < 0.1, 5, np.where(rng.random(n) < 0.045, 6, pick))
    shuffled: list[int] = rng.permutation(n).tolist()
    lengths = rng.integers(steps // 3, steps + 1, n)
    radii = rng.choice([0.0022, 0.0042, 0.0062, 0.0085], n, p=[0.3, 0.35, 0.25, 0.1])
    sheet.strokes(
        [(xs[: lengths[i], i], ys[: lengths[i], i]) for i in shuffled],
        [float(radii[i]) for i in shuffled],
        [mix(order[pick[i]], palette.ground, float(rng.uniform(0, 0.18))) for i in shuffled],
    )
    if rng.random() < 0.5:
        sheet.frame(0.055, palette.paper)
    sheet.paper(rng)


def _current(rng: Generator, tall: float) -> Callable[[Field, Field], Field]:
    """An angle (radians) at every place: a heading, bent by a few long waves and one eddy."""
    heading = rng.uniform(-0.9, 0.9) + rng.choice([0, np.pi / 2])
    waves = [(rng.uniform(1.5, 6), rng.uniform(1.5, 6), rng.uniform(0, 6.3), rng.uniform(0.25, 0.7)) for _ in range(3)]
    cx, cy, turn = rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75) * tall, rng.choice([-1, 1]) * rng.uniform(0.6, 1.7)

    def angle(x: Field, y: Field) -> Field:
        total = heading + sum(a * np.sin(fx * x + fy * y + phase) for fx, fy, phase, a in waves)
        return np.asarray(total + turn * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.09))

    return angle


def marble(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Marbled paper: bands of colour on size, drawn through with a stylus and a comb.

    The strokes are inverted one after another, as in Lu, Jaffer et al., "Mathematical Marbling" (2012).
    """
    turn = rng.choice([0.0, np.pi / 2, rng.uniform(-0.5, 0.5)])
    x = sheet.x + np.zeros_like(sheet.y)
    y = sheet.y + np.zeros_like(sheet.x)
    u = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    v = y * np.float32(np.cos(turn)) - x * np.float32(np.sin(turn))
    pitch = float(rng.choice([0.05, 0.07, 0.1]))
    kind = rng.choice(["nonpareil", "bouquet", "waves", "curl"])
    if kind in ("nonpareil", "bouquet"):
        v = v + np.float32(0.9 * pitch) * _comb(u + np.float32(0.012) * sheet.noise(rng, 4), pitch)
        if kind == "bouquet":
            u = u + np.float32(0.05) * np.sin(v * np.float32(2 * np.pi / 0.24))
            v = v + np.float32(0.6 * pitch) * _comb(u, pitch * 2)
    elif kind == "waves":
        v = v + np.float32(0.06) * np.sin(u * np.float32(2 * np.pi / 0.45) + rng.uniform(0, 6))
        u = u + np.float32(0.05) * np.sin(v * np.float32(2 * np.pi / 0.3) + rng.uniform(0, 6))
        v = v + np.float32(0.05) * np.sin(u * np.float32(2 * np.pi / 0.19))
    for _ in range(3 if kind == "curl" else 1):
        u, v = _swirl(u, v, rng, sheet.tall)
    v = v + np.float32(0.02 if kind == "nonpareil" else 0.045) * sheet.noise(rng, 2.5, 3)
    sheet.rgb[:] = bands(np.clip((v + 1.2) / (sheet.tall + 2.6), 0, 0.9999), _inks(palette, rng))
    sheet.paper(rng, 1.2)


def _comb(u: Field, pitch: float) -> Field:
    """How far teeth `pitch` apart drag what lies beside them: all at the tooth, falling off quickly."""
    off = np.abs((u / pitch) % 1 - 0.5) * 2
    return np.asarray(off**2.2)


def _swirl(u: Field, v: Field, rng: Generator, tall: float) -> tuple[Field, Field]:
    x, y, radius = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8) * tall, rng.uniform(0.16, 0.3)
    du, dv = u - np.float32(x), v - np.float32(y)
    turn = np.float32(rng.choice([-1, 1]) * rng.uniform(1.6, 3.2)) * np.exp(
        -(du * du + dv * dv) / np.float32(radius**2)
    )
    c, s = np.cos(turn), np.sin(turn)
    return np.float32(x) + du * c - dv * s, np.float32(y) + du * s + dv * c


def _inks(palette: Palette, rng: Generator) -> Field:
    """(8192, 3): bands of uneven width, thin veins of ink and ground between."""
    rows: list[Field] = []
    last = -1
    while sum(len(row) for row in rows) < 8192:
        pick = int(rng.choice([i for i in range(6) if i != last]))
        last = pick
        colour = palette.colours[pick] if pick < 5 else palette.ground
        rows.append(np.tile(colour, (int(rng.integers(20, 130)), 1)))
        if rng.random() < 0.55:
            rows.append(np.tile(palette.ink if rng.random() < 0.35 else palette.ground, (int(rng.integers(6, 18)), 1)))
    return np.concatenate(rows)[:8192].astype(np.float32)


def washes(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Watercolour: wet pools that overlap, dark where they dried at the rim, a few lines in ink."""
    sheet.rgb[:] = mix(palette.pale, np.ones(3, np.float32), 0.4)[:, None, None]
    grain = sheet.noise(rng, 60, 3, 0.7)
    slow = sheet.noise(rng, 2.5, 3)
    count = int(rng.integers(5, 9))
    kind = rng.choice(["pools", "stack", "petals"])
    for i in range(count):
        x, y, radius, squash = _pool(kind, i, count, sheet.tall, rng)
        rim = sheet.noise(rng, 3.5, 4, 0.5)
        away = np.hypot(sheet.x - np.float32(x), (sheet.y - np.float32(y)) / np.float32(squash))
        inside = (np.float32(radius) - away) / np.float32(radius) + np.float32(0.09) * rim
        wet = smooth(-0.004, 0.018, inside)
        edge = np.exp(-np.clip(inside, 0, None) / np.float32(0.03))
        pigment = 0.52 + 0.2 * slow * rng.choice([-1, 1]) + 0.07 * rim + 0.33 * edge + 0.045 * grain
        colour = palette.colours[int(rng.integers(0, 5))] if i else palette.colours[0]
        sheet.wash(wet * np.clip(pigment, 0.1, 1) * np.float32(0.95), colour)
    spots = int(rng.integers(10, 40))
    for x, y in rng.uniform((0.08, 0.08), (0.92, sheet.tall - 0.08), (spots, 2)):
        patch = sheet.around(x, y, 0.02)
        if patch is not None:
            size = rng.uniform(0.002, 0.008) * (1 if rng.random() < 0.8 else 2)
            sheet.wash(sheet.edge(size - np.hypot(patch.x, patch.y)) * rng.uniform(0.3, 0.8), palette.colours[1], patch)
    sheet.paper(rng, 1.4)


def _pool(kind: str, i: int, count: int, tall: float, rng: Generator) -> tuple[float, float, float, float]:
    """Centre, radius and how much it is squashed."""
    if kind == "stack":
        share = i / (count - 1)
        wide = 0.33 - 0.17 * share + rng.normal(0, 0.015)
        return 0.5 + rng.normal(0, 0.03), tall * (0.86 - 0.72 * share), wide, min(0.42 * tall / count / wide, 0.75)
    if kind == "petals":
        turn = 2 * np.pi * i / count
        return 0.5 + 0.2 * np.cos(turn), tall / 2 + 0.2 * np.sin(turn), rng.uniform(0.17, 0.24), 1.0
    return rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8) * tall, rng.uniform(0.13, 0.33), rng.uniform(0.85, 1.15)


def coral(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Coral: a pattern that feeds itself near by and starves itself farther off (Turing 1952).

    Each round is one band-pass of the last and a soft threshold, which settles in a dozen rounds where
    stepping the differential equations takes thousands.
    """
    across = 190
    down = round(across * sheet.tall)
    fy, fx = np.meshgrid(np.fft.fftfreq(down), np.fft.rfftfreq(across), indexing="ij")
    wave = rng.uniform(7.5, 12.5)
    stretch, turn = rng.choice([1.0, 1.0, 1.35]), rng.uniform(0, np.pi)
    along, beside = fx * np.cos(turn) + fy * np.sin(turn), fy * np.cos(turn) - fx * np.sin(turn)
    ring = np.exp(-(((np.hypot(along * stretch, beside) * wave) - 1) ** 2) / 0.09).astype(np.float32)
    yy, xx = np.meshgrid(np.linspace(0, sheet.tall, down), np.linspace(0, 1, across), indexing="ij")
    cx, cy = rng.uniform(0.3, 0.7), rng.uniform(0.35, 0.65) * sheet.tall
    bias = rng.choice([-1, 1]) * 0.55 * np.cos(np.hypot(xx - cx, yy - cy) * rng.uniform(4, 7)) * rng.choice([0.3, 1.0])
    field = rng.standard_normal((down, across))
    for _ in range(14):
        field = np.fft.irfft2(np.fft.rfft2(field) * ring, (down, across))
        field = np.tanh(2.4 * field / field.std() + bias * 0.6)
    fine = _enlarge(field.astype(np.float32), sheet)
    away = np.hypot(sheet.x - np.float32(cx), sheet.y - np.float32(cy)) / np.float32(0.75 * max(sheet.tall, 1))
    light, second, middle, dark, darkest = palette.by_light
    deep = [dark, darkest, mix(darkest, palette.deep, 0.5)]
    bright = [mix(light, palette.pale, 0.6), light, second, middle]
    back, body = (deep, bright) if palette.dark or rng.random() < 0.45 else (bright[:3], [dark, middle, darkest])
    tone = np.clip(away + 0.08 * sheet.noise(rng, 3, 2), 0, 1)
    sheet.colour_by(tone, ramp(back))
    dy, dx = np.gradient(fine)
    slope = np.hypot(dx, dy) * np.float32(sheet.width) + 1e-3
    inside = (fine - np.float32(0.1)) / slope
    sheet.wash(np.roll(sheet.edge(inside), (max(sheet.width // 130, 1),) * 2, (0, 1)) * 0.28, palette.deep)
    sheet.lay(sheet.edge(inside), through(np.clip(tone * 1.05, 0, 1), ramp(body)))
    relief = np.clip((dx + dy) * np.float32(sheet.width * 0.0022), -0.2, 0.2)
    sheet.shade(1 - relief * sheet.edge(inside))
    core = sheet.edge((fine - np.float32(0.86)) / slope)
    sheet.lay(core * 0.22, palette.pale)
    sheet.paper(rng)


def _enlarge(field: Field, sheet: Sheet) -> Field:
    """A coarse field at the sheet's own size, without corners."""
    down, across = field.shape
    knots = spline_filter1d(spline_filter1d(np.pad(field, ((1, 2), (1, 2)), mode="edge"), axis=0), axis=1)
    return np.asarray(spline(sheet.height, down) @ knots.astype(np.float32) @ spline(sheet.width, across).T, np.float32)
