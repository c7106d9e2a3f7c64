"""Made things: tartans, knitted jumpers, quilts, terrazzo floors, tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bowerbird.demo.palettes import mix
from bowerbird.demo.sheet import smooth

if TYPE_CHECKING:
    from numpy.random import Generator

    from bowerbird.demo.palettes import Field, Palette
    from bowerbird.demo.sheet import Sheet
    from bowerbird.ports import Ints


def tartan(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A sett of colours in warp and weft, woven as 2/2 twill."""
    colours = [*palette.colours, palette.ground, palette.ink]
    first, second = rng.permutation(5)[:2]
    sett: list[tuple[int, int]] = [(int(first), int(rng.integers(18, 34)))]
    for _ in range(int(rng.integers(4, 8))):
        wide = rng.random() < 0.4
        pick = int(rng.choice([second, *range(7)]))
        sett.append((pick, int(rng.integers(10, 22)) if wide else int(rng.integers(2, 6))))
    half = [pick for pick, threads in sett for _ in range(threads)]
    sequence = np.array(half + half[::-1])
    thread = 1 / rng.integers(150, 230)
    table = np.stack(colours).astype(np.float32)
    start = int(rng.integers(0, len(sequence)))
    i = (sheet.x / thread).astype(np.int64)
    j = (sheet.y / thread).astype(np.int64)
    warp, weft = table[sequence[(i + start) % len(sequence)]], table[sequence[(j + start) % len(sequence)]]
    over = np.clip(0.5 + 1.1 * np.sin((sheet.x + sheet.y) / thread * np.float32(np.pi / 2)), 0, 1)
    for c in range(3):
        sheet.rgb[c] = weft[:, :, c] + over * (warp[:, :, c] - weft[:, :, c])
    rib_x = np.cos(sheet.x / thread * np.float32(2 * np.pi))
    rib_y = np.cos(sheet.y / thread * np.float32(2 * np.pi))
    sheet.shade(1 - np.float32(0.07) * (over * rib_x + (1 - over) * rib_y))
    fold = sheet.noise(rng, 1.4, 2, 0.4)
    sheet.shade(1 + np.float32(0.045) * fold)
    sheet.paper(rng, 1.4)


def knit(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A Fair Isle jumper: bands of small motifs, stitch by stitch."""
    across = int(rng.integers(56, 84))
    u, v = sheet.x * np.float32(across), sheet.y * np.float32(across * 1.18)
    column = u.astype(np.int64)
    off = np.abs((u % 1) * 2 - 1)
    row = v + 0.55 * off + 0 * u
    line = row.astype(np.int64)
    table = np.stack([*palette.colours, palette.ground, palette.ink]).astype(np.float32)
    chart = _chart(rng, table, int(across * 1.18 * sheet.tall) + 3, across + 1)
    wool = chart[line, column + 0 * line]
    inside = row % 1
    yarn = np.sin(inside * np.float32(np.pi)) ** 0.6 * np.sin((0.06 + 0.88 * off) * np.float32(np.pi)) ** 0.45
    twist = 0.06 * np.sin((inside * 3 + off * 2.2) * np.float32(2 * np.pi))
    light = 0.62 + 0.42 * yarn + twist * yarn
    for c in range(3):
        sheet.rgb[c] = table[:, c].copy()[wool]
    sheet.shade(light.astype(np.float32))
    sheet.shade(1 + np.float32(0.03) * sheet.noise(rng, 2, 3))
    sheet.paper(rng, 1.2)


def _chart(rng: Generator, wools: Field, rows: int, columns: int) -> Ints:
    """(rows, columns) of colours 0..6: bands, each a mirrored motif of two colours, plain rounds between."""
    chart = np.zeros((rows, columns), np.int64)
    i = np.arange(columns)[None, :]
    body = int(rng.choice([0, 1, 5, 5, 6]))
    top = 0
    while top < rows:
        back = body if rng.random() < 0.5 else int(rng.integers(0, 7))
        apart = np.abs(wools - wools[back]).max(axis=1)
        front = int(rng.choice(np.flatnonzero(apart > min(0.22, apart.max() * 0.9))))
        period = int(rng.choice([6, 8, 12, 16, 20]))
        high = int(rng.choice([1, 2, 3, 5, 7, 9, 13, 17]))
        side = np.minimum(i % period, period - i % period)
        kind = rng.choice(["zigzag", "diamond", "flake", "dots", "plain"], p=[0.2, 0.2, 0.3, 0.18, 0.12])
        high = min(high, 3) if kind == "plain" else high
        j = np.arange(high)[:, None]
        if high <= 3 and kind in ("flake", "diamond", "zigzag"):
            kind = "dots"
        if kind == "zigzag":
            motif = (side + j) % 6 < 3
        elif kind == "diamond":
            reach = side + np.abs(j - high // 2)
            motif = (reach <= high // 2) & (reach % 3 != 1)
        elif kind == "flake":
            quarter = rng.random((high // 2 + 1, period // 2 + 1)) < 0.5
            motif = quarter[np.abs(j - high // 2), side]
        elif kind == "dots":
            motif = (i + 2 * (j // 2)) % 4 < 1 + (j % 2 == 0)
        else:
            motif = j < 0 * i
        band = np.where(motif, front, back)
        stop = min(top + high, rows)
        chart[top:stop] = band[: stop - top]
        gap = int(rng.choice([1, 1, 2, 3]))
        chart[stop : stop + gap] = body
        top = stop + gap
    return chart


def quilt(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Patchwork of half-square triangles in printed cottons, padded and stitched."""
    blocks = int(rng.choice([2, 3, 3, 4]))
    size = 4
    cells = blocks * size
    margin = rng.choice([0.0, 0.045])
    u = (sheet.x - np.float32(margin)) * np.float32(cells / (1 - 2 * margin))
    down = max(round((sheet.tall - 2 * margin) * cells / (1 - 2 * margin) / size), 1) * size
    v = (sheet.y - np.float32(margin)) * np.float32(down / (sheet.tall - 2 * margin))
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    slant, one, other = _block(rng, size)
    swap = rng.random() < 0.5
    turn = ((i // size + j // size) % 2 == 1) & swap
    a, b = i % size, j % size
    a, b = np.where(turn, b, a), np.where(turn, size - 1 - a, b)
    fx, fy = u - i + 0 * v, v - j + 0 * u
    way = slant[b, a] ^ turn
    diagonal = np.where(way, fx - fy, fx + fy - 1) * np.float32((1 - 2 * margin) / cells / np.sqrt(2))
    cover = sheet.edge(diagonal)
    fabrics = _fabrics(sheet, palette, rng)
    swapped = turn & ~slant[b, a]  # a quarter turn puts the other side of such a cut on top
    upper, lower = np.where(swapped, other[b, a], one[b, a]), np.where(swapped, one[b, a], other[b, a])
    for c in range(3):
        cloth = np.stack([fabric[c] for fabric in fabrics])
        low = np.take_along_axis(cloth, lower[None], 0)[0]
        high = np.take_along_axis(cloth, upper[None], 0)[0]
        sheet.rgb[c] = low + cover * (high - low)
    seam = np.minimum(np.minimum(fx, 1 - fx), np.minimum(fy, 1 - fy))
    fold = np.minimum(seam, np.where(upper == lower, 1.0, np.abs(np.where(way, fx - fy, fx + fy - 1)) / 1.41))
    sheet.shade((1.05 - 0.24 * np.exp(-fold * 16) + 0.05 * (fx - fy) * np.exp(-seam * 5)).astype(np.float32))
    stitch = np.exp(-(((fold - 0.085) * 45) ** 2)) * (np.sin((u + v) * np.float32(22)) > -0.2)
    sheet.lay((0.42 * stitch).astype(np.float32), mix(palette.pale, palette.ground, 0.5))
    sheet.shade(1 + np.float32(0.035) * sheet.noise(rng, 6, 2))
    if margin:
        sheet.frame(margin, palette.colours[int(rng.integers(0, 5))])
    sheet.paper(rng, 1.3)


def _block(rng: Generator, size: int) -> tuple[Field, Ints, Ints]:
    """A block mirrored both ways: which way each patch is cut, and its fabrics right and left of the cut."""
    half = size // 2
    slant = np.zeros((size, size), bool)
    one, other = np.zeros((size, size), np.int64), np.zeros((size, size), np.int64)
    palette = rng.permutation(6)
    for y in range(half):
        for x in range(half):
            cut = bool(rng.random() < 0.5)
            a, b = int(palette[rng.integers(0, 4)]), int(palette[rng.integers(0, 4)])
            for mirror_x in (False, True):
                for mirror_y in (False, True):
                    at = (size - 1 - y if mirror_y else y, size - 1 - x if mirror_x else x)
                    slant[at] = cut ^ mirror_x ^ mirror_y
                    one[at], other[at] = (b, a) if mirror_x else (a, b)
    return slant, one, other


def _fabrics(sheet: Sheet, palette: Palette, rng: Generator) -> list[Field]:
    """Six printed cottons, each (3, h, w)."""
    cloths = []
    scale = rng.uniform(70, 100)
    u, v = sheet.x * np.float32(scale), sheet.y * np.float32(scale)
    for n, base in enumerate([*palette.colours, palette.ground]):
        light = float(base.mean()) > 0.6
        print_colour = mix(base, palette.deep if light else palette.pale, 0.28)
        kind = ["dots", "plain", "stripes", "checks", "sprigs", "plain"][(n + int(rng.integers(0, 6))) % 6]
        if kind == "dots":
            away = np.hypot((u + (np.floor(v) % 2) * 0.5) % 1 - 0.5, v % 1 - 0.5)
            mask = smooth(0.27, 0.17, away)
        elif kind == "stripes":
            mask = smooth(0.55, 0.75, np.abs((u * 0.9) % 1 - 0.5) * 2) + 0 * v
        elif kind == "checks":
            mask = 0.45 * ((u * 0.5 % 1 < 0.5) + 0.0 + (v * 0.5 % 1 < 0.5)).astype(np.float32)
        elif kind == "sprigs":
            x, y = (u * 0.5 + (np.floor(v * 0.5) % 2) * 0.5) % 1 - 0.5, (v * 0.5) % 1 - 0.5
            mask = smooth(0.3, 0.2, np.hypot(x, y) + 0.09 * np.cos(5 * np.arctan2(y, x)))
        else:
            mask = np.zeros((sheet.height, sheet.width), np.float32)
        mask = np.asarray(mask, np.float32)
        cloths.append(base[:, None, None] + mask * (print_colour - base)[:, None, None])
    return cloths


def terrazzo(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Chips of stone in polished cement."""
    ground = palette.paper
    sheet.rgb[:] = ground[:, None, None]
    sheet.shade(1 + np.float32(0.014) * sheet.noise(rng, 45, 3, 0.7))
    colours = [*palette.colours, mix(palette.ink, palette.colours[1], 0.3)]
    weights = rng.dirichlet(np.full(6, 1.6))
    placed = np.zeros((0, 3))
    largest = rng.uniform(0.05, 0.1)
    vein = sheet.noise(rng, 14, 3, 0.6)
    for radius in largest * np.array([1.0] * 14 + [0.66] * 26 + [0.42] * 80 + [0.24] * 190 + [0.12] * 330):
        for _ in range(12):
            x, y = rng.uniform(-0.02, 1.02), rng.uniform(-0.02, sheet.tall + 0.02)
            gap = np.hypot(placed[:, 0] - x, placed[:, 1] - y) - placed[:, 2] - radius
            if len(placed) == 0 or gap.min() > 0.002:
                break
        else:
            continue
        placed = np.vstack([placed, [x, y, radius]])
        _chip(sheet, rng, (x, y, radius), colours[int(rng.choice(6, p=weights))], vein)
    sheet.paper(rng, 0.9)


def _chip(sheet: Sheet, rng: Generator, at: tuple[float, float, float], colour: Field, vein: Field) -> None:
    """An irregular convex stone: what is left of a disc after a few straight cuts."""
    x, y, radius = at
    patch = sheet.around(x, y, radius)
    if patch is None:
        return
    stretch, turn = rng.uniform(0.75, 1.0), rng.uniform(0, 6.3)
    u = patch.x * np.float32(np.cos(turn)) + patch.y * np.float32(np.sin(turn))
    v = (patch.y * np.float32(np.cos(turn)) - patch.x * np.float32(np.sin(turn))) / np.float32(stretch)
    inside = np.float32(radius) - np.hypot(u, v)
    for k in range(int(rng.integers(4, 8))):
        a = 2.4 * k + rng.uniform(-0.5, 0.5)
        cut = np.float32(radius * rng.uniform(0.5, 0.85)) - u * np.float32(np.cos(a)) - v * np.float32(np.sin(a))
        inside = np.minimum(inside, cut)
    tone = mix(colour, rng.choice([np.zeros(3), np.ones(3)]).astype(np.float32), rng.uniform(0, 0.12))
    face = tone[:, None, None] * (1 + np.float32(0.05) * vein[patch.where])
    sheet.lay(sheet.edge(inside), face, patch)


def tiles(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Truchet tiles: quarter rings that meet across every side, however each tile is turned (Smith 1987)."""
    across = int(rng.integers(4, 9))
    down = max(round(across * sheet.tall), 1)
    u, v = sheet.x * np.float32(across), sheet.y * np.float32(down / sheet.tall)
    i, j = u.astype(np.int64), v.astype(np.int64)
    turned = rng.random((down + 1, across + 1)) < 0.5
    if rng.random() < 0.4:
        turned = turned[:, np.minimum(np.arange(across + 1), across - 1 - np.arange(across + 1)) % (across + 1)]
    way = turned[j, i]
    fx = np.where(way, 1 - (u - i), u - i).astype(np.float32)
    fy = (v - j + 0 * fx).astype(np.float32)
    near, far = np.hypot(fx, fy), np.hypot(1 - fx, 1 - fy)
    ring = np.minimum(near, far)
    kind = rng.choice(["bands", "ribbon", "scales"])
    unit = np.float32(1 / across)
    order = rng.permutation(5)
    parity = ((i + j) % 2 == 0) ^ way
    ground, second = palette.ground, palette.colours[int(order[0])]
    if kind == "ribbon":
        inner = np.where(ring < 0.5, parity, ~parity)
        sheet.rgb[:] = np.where(inner[None], ground[:, None, None], second[:, None, None])
        for width, colour in ((0.19, palette.ink), (0.145, palette.colours[int(order[1])]), (0.04, palette.ground)):
            sheet.lay(sheet.edge((np.float32(width) - np.abs(ring - 0.5)) * unit), colour)
    elif kind == "bands":
        arcs = [palette.colours[int(k)] for k in order[:4]] + [palette.ground]
        for source in (far, near):
            # A ring and its mirror in the middle of the side have one colour: so turned tiles still meet.
            inside = sheet.edge((1 - source) * unit)
            sheet.lay(inside, arcs[0])
            for arc, width in zip(arcs[1:], (0.41, 0.29, 0.17, 0.06), strict=True):
                sheet.lay(inside * sheet.edge((np.float32(width) - np.abs(source - 0.5)) * unit), arc)
    else:
        tones = np.stack([*palette.colours, palette.ground, palette.ink]).astype(np.float32)
        pick = rng.integers(0, 7, (3, down + 1, across + 1))
        pick[1] = np.where(pick[1] == pick[0], (pick[1] + 1) % 7, pick[1])
        sheet.rgb[:] = tones[pick[0][j, i]].transpose(2, 0, 1)
        half = np.hypot(fx, np.where(way, fy, 1 - fy))
        sheet.lay(sheet.edge((1 - half) * unit), tones[pick[1][j, i]].transpose(2, 0, 1))
        sheet.lay(sheet.edge((np.float32(0.5) - half) * unit), tones[pick[2][j, i]].transpose(2, 0, 1))
    if kind != "scales" or rng.random() < 0.5:
        grout = np.minimum(np.minimum(fx, 1 - fx), np.minimum(fy, 1 - fy))
        sheet.shade(1 - np.float32(0.1) * np.exp(-grout * 60))
    if rng.random() < 0.4:
        sheet.frame(0.05, palette.paper)
    sheet.shade(1 + np.float32(0.02) * sheet.noise(rng, 25, 3, 0.6))
    sheet.paper(rng, 1.2)
