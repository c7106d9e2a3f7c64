"""Shapes: geometric posters, still lifes with vases, arches, pendulum curves, packed circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bowerbird.demo.palettes import mix
from bowerbird.demo.plant import spray
from bowerbird.demo.sheet import smooth

if TYPE_CHECKING:
    from numpy.random import Generator

    from bowerbird.demo.palettes import Field, Palette
    from bowerbird.demo.sheet import Patch, Sheet


def poster(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A poster of modules, as the Bauhaus printed them: quarters, halves, rings and bars on a strict grid."""
    margin = 0.06
    across = int(rng.choice([3, 4, 4, 5]))
    module = (1 - 2 * margin) / across
    down = max(int((sheet.tall - 2 * margin) / module), 1)
    top = (sheet.tall - down * module) / 2
    paper = palette.paper
    sheet.rgb[:] = paper[:, None, None]
    taken = np.zeros((down, across), bool)
    for j in range(down):
        for i in range(across):
            if taken[j, i]:
                continue
            span = 2 if rng.random() < 0.22 and i + 1 < across and j + 1 < down and not taken[j, i + 1] else 1
            taken[j : j + span, i : i + span] = True
            _module(sheet, palette, rng, margin + (i + span / 2) * module, top + (j + span / 2) * module, span * module)
    sheet.shade(1 + np.float32(0.013) * sheet.noise(rng, 40, 3, 0.7))
    sheet.paper(rng, 1.4)


def _module(sheet: Sheet, palette: Palette, rng: Generator, x: float, y: float, size: float) -> None:
    patch = sheet.around(x, y, size / 2)
    if patch is None:
        return
    tones = [*palette.colours, palette.ground, palette.ink]
    back, front, third = (tones[int(k)] for k in rng.choice(7, 3, replace=False, p=[0.17] * 5 + [0.09, 0.06]))
    u, v = patch.x / np.float32(size), patch.y / np.float32(size)
    for _ in range(int(rng.integers(0, 4))):
        u, v = v, -u
    square = sheet.edge(np.minimum(0.5 - np.abs(u), 0.5 - np.abs(v)) * np.float32(size) - np.float32(0.0008))

    def lay(inside: Field, colour: Field) -> None:
        sheet.lay(np.minimum(square, sheet.edge(inside * np.float32(size))), colour, patch)

    sheet.lay(square, back, patch)
    corner = np.hypot(u + 0.5, v + 0.5)
    middle = np.hypot(u, v)
    match rng.choice(["quarter", "rings", "half", "disc", "bars", "triangle", "lens", "dots", "hourglass", "target"]):
        case "quarter":
            lay(1 - corner, front)
            lay(0.5 - corner, third)
        case "rings":
            for n, radius in enumerate((1.0, 0.8, 0.6, 0.4, 0.2)):
                lay(radius - corner, front if n % 2 == 0 else back)
        case "half":
            lay(np.minimum(0.5 - np.hypot(u + 0.5, v), 0 * u + 1), front)
            lay(np.minimum(0.5 - np.hypot(u - 0.5, v), 0 * u + 1), third)
        case "disc":
            lay(0.5 - middle, front)
            lay(np.minimum(0.5 - middle, u + 0 * v), third)
        case "bars":
            lay(0.5 * (np.abs((u * 5) % 1 - 0.5) - 0.25) / 2.5 + 0 * v, front)
        case "triangle":
            lay((u - v) / 1.414, front)
            lay((u + v - 0.5) / 1.414, third)
        case "lens":
            lay(np.minimum(1 - corner, 1 - np.hypot(u - 0.5, v - 0.5)), front)
        case "dots":
            lay(0.34 / 4 - np.hypot((u * 4) % 1 - 0.5, (v * 4) % 1 - 0.5) / 4, front)
        case "hourglass":
            lay((np.abs(v) - np.abs(u)) / 1.414, front)
            lay(0.16 - middle, third)
        case _:
            lay(0.42 - middle, front)
            lay(0.28 - middle, third)
            lay(0.13 - middle, back)


def vases(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A still life: a few pots on a table, a branch in one of them, a disc on the wall."""
    light, second, middle, dark, darkest = palette.by_light
    wall = mix(palette.ground, light, rng.uniform(0.1, 0.6)) if not palette.dark else mix(palette.ground, darkest, 0.6)
    table_at = sheet.tall * rng.uniform(0.72, 0.8)
    sheet.rgb[:] = wall[:, None, None]
    sheet.shade(1 + np.float32(0.02) * sheet.noise(rng, 3, 4))
    disc = palette.colours[int(rng.integers(0, 5))]
    if rng.random() < 0.7:
        x, y, radius = rng.uniform(0.35, 0.65), table_at * rng.uniform(0.38, 0.55), rng.uniform(0.24, 0.34)
        if rng.random() < 0.5:
            sheet.disc(x, y, radius, mix(disc, wall, 0.35))
        else:
            patch = sheet.around(x, y + 0.5, radius, 1.2)
            if patch is not None:
                v = np.minimum(patch.y + np.float32(0.5), 0)
                sheet.lay(sheet.edge(radius - np.hypot(patch.x, v)), mix(disc, wall, 0.35), patch)
    cloth = mix(middle, dark, rng.uniform(0, 1))
    sheet.lay(sheet.edge(sheet.y - np.float32(table_at)) + 0 * sheet.x, cloth)
    sheet.lay(np.exp(-np.abs(sheet.y - np.float32(table_at)) * 90) * 0.15 + 0 * sheet.x, palette.deep)
    count = int(rng.integers(2, 5))
    spots = np.linspace(0.2, 0.8, count) if count > 2 else np.array([0.34, 0.68])
    heights = rng.uniform(0.2, 0.5, count) * min(sheet.tall / 1.4, 1)
    tones = rng.permutation(5)
    for n in rng.permutation(count):
        foot = table_at + rng.uniform(0.03, 0.13)
        width = heights[n] * rng.uniform(0.36, 0.62) if heights[n] > 0.3 else heights[n] * rng.uniform(0.55, 0.8)
        x = spots[n] + rng.normal(0, 0.02)
        if rng.random() < 0.65 or n == 0:
            for _ in range(int(rng.integers(1, 4))):
                lean = rng.uniform(-0.35, 0.35)
                green = mix(dark, palette.deep, 0.2) if not palette.dark else mix(second, middle, 0.5)
                spray(sheet, rng, (x, foot - heights[n] * 0.97), lean, rng.uniform(0.22, 0.42), green, palette)
        glaze = palette.colours[int(tones[n % 5])]
        _vase(sheet, palette, rng, (x, foot), (width, heights[n]), glaze)
    sheet.paper(rng, 1.3)


def _vase(
    sheet: Sheet, palette: Palette, rng: Generator, foot: tuple[float, float], size: tuple[float, float], glaze: Field
) -> None:
    """A pot turned on a wheel: a profile around an axis, lit from the left."""
    (x, y), (width, height) = foot, size
    shadow = sheet.around(x + width * 0.25, y, width * 0.9, 0.03)
    if shadow is not None:
        away = np.hypot(shadow.x / np.float32(width * 0.8), shadow.y / np.float32(0.022))
        sheet.wash(smooth(1.0, 0.3, away) * 0.4, palette.deep, shadow)
    patch = sheet.around(x, y - height / 2, width * 0.7, height / 2)
    if patch is None:
        return
    t = np.clip((np.float32(height / 2) - patch.y) / np.float32(height), 0, 1)
    knots = {
        "bottle": [0.3, 0.46, 0.5, 0.4, 0.17, 0.13, 0.13, 0.2],
        "jar": [0.28, 0.44, 0.5, 0.5, 0.45, 0.3, 0.27, 0.33],
        "amphora": [0.14, 0.3, 0.45, 0.5, 0.4, 0.2, 0.17, 0.27],
        "bowl": [0.2, 0.36, 0.45, 0.49, 0.5, 0.5, 0.49, 0.48],
        "drop": [0.4, 0.5, 0.48, 0.38, 0.26, 0.17, 0.12, 0.12],
    }[str(rng.choice(["bottle", "jar", "amphora", "bowl", "drop"]))]
    profile = _smooth_curve(t[:, 0], knots)[:, None] * np.float32(width)
    inside = np.minimum(profile - np.abs(patch.x), np.minimum(t, 1 - t) * np.float32(height) + 0 * patch.x)
    across = patch.x / np.maximum(profile, 1e-4)
    body = glaze[:, None, None] + np.zeros_like(inside)
    trim = palette.pale if float(glaze.mean()) < 0.62 else palette.deep
    match rng.choice(["plain", "dip", "stripes", "zigzag", "speckle"]):
        case "dip":
            line = np.float32(rng.uniform(0.3, 0.65)) + 0.03 * np.sin(across * 5 + rng.uniform(0, 6))
            body += np.clip((line - t) * height * sheet.width, 0, 1) * (mix(glaze, trim, 0.75) - glaze)[:, None, None]
        case "stripes":
            wave = np.abs((t * rng.integers(7, 13)) % 1 - 0.5) < 0.16
            body += (wave & (t > 0.2) & (t < 0.7) & (across < 9)) * (mix(glaze, trim, 0.6) - glaze)[:, None, None]
        case "zigzag":
            tooth = np.abs((np.arcsin(np.clip(across, -1, 1)) * 2.6) % 1 - 0.5) * 0.16
            body += (np.abs(t - 0.42 - tooth) < 0.022) * (mix(glaze, trim, 0.75) - glaze)[:, None, None]
            body += (np.abs(t - 0.34) < 0.009) * (mix(glaze, trim, 0.75) - glaze)[:, None, None]
        case "speckle":
            body *= 1 - 0.3 * (sheet.noise(rng, 230)[patch.where] > 1.75)
        case _:
            pass
    light = 1.06 - 0.13 * np.clip(across + 0.35, 0, 2) ** 1.6 - 0.1 * np.clip(-across - 0.55, 0, 1)
    body = body * light + 0.1 * np.exp(-(((across + 0.42) / 0.13) ** 2)) * smooth(0.1, 0.3, t) * smooth(0.95, 0.7, t)
    sheet.lay(sheet.edge(inside), body, patch)
    mouth = sheet.around(x, y - height, width * knots[-1], 0.012)
    if mouth is not None:
        rim = 1 - np.hypot(
            mouth.x / np.float32(width * knots[-1]), mouth.y / np.float32(width * knots[-1] * 0.13 + 0.001)
        )
        sheet.lay(np.clip(rim * 6, 0, 1), mix(glaze, palette.deep, 0.45), mouth)


def _smooth_curve(t: Field, knots: list[float]) -> Field:
    """Catmull-Rom through evenly spaced knots."""
    points = np.array([knots[0], *knots, knots[-1]], np.float32)
    at = np.clip(t * (len(knots) - 1), 0, len(knots) - 1.001)
    k = at.astype(int)
    f = (at - k).astype(np.float32)
    a, b, c, d = points[k], points[k + 1], points[k + 2], points[np.minimum(k + 3, len(points) - 1)]
    curve = 2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3
    return np.asarray(curve / 2)


def arches(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Nested arches, a sun and a sprig on warm paper."""
    paper = palette.paper
    sheet.rgb[:] = paper[:, None, None]
    tones = [palette.colours[int(k)] for k in rng.permutation(5)]
    if rng.random() < 0.65:
        sun = rng.uniform(0.25, 0.75)
        sheet.disc(sun, sheet.tall * rng.uniform(0.13, 0.25), rng.uniform(0.08, 0.15), tones[0])
    groups = int(rng.integers(1, 4))
    places = {1: [0.5], 2: [0.3, 0.74], 3: [0.24, 0.55, 0.84]}[groups]
    for n in rng.permutation(groups):
        size = {1: 0.36, 2: 0.29, 3: 0.23}[groups] * rng.uniform(0.85, 1.15)
        x, crown = places[n] + rng.normal(0, 0.02), sheet.tall * rng.uniform(0.4, 0.62)
        bars, gap = int(rng.integers(3, 6)), rng.choice([0.12, 0.3])
        patch = sheet.around(x, (crown + sheet.tall) / 2, size, (sheet.tall - crown) / 2 + size)
        if patch is None:
            continue
        y = patch.y + np.float32((sheet.tall - crown) / 2)
        away = np.hypot(patch.x, np.minimum(y, 0)) + np.float32(0.0025) * sheet.noise(rng, 8, 2)[patch.where]
        sheet.lay(sheet.edge(np.float32(size) - away), paper, patch)
        for bar in range(bars):
            outer = size * (1 - bar / bars)
            inner = outer - size / bars * (1 - gap)
            if bar == bars - 1 and rng.random() < 0.5:
                inner = -1.0
            band = sheet.edge(np.float32(outer) - away) * (1 - sheet.edge(np.float32(inner) - away))
            sheet.lay(band, tones[(bar + n + 1) % 5], patch)
    if rng.random() < 0.75:
        rise = sheet.tall * rng.uniform(0.82, 0.92) - 0.05 * np.sin(sheet.x * rng.uniform(2, 5) + rng.uniform(0, 6))
        sheet.lay(sheet.edge((sheet.y - rise).astype(np.float32)), mix(tones[4], palette.deep, 0.15))
    if rng.random() < 0.6:
        side = rng.choice([0.14, 0.86])
        colour = mix(palette.by_light[3], palette.deep, 0.25) if not palette.dark else palette.by_light[1]
        spray(sheet, rng, (side, sheet.tall * 0.98), (0.5 - side) * 0.5, rng.uniform(0.4, 0.6), colour, palette)
    sheet.shade(1 + np.float32(0.013) * sheet.noise(rng, 60, 3, 0.8))
    if rng.random() < 0.35:
        sheet.frame(0.05, paper)
    sheet.paper(rng, 1.6)


def pendulum(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Harmonographs: the line a pen draws that hangs from several pendulums, as they come to rest."""
    sheet.rgb[:] = palette.ground[:, None, None]
    tint = palette.by_light[4] if palette.dark else palette.by_light[0]
    sheet.glow(0.5, sheet.tall / 2, 0.38, mix(palette.ground, tint, 0.8), 0.8)
    curves = int(rng.integers(2, 4))
    ratios = [(1, 2), (2, 3), (3, 4), (1, 3), (3, 5), (4, 5)]
    p, q = ratios[int(rng.integers(0, len(ratios)))]
    t = np.linspace(0, 1, 110_000, dtype=np.float32) * np.float32(2 * np.pi * 62)
    reach = 0.225 if sheet.tall > 0.9 else 0.15
    strong = palette.by_light[:4] if palette.dark else palette.by_light[1:]
    tones = [strong[int(k)] for k in rng.permutation(4)]
    phases = rng.uniform(0, 2 * np.pi, 4)
    for n in range(curves):
        drift = 1 + rng.normal(0, 0.0018, 4)
        fade = np.exp(-t * np.float32(rng.uniform(0.0045, 0.009)))
        shift = phases + n * 0.16
        x = 0.5 + reach * fade * (np.sin(p * drift[0] * t + shift[0]) + 0.9 * np.sin(q * drift[1] * t + shift[1]))
        y = np.sin(p * drift[2] * t + shift[2]) + 0.9 * np.sin(q * drift[3] * t + shift[3])
        y = sheet.tall / 2 + reach * min(max(sheet.tall, 1), 1.35) * fade * y
        step = np.hypot(np.gradient(x), np.gradient(y)) * sheet.width
        ink = sheet.density(x, y, step)
        tone = tones[n] if palette.dark else mix(tones[n], palette.ink, 0.3 + 0.2 * (float(tones[n].mean()) > 0.6))
        sheet.lay(1 - np.exp(-ink * np.float32(0.75)), tone)
    sheet.frame(0.045, palette.paper)
    sheet.paper(rng, 1.2)


def pebbles(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Circles of all sizes packed until nothing more fits, each a small picture."""
    sheet.rgb[:] = palette.ground[:, None, None]
    margin = rng.choice([0.0, 0.05])
    discs = _packed(rng, sheet.tall, rng.uniform(0.07, 0.15), margin)
    drift = rng.uniform(0, 2 * np.pi)
    for x, y, radius in discs:
        patch = sheet.around(x, y, radius)
        if patch is None:
            continue
        where = 0.5 + 0.45 * np.cos(drift) * (x - 0.5) * 2 + 0.45 * np.sin(drift) * (y / sheet.tall - 0.5) * 2
        pick = int(np.clip(where * 5 + rng.normal(0, 0.9), 0, 4.99))
        front = palette.by_light[pick]
        back = palette.by_light[(pick + int(rng.integers(1, 5))) % 5]
        _pebble(sheet, rng, patch, radius * 0.94, front, back)
    sheet.shade(1 + np.float32(0.015) * sheet.noise(rng, 50, 3, 0.7))
    sheet.paper(rng, 1.3)


def _packed(rng: Generator, tall: float, largest: float, margin: float) -> list[tuple[float, float, float]]:
    placed = np.zeros((900, 3))
    count = 0
    for x, y in rng.uniform((margin, margin), (1 - margin, tall - margin), (2600, 2)):
        room = min(x - margin, y - margin, 1 - margin - x, tall - margin - y) if margin else largest
        if count:
            room = min(room, float((np.hypot(placed[:count, 0] - x, placed[:count, 1] - y) - placed[:count, 2]).min()))
        if room > 0.006 and count < 900:
            placed[count] = x, y, min(room, largest * rng.uniform(0.4, 1))
            count += 1
    return [(float(x), float(y), float(r)) for x, y, r in placed[:count]]


def _pebble(sheet: Sheet, rng: Generator, patch: Patch, radius: float, front: Field, back: Field) -> None:
    away = np.hypot(patch.x, patch.y)
    disc = sheet.edge(np.float32(radius) - away)
    sheet.lay(disc, front, patch)
    if radius < 0.012:
        return
    turn = rng.uniform(0, 6.3)
    u = (patch.x * np.float32(np.cos(turn)) + patch.y * np.float32(np.sin(turn))) / np.float32(radius)
    v = (patch.y * np.float32(np.cos(turn)) - patch.x * np.float32(np.sin(turn))) / np.float32(radius)
    size = np.float32(radius)
    match rng.choice(["plain", "rings", "half", "dot", "stripes", "petals", "crescent"]):
        case "rings":
            for n in range(3):
                sheet.lay(
                    sheet.edge(np.float32(0.06) * size - np.abs(away - size * np.float32(0.3 + 0.24 * n))), back, patch
                )
        case "half":
            sheet.lay(np.minimum(disc, sheet.edge(u * size)), back, patch)
        case "dot":
            sheet.lay(sheet.edge(np.float32(0.42) * size - away), back, patch)
        case "stripes":
            sheet.lay(np.minimum(disc, sheet.edge((np.abs((u * 2.5) % 1 - 0.5) - 0.27) / 2.5 * size)), back, patch)
        case "petals":
            petal = np.cos(np.arctan2(v, u) * 3) ** 2 * 0.62 + 0.16
            sheet.lay(sheet.edge((petal - np.hypot(u, v)) * size * 0.7), back, patch)
        case "crescent":
            sheet.lay(np.minimum(disc, 1 - sheet.edge((1 - np.hypot(u - 0.4, v)) * size)), back, patch)
        case _:
            pass
