"""Places: mountain ranges at dusk, a shore from above, a night sky, a field of flowers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bowerbird.demo.palettes import mix, ramp
from bowerbird.demo.sheet import bands, smooth, through

if TYPE_CHECKING:
    from numpy.random import Generator

    from bowerbird.demo.palettes import Field, Palette
    from bowerbird.demo.sheet import Sheet


def ranges(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Ridge behind ridge, each paler with distance, under a low sun."""
    light, second, middle, dark, darkest = palette.by_light
    sky = (
        [mix(palette.deep, darkest, 0.6), mix(darkest, dark, 0.7), mix(dark, light, 0.7)]
        if palette.dark
        else [second, light, palette.ground]
    )
    horizon = sheet.tall * rng.uniform(0.42, 0.55)
    sheet.rgb[:] = through(np.broadcast_to(sheet.y / horizon, (sheet.height, sheet.width)), ramp(sky))
    warm = palette.warm
    x, radius = rng.uniform(0.25, 0.75), rng.uniform(0.09, 0.19)
    y = horizon - rng.uniform(-0.2, 0.9) * radius - 0.1
    sheet.glow(x, y, radius * 2.2, mix(warm, palette.pale, 0.5), 0.55)
    sun = mix(warm, palette.pale, rng.uniform(0.0, 0.45))
    sheet.disc(x, y, radius, sun if float(np.abs(sun - sky[-1]).max()) > 0.14 else mix(second, middle, 0.5))
    count = int(rng.integers(5, 9))
    near = mix(darkest, palette.deep, 0.6)
    far = mix(sky[-1], middle, 0.45)
    for layer in range(count):
        depth = layer / (count - 1)
        base = horizon + (sheet.tall - horizon) * 0.86 * depth**1.15 + 0.03
        rough = sheet.line(rng, 1.6 + 1.8 * depth, 6, 0.42 + 0.1 * (1 - depth))
        crest = base - (0.035 + 0.055 * rng.uniform(0.5, 1)) * rough
        if layer >= count - 2:
            crest = crest - _firs(sheet, rng, 0.014 + 0.03 * depth * (layer == count - 1))
        tone = through(np.array([depth], np.float32), ramp([far, dark, near]))[:, 0]
        inside = sheet.y - crest
        mist = mix(tone, sky[-1], 0.5)
        fade = np.clip(inside / (0.3 * (1.1 - depth)), 0, 1) * (0.75 * (1 - depth))
        body = tone[:, None, None] + fade[None] * (mist - tone)[:, None, None]
        sheet.lay(sheet.edge(inside * 0.8), body)
    sheet.paper(rng, 1.1)


def _firs(sheet: Sheet, rng: Generator, size: float) -> Field:
    """(1, width) heights of a row of firs."""
    heights = np.zeros((1, sheet.width), np.float32)
    grove = np.clip(sheet.line(rng, 5, 2) * 0.5 + 0.5, 0, 1.2)
    for at in np.arange(-size, 1 + size, size * 0.3):
        x, height = at + rng.normal(0, size * 0.1), size * rng.uniform(0.5, 1.6)
        off = np.abs(sheet.x - x)
        taper = height - off * 3.6
        teeth = 0.16 * size * np.abs(((off * 3.6 / size * 5) % 1) - 0.5)
        heights = np.maximum(heights, (taper - teeth) * grove)
    return heights


def shore(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A beach from high above: sand, lace of foam, water that deepens."""
    sand = mix(palette.pale, palette.warm, 0.22)
    cool = max(palette.colours, key=lambda c: float(c[1] + c[2] - 2 * c[0] - 1.2 * abs(c.mean() - 0.48)))
    angle = rng.uniform(-0.5, 0.5) + (np.pi if rng.random() < 0.5 else 0)
    across = (sheet.x - 0.5) * np.float32(np.sin(angle)) + (sheet.y - np.float32(sheet.tall / 2)) * np.float32(
        np.cos(angle)
    )
    sway = sheet.noise(rng, 2.2, 2) * np.float32(0.07)
    lace = sheet.noise(rng, 7, 3) * np.float32(0.012)
    depth = across + sway + np.float32(rng.uniform(-0.05, 0.12) + 0.08)
    sheet.rgb[:] = sand[:, None, None]
    sheet.shade(1 + np.float32(0.018) * sheet.noise(rng, 110, 2) + np.float32(0.012) * sheet.noise(rng, 6, 3))
    sheet.wash(smooth(-0.16, 0.02, depth) * 0.3, mix(sand, palette.deep, 0.35))
    water = ramp(
        [
            mix(cool, sand, 0.75),
            mix(cool, palette.pale, 0.45),
            cool,
            mix(cool, palette.deep, 0.4),
            mix(cool, palette.deep, 0.75),
        ]
    )
    swell = depth + np.float32(1.2) * lace + np.float32(0.02) * sheet.noise(rng, 5, 3)
    sheet.lay(smooth(0.0, 0.02, depth + lace), through(np.clip(swell / (0.66 * sheet.tall), 0, 1) ** 0.75, water))
    foam = mix(palette.pale, np.ones(3, np.float32), 0.6)
    threads = np.minimum(np.abs(sheet.noise(rng, 11, 2, 0.6)), 1.25 * np.abs(sheet.noise(rng, 19, 2, 0.6)))
    for shift, width, strength in ((0.0, 0.05, 1.0), (0.1, 0.09, 0.85), (0.24, 0.12, 0.6), (0.42, 0.14, 0.4)):
        edge = depth + lace * (1 + 5 * shift) + np.float32(0.25 * shift) * sway - np.float32(shift)
        front = smooth(-0.003, 0.004, edge)
        body = front * np.exp(-np.clip(edge, 0, None) / np.float32(width))
        net = smooth(0.0, 0.13, 0.34 * body - threads + 0.06)
        crest = front * np.exp(-np.clip(edge, 0, None) / np.float32(0.009))
        sheet.lay(np.clip(net * body * 1.3 + crest, 0, 1) * strength, foam)
    for _ in range(int(rng.integers(0, 5))):
        _umbrella(sheet, palette, rng, depth)
    sheet.paper(rng, 0.9)


def _umbrella(sheet: Sheet, palette: Palette, rng: Generator, depth: Field) -> None:
    """A parasol on the dry sand, with its shadow; nothing if the place it draws is wet."""
    x, y, radius = rng.uniform(0.12, 0.88), rng.uniform(0.1, sheet.tall - 0.1), rng.uniform(0.03, 0.042)
    turn, pick = rng.uniform(0, 1), int(rng.integers(0, 5))
    if depth[int(y * sheet.width), int(x * sheet.width)] > -0.1:
        return
    shadow = sheet.around(x + radius * 0.5, y + radius * 0.6, radius)
    if shadow is not None:
        sheet.wash(sheet.edge(radius - np.hypot(shadow.x, shadow.y)) * 0.4, palette.deep, shadow)
    patch = sheet.around(x, y, radius)
    if patch is None:
        return
    panel = ((np.arctan2(patch.y, patch.x) / (2 * np.pi) + turn) * 5) % 1 < 0.5
    colour = np.where(panel[None], palette.colours[pick][:, None, None], palette.pale[:, None, None])
    sheet.lay(sheet.edge(radius - np.hypot(patch.x, patch.y)), colour, patch)
    sheet.disc(x, y, radius * 0.1, palette.deep)


def moonlight(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A planet or a moon among stars, over dark hills."""
    light, second, middle, dark, darkest = palette.by_light
    night = mix(darkest, palette.deep, 0.75)
    sky = ramp([night, mix(night, dark, 0.55), mix(dark, middle, 0.45), mix(middle, second, 0.5)])
    drift = sheet.y / np.float32(sheet.tall) * 0.95 + sheet.noise(rng, 2, 3, flat=2.5) * np.float32(0.07)
    sheet.colour_by(np.clip(drift, 0, 1), sky)
    milky = sheet.noise(rng, 3, 5, 0.6)
    band = np.exp(
        -(((sheet.x - 0.5) * rng.uniform(-1.2, 1.2) + sheet.y - sheet.tall * rng.uniform(0.2, 0.5)) ** 2) / 0.03
    )
    sheet.lay(np.clip(band * (0.16 + 0.12 * milky), 0, 0.5), mix(middle, light, 0.5))
    _stars(sheet, rng, mix(palette.pale, light, 0.25))
    x, y = rng.uniform(0.3, 0.7), sheet.tall * rng.uniform(0.27, 0.42)
    radius = rng.uniform(0.15, 0.27)
    warm = palette.warm
    sheet.glow(x, y, radius * 1.5, mix(warm, palette.pale, 0.3), 0.3)
    _planet(sheet, palette, rng, x, y, radius)
    for layer in range(int(rng.integers(2, 5))):
        crest = sheet.tall * (0.76 + 0.075 * layer) - 0.045 * sheet.line(rng, 1.5 + layer, 5, 0.45)
        tone = mix(mix(dark, night, 0.35), mix(night, palette.deep * 0.6, 0.6), min(layer / 2.5, 1))
        sheet.lay(sheet.edge((sheet.y - crest) * 0.8), tone)
    sheet.paper(rng)


def _stars(sheet: Sheet, rng: Generator, colour: Field) -> None:
    count = 420
    x, y = rng.uniform(0, 1, count), rng.uniform(0, 0.85 * sheet.tall, count)
    bright = rng.pareto(2.2, count) * 0.18 + 0.12
    soft = sheet.density(x, y, np.minimum(bright, 1.0).astype(np.float32) * 1.3)
    sheet.lay(np.clip(soft, 0, 1), colour)
    for i in np.argsort(-bright)[:16]:
        sheet.glow(x[i], y[i], 0.0022, colour, 1.0)
        sheet.glow(x[i], y[i], 0.007, colour, 0.25)


def _planet(sheet: Sheet, palette: Palette, rng: Generator, x: float, y: float, radius: float) -> None:
    kind = rng.choice(["moon", "ringed", "banded", "crescent"])
    tilt, sun = rng.uniform(-0.5, 0.5), rng.uniform(0, 2 * np.pi)
    patch = sheet.around(x, y, radius * 2.2)
    if patch is None:
        return
    light, second, middle, dark, _ = palette.by_light
    warm = palette.warm
    away = np.hypot(patch.x, patch.y)
    disc = sheet.edge(radius - away)
    u = (patch.x * np.float32(np.cos(tilt)) + patch.y * np.float32(np.sin(tilt))) / np.float32(radius)
    v = (patch.y * np.float32(np.cos(tilt)) - patch.x * np.float32(np.sin(tilt))) / np.float32(radius)
    grain = sheet.noise(rng, 9, 4, 0.6)[patch.where]
    tones = ramp([mix(warm, palette.pale, 0.6), light, warm, mix(warm, middle, 0.5), second, light, middle, warm])
    if kind in ("banded", "ringed"):
        face = through(np.clip(v * 0.48 + 0.5 + 0.025 * grain, 0, 1), tones)
    else:
        face = through(
            np.clip(0.45 + 0.2 * grain, 0, 1), ramp([mix(warm, palette.pale, 0.8), mix(light, warm, 0.4), middle])
        )
    height = np.sqrt(np.clip(1 - u * u - v * v, 0, 1))
    lit = u * np.float32(np.cos(sun)) + v * np.float32(np.sin(sun))
    lamp = smooth(0.1, 0.4, lit) if kind == "crescent" else smooth(-0.75, 0.35, lit * 0.7 + height * 0.6)
    night = mix(dark, palette.deep, 0.7)
    face = night[:, None, None] + (0.12 + 0.88 * lamp) * (face - night[:, None, None])
    hoop = np.zeros_like(away)
    if kind == "ringed":
        around = np.hypot(u, v * 3.6)
        hoop = sheet.edge((around - 1.3) * radius / 3) * sheet.edge((2.05 - around) * radius / 3)
        hoop *= 0.55 + 0.45 * np.sin(around * 34) * smooth(1.3, 1.5, around)
        hoop *= 0.85
    sheet.lay(hoop * (v < 0), mix(light, warm, 0.4), patch)
    sheet.lay(disc, face, patch)
    sheet.lay(hoop * (v >= 0), mix(light, warm, 0.4), patch)


def contours(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A survey map: tinted heights, fine isolines with every fifth one heavier, a light from the north-west."""
    height = sheet.noise(rng, rng.uniform(1.8, 3.2), 4, 0.42)
    height += np.float32(0.5) * sheet.noise(rng, 1.2)
    level = smooth(-2.2, 2.4, height)
    order = palette.by_light if not palette.dark else palette.by_light[::-1]
    steps = int(rng.integers(9, 15))
    tints = ramp([palette.ground, *order[: int(rng.integers(3, 6))]], steps)
    table = np.repeat(tints, -(-1024 // steps), axis=0)[:1024]
    sheet.rgb[:] = bands(level, table)
    dy, dx = np.gradient(height)
    slope = (dx + dy) * np.float32(sheet.width)
    sheet.shade(1 - np.clip(slope * np.float32(0.006), -0.12, 0.12))
    steep = np.hypot(dx, dy) + 1e-6
    for every, width, strength in ((0.07, 0.55, 0.45), (0.35, 1.15, 0.8)):
        off = np.abs((height / np.float32(every) + 0.5) % 1 - 0.5) * np.float32(every) / steep
        sheet.lay(np.clip(width * max(sheet.width / 800, 0.5) + 0.5 - off, 0, 1) * strength, palette.ink)
    if rng.random() < 0.6:
        sheet.frame(rng.choice([0.05, 0.065]), palette.paper)
    sheet.paper(rng)
