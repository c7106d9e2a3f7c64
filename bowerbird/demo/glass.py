"""Stained glass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bowerbird.demo.palettes import mix, ramp
from bowerbird.demo.sheet import through

if TYPE_CHECKING:
    from numpy.random import Generator

    from bowerbird.demo.palettes import Field, Palette
    from bowerbird.demo.sheet import Sheet


def glass(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Stained glass: the cells nearest to scattered points (Voronoi), leaded, lit from behind."""
    spacing = 1 / int(rng.integers(9, 17))
    kind = str(rng.choice(["landscape", "landscape", "rose", "drift"]))
    sites = _sites(rng, spacing, sheet.tall, round_window=kind == "rose")
    nearest, gap = _cells(sheet, sites, spacing * 2.1)
    x, y = np.array([s[0] for s in sites]), np.array([s[1] for s in sites])
    colours = _panes(palette, rng, kind, x, y, sheet.tall)
    for c in range(3):
        sheet.rgb[c] = colours[:, c].copy()[nearest]
    seed = sheet.noise(rng, 26, 3, 0.6)
    sheet.shade(1 + np.float32(0.07) * seed + np.float32(0.05) * sheet.noise(rng, 3, 2))
    sheet.shade(np.float32(1.05) - np.float32(0.25) * np.exp(-gap / np.float32(spacing * 0.16)))
    lead = rng.uniform(0.0028, 0.0048)
    sheet.lay(sheet.edge(np.float32(lead) - gap), mix(palette.deep, np.zeros(3, np.float32), 0.35))
    sheet.lay(sheet.edge(np.float32(lead * 0.3) - gap) * 0.25, palette.pale)
    sheet.paper(rng, 0.8)


def _sites(rng: Generator, spacing: float, tall: float, *, round_window: bool) -> list[tuple[float, float]]:
    """Points about `spacing` apart: rings around the middle, or a shaken honeycomb."""
    if round_window:
        rings = int(0.5 * np.hypot(1, tall) / spacing) + 2
        return [(0.5, tall / 2)] + [
            (0.5 + spacing * k * np.cos(a + 0.5 * k), tall / 2 + spacing * k * np.sin(a + 0.5 * k))
            for k in range(1, rings)
            for a in np.linspace(0, 2 * np.pi, 6 * k, endpoint=False)
        ]
    shake = 0.3 * spacing
    return [
        (spacing * (i + 0.5 * (j % 2)) + rng.uniform(-shake, shake), spacing * 0.87 * j + rng.uniform(-shake, shake))
        for j in range(-1, int(tall / (spacing * 0.87)) + 3)
        for i in range(-1, int(1 / spacing) + 2)
    ]


def _panes(palette: Palette, rng: Generator, kind: str, x: Field, y: Field, tall: float) -> Field:
    """(sites, 3): a sun over hills over water, or rays, or a slow drift of colour."""
    n = len(x)
    jitter = rng.normal(0, 0.07, n)
    light, second, middle, dark, darkest = palette.by_light
    cx, cy, radius = rng.uniform(0.3, 0.7), tall * rng.uniform(0.25, 0.45), rng.uniform(0.16, 0.26)
    away = np.hypot(x - cx, y - cy)
    if kind == "landscape":
        sky = through(np.clip(y / tall * 1.3 + jitter, 0, 1), ramp([second, light, palette.pale]))
        hill = y > tall * 0.62 - 0.09 * np.sin(x * rng.uniform(3, 7) + rng.uniform(0, 6))
        land = through(np.clip((y / tall - 0.55) * 2.2 + jitter * 2, 0, 1), ramp([middle, dark, darkest]))
        warm = palette.warm
        sun = through(np.clip(0.5 + 2 * jitter, 0, 1), ramp([mix(warm, palette.pale, 0.4), warm]))
        return np.asarray(np.where(hill, land, np.where(away < radius, sun, sky)).T)
    if kind == "rose":
        turn = np.arctan2(y - tall / 2, x - 0.5) / (2 * np.pi)
        ring = np.hypot(x - 0.5, y - tall / 2) / rng.uniform(0.09, 0.16)
        pick = (ring + 0.55 * np.cos(2 * np.pi * turn * rng.choice([6, 8, 12]))).astype(int) % 6
        base = np.stack([*palette.colours, palette.pale])[rng.permutation(6)][pick]
        return np.asarray(np.clip(base * (1 + jitter[:, None] * 1.6), 0, 1), np.float32)
    stops = [palette.colours[int(k)] for k in rng.permutation(5)] + [palette.pale]
    way = rng.uniform(0, 2 * np.pi)
    wave = 0.5 + 0.5 * np.sin(3.2 * (x * np.cos(way) + y * np.sin(way)) + 1.3 * np.sin(4 * x + way))
    return np.asarray(through(np.clip(wave + jitter * 1.8, 0, 1), ramp(stops)).T)


def _cells(sheet: Sheet, sites: list[tuple[float, float]], reach: float) -> tuple[Field, Field]:
    """The nearest site of each pixel, and how far the border with the second nearest is."""
    shape = (sheet.height, sheet.width)
    first, second = np.full(shape, 9.0, np.float32), np.full(shape, 9.0, np.float32)
    nearest = np.zeros(shape, np.int32)
    for n, (x, y) in enumerate(sites):
        patch = sheet.around(x, y, reach)
        if patch is None:
            continue
        d = patch.x**2 + patch.y**2
        a, b = first[patch.where], second[patch.where]
        np.copyto(nearest[patch.where], n, where=d < a)
        np.minimum(b, np.maximum(a, d), out=b)
        np.minimum(a, d, out=a)
    return nearest, (np.sqrt(second) - np.sqrt(first)) / 2
