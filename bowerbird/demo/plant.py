"""Plants: trees grown by rewriting, wild flowers, pressed sprigs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bowerbird.demo.palettes import mix, ramp
from bowerbird.demo.sheet import smooth

if TYPE_CHECKING:
    from numpy.random import Generator

    from bowerbird.demo.palettes import Field, Palette
    from bowerbird.demo.sheet import Sheet

Path = tuple["Field", "Field"]


def leaf(
    sheet: Sheet, at: tuple[float, float], heading: float, size: tuple[float, float], colour: Field, point: float = 1.0
) -> None:
    """A leaf from its stalk at a point, `size` long and wide, with a midrib. Heading in radians."""
    length, width = size
    patch = sheet.around(
        at[0] + np.cos(heading) * length / 2, at[1] + np.sin(heading) * length / 2, length * 0.56 + width
    )
    if patch is None:
        return
    c, s = np.float32(np.cos(heading)), np.float32(np.sin(heading))
    along = (patch.x * c + patch.y * s) / np.float32(length) + np.float32(0.5)
    beside = patch.y * c - patch.x * s
    t = np.clip(along, 0, 1)
    half = np.float32(width / 2) * np.clip(np.sin(np.float32(np.pi) * t**point), 0, 1) ** np.float32(0.9)
    inside = np.where((along > 0) & (along < 1), half - np.abs(beside), -1)
    face = colour[:, None, None] * (1 + np.float32(0.09) * np.sign(beside) * (half > 0))
    sheet.lay(sheet.edge(inside), face, patch)
    if width * sheet.width > 7:
        rib = np.minimum(np.float32(0.0011) - np.abs(beside), (np.float32(0.9) - along) * np.float32(length))
        sheet.lay(sheet.edge(rib) * (along > 0) * 0.35, np.ones(3, np.float32), patch)


BLADES = {
    "olive": (0.2, 0.06, 0.9),
    "eucalyptus": (0.17, 0.14, 1.0),
    "fern": (0.3, 0.036, 0.75),
    "willow": (0.26, 0.04, 0.85),
}
"""Length and width of a leaf as shares of the stem, and where it is widest (below 1: nearer the tip's side)."""


def spray(
    sheet: Sheet,
    rng: Generator,
    foot: tuple[float, float],
    lean: float,
    length: float,
    colour: Field,
    palette: Palette,
    kind: str = "",
) -> None:
    """A stem that bends, with leaves, berries or fronds along it."""
    kind = kind or str(rng.choice(["olive", "eucalyptus", "fern", "berries", "willow"]))
    t = np.linspace(0, 1, 24)
    bend = rng.uniform(-0.7, 0.7)
    angle = -np.pi / 2 + lean + bend * t
    x = foot[0] + np.cumsum(np.cos(angle)) * length / 24
    y = foot[1] + np.cumsum(np.sin(angle)) * length / 24
    sheet.strokes([(x, y)], [0.0024], [mix(colour, palette.deep, 0.25)])
    pairs = {"olive": 11, "eucalyptus": 8, "fern": 22, "berries": 10, "willow": 13}[kind]
    for n in range(pairs):
        share = 0.16 + 0.8 * n / (pairs - 1)
        k = min(int(share * 24), 23)
        taper = (1.1 - 0.62 * share) if kind != "fern" else np.sin(np.pi * (0.12 + 0.86 * share))
        for side in (-1, 1):
            heading = (
                angle[k] + side * {"olive": 0.75, "eucalyptus": 1.0, "fern": 1.15, "berries": 0.8, "willow": 0.5}[kind]
            )
            tone = mix(colour, palette.ground, float(rng.uniform(0, 0.22)))
            at = (float(x[k]), float(y[k]))
            if kind == "berries":
                reach = length * 0.13 * taper
                tip = (at[0] + np.cos(heading) * reach, at[1] + np.sin(heading) * reach)
                sheet.strokes([(np.array([at[0], tip[0]]), np.array([at[1], tip[1]]))], [0.0014], [colour])
                berry = palette.warm
                sheet.disc(*tip, length * 0.026, mix(berry, palette.deep, float(rng.uniform(0, 0.2))))
                continue
            long, wide, point = BLADES[kind]
            leaf(sheet, at, heading + rng.normal(0, 0.12), (length * long * taper, length * wide * taper), tone, point)


def sprigs(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Pressed sprigs, laid out as in a herbarium."""
    paper = palette.paper
    sheet.rgb[:] = paper[:, None, None]
    shape = rng.choice(["none", "arch", "disc", "blob"])
    tone = mix(palette.colours[int(rng.integers(0, 5))], paper, 0.45)
    middle = sheet.tall / 2
    if shape == "disc":
        sheet.disc(0.5, middle, 0.36, tone)
    elif shape == "arch":
        away = np.hypot(sheet.x - 0.5, np.minimum(sheet.y - np.float32(0.46), 0))
        sheet.lay(sheet.edge((np.float32(0.34) - away).astype(np.float32)) * (sheet.y < sheet.tall - 0.1), tone)
    elif shape == "blob":
        away = np.hypot(sheet.x - 0.5, (sheet.y - np.float32(middle)) / np.float32(sheet.tall))
        sheet.lay(sheet.edge(np.float32(0.34) - away + np.float32(0.05) * sheet.noise(rng, 2)), tone)
    greens = [
        c for c in palette.colours if abs(float(c.mean() - tone.mean())) > 0.12 or shape == "none"
    ] or palette.colours
    count = int(rng.choice([1, 3, 3, 5]))
    kinds = rng.choice(["olive", "eucalyptus", "fern", "berries", "willow"], count)
    reach = min(sheet.tall * 0.8, 1.25)
    for n in range(count):
        share = (n + 0.5) / count
        lean = (share - 0.5) * (1.0 if count > 1 else 0.1)
        colour = greens[int(rng.integers(0, len(greens)))]
        if float(abs(colour - paper).max()) < 0.25:
            colour = mix(colour, palette.ink, 0.45)
        long = reach * (0.95 if count == 1 else rng.uniform(0.72, 0.98) - 0.25 * abs(share - 0.5))
        spray(
            sheet,
            rng,
            (0.5 + (share - 0.5) * 0.16, sheet.tall * 0.5 + reach * 0.5),
            lean,
            long,
            colour,
            palette,
            str(kinds[n]),
        )
    sheet.shade(1 + np.float32(0.012) * sheet.noise(rng, 50, 3, 0.8))
    sheet.paper(rng, 1.6)


RULES = {
    "elm": ("X", {"X": "F[+X][-X]FX", "F": "FF"}, 26.0, 6),
    "birch": ("X", {"X": "F-[[X]+X]+F[+FX]-X", "F": "FF"}, 22.5, 5),
    "poplar": ("X", {"X": "F[-X]F[+X]X", "F": "FF"}, 20.0, 6),
}
"""Axiom, rules, angle in degrees and rounds: Prusinkiewicz and Lindenmayer, "The Algorithmic Beauty of Plants", 1.6."""


def trees(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """A tree grown from a few letters, with blossom, before a pale disc."""
    light, second, middle, dark, darkest = palette.by_light
    sky = (
        [mix(palette.ground, light, 0.5), palette.ground]
        if not palette.dark
        else [palette.ground, mix(palette.ground, dark, 0.6)]
    )
    fade = np.broadcast_to(sheet.y / np.float32(sheet.tall), (sheet.height, sheet.width))
    sheet.colour_by(fade, ramp(sky))
    tone = [light, second, middle][int(rng.integers(0, 3))]
    sheet.disc(rng.uniform(0.38, 0.62), sheet.tall * rng.uniform(0.34, 0.45), rng.uniform(0.26, 0.36), tone, 0.75)
    ground = sheet.tall * 0.87 + 0.012 * sheet.line(rng, 3, 3)
    sheet.lay(
        sheet.edge((sheet.y - ground).astype(np.float32)),
        mix(dark, palette.deep, 0.3) if not palette.dark else mix(darkest, palette.deep, 0.4),
    )
    name = str(rng.choice(list(RULES)))
    segments, tips = _grown(rng, *RULES[name])
    scale = min(sheet.tall * 0.72 / float(np.ptp(segments[:, [1, 3]])), 0.86 / float(np.ptp(segments[:, [0, 2]])))
    crown = float(segments[:, [0, 2]].max() + segments[:, [0, 2]].min()) / 2
    place = np.full(4, scale), np.array([0.5 - crown * scale * 0.8, sheet.tall * 0.88] * 2)
    lines = segments[:, :4] * place[0] + place[1]
    bark = mix(darkest, palette.deep, 0.5) if not palette.dark else mix(palette.ink, middle, 0.35)
    depth = segments[:, 4]
    radii = np.maximum(0.0075 * 0.66**depth, 0.0011)
    sheet.strokes([(line[[0, 2]], line[[1, 3]]) for line in lines], [float(r) for r in radii], [bark] * len(lines))
    x, y = tips[:, 0] * scale + place[1][0], tips[:, 1] * scale + place[1][1]
    blossoms = [palette.colours[int(k)] for k in rng.permutation(5)[:3]]
    keep = rng.permutation(len(x))[:1100]
    size_of = min(0.34 / np.sqrt(len(keep)), 0.02)
    for n in keep:
        colour = mix(blossoms[int(rng.choice(3, p=[0.6, 0.28, 0.12]))], palette.pale, float(rng.uniform(0, 0.3)))
        bx, by = float(x[n] + rng.normal(0, 0.009)), float(y[n] + rng.normal(0, 0.009))
        size = float(size_of * rng.uniform(0.45, 1.25))
        if name == "birch":
            leaf(sheet, (bx, by), rng.uniform(0, 6.3), (size * 2.7, size * 1.3), colour)
        else:
            sheet.disc(bx, by, size, colour, 0.9)
    sheet.paper(rng, 1.4)


def _grown(rng: Generator, axiom: str, rules: dict[str, str], degrees: float, rounds: int) -> tuple[Field, Field]:
    """Rewrite, then walk: segments (n, 5: x0 y0 x1 y1 depth) growing up from the origin, and the tips (m, 2)."""
    word = axiom
    for _ in range(rounds):
        word = "".join(rules.get(letter, letter) for letter in word)
        if len(word) > 9000:
            break
    x = y = depth = 0.0
    heading, stack = -np.pi / 2, []
    segments, tips, run = [], [], 0
    turn = np.radians(degrees)
    for index, letter in enumerate(word):
        if letter == "F":
            run += 1
            if index + 1 < len(word) and word[index + 1] == "F" and run < 4:
                continue
            bend = heading + rng.normal(0, 0.05)
            nx, ny = x + run * np.cos(bend), y + run * np.sin(bend)
            segments.append((x, y, nx, ny, depth))
            x, y, run = nx, ny, 0
        elif letter in "+-":
            heading += (1 if letter == "+" else -1) * turn * rng.uniform(0.7, 1.3)
        elif letter == "[":
            stack.append((x, y, heading, depth))
            depth += 1
        elif letter == "]":
            tips.append((x, y))
            x, y, heading, depth = stack.pop()
    tips.append((x, y))
    return np.array(segments), np.array(tips)


def meadow(sheet: Sheet, palette: Palette, rng: Generator) -> None:
    """Wild flowers in tall grass."""
    light, second, _, dark, _ = palette.by_light
    sky = [palette.ground, mix(palette.ground, light if not palette.dark else dark, 0.7)]
    fade = np.broadcast_to(sheet.y / np.float32(sheet.tall), (sheet.height, sheet.width))
    sheet.colour_by(np.clip(fade + np.float32(0.06) * sheet.noise(rng, 3, 3), 0, 1), ramp(sky))
    if rng.random() < 0.5:
        sheet.disc(rng.uniform(0.2, 0.8), sheet.tall * rng.uniform(0.16, 0.3), rng.uniform(0.07, 0.13), second, 0.85)
    blossoms = sorted(palette.colours, key=lambda c: -float(np.ptp(c)))[:3]
    stem = min(palette.colours, key=lambda c: float(c[0] - c[1] + 0.3 * c.mean()))
    back = mix(palette.ground, stem, 0.4)
    for layer in range(3):
        near = layer / 2
        green = mix(back, mix(stem, palette.deep, 0.35) if not palette.dark else stem, 0.25 + 0.75 * near)
        _grass(sheet, rng, green, near)
        heads = int(rng.integers(7, 12)) - 2 * layer
        for x in np.linspace(0.04, 0.96, heads) + rng.normal(0, 0.03, heads):
            size = (0.022 + 0.032 * near) * rng.uniform(0.75, 1.3)
            high = sheet.tall * (rng.uniform(0.3, 0.62) - 0.06 * near)
            tone = mix(blossoms[int(rng.integers(0, 3))], palette.ground, 0.4 * (1 - near))
            _flower(sheet, palette, rng, (float(x), sheet.tall * 1.02), high, size, tone, green)
    sheet.paper(rng, 1.4)


def _grass(sheet: Sheet, rng: Generator, colour: Field, near: float) -> None:
    count = 90
    t = np.linspace(0, 1, 10)
    paths: list[Path] = []
    for _ in range(count):
        x, high, lean = (
            rng.uniform(-0.05, 1.05),
            sheet.tall * rng.uniform(0.1, 0.36) * (1.15 - 0.35 * near),
            rng.normal(0, 0.07),
        )
        paths.append((x + lean * t**2, sheet.tall * 1.01 - high * t))
    tones = [
        mix(colour, rng.choice([np.zeros(3), np.ones(3)]).astype(np.float32), float(rng.uniform(0, 0.12)))
        for _ in range(count)
    ]
    sheet.strokes(paths, [float(r) for r in rng.uniform(0.0014, 0.0035, count)], tones)
    rise = np.float32(sheet.tall * (0.9 + 0.05 * near)) - np.float32(0.02) * sheet.line(rng, 12, 3, 0.7)
    sheet.lay(smooth(-0.02, 0.09, sheet.y - rise), colour)


def _flower(
    sheet: Sheet,
    palette: Palette,
    rng: Generator,
    foot: tuple[float, float],
    high: float,
    size: float,
    tone: Field,
    green: Field,
) -> None:
    t = np.linspace(0, 1, 14)
    lean = rng.normal(0, 0.05)
    x, y = foot[0] + lean * t**1.6, foot[1] - high * t
    sheet.strokes([(x, y)], [0.0022], [green])
    for n in (4, 7):
        side = rng.choice([-1, 1])
        leaf(sheet, (float(x[n]), float(y[n])), -np.pi / 2 + side * 0.7, (size * 2.3, size * 0.5), green)
    at = (float(x[-1]), float(y[-1]))
    heart = palette.colours[0] if float(abs(palette.colours[0] - tone).max()) > 0.2 else palette.pale
    match rng.choice(["daisy", "poppy", "tulip", "lavender", "globe"]):
        case "daisy":
            petals = int(rng.integers(9, 15))
            start = rng.uniform(0, 1)
            for k in range(petals):
                leaf(
                    sheet,
                    at,
                    start + 2 * np.pi * k / petals,
                    (size * 1.05, size * 0.42),
                    mix(tone, palette.pale, 0.12 * (k % 2)),
                    1.4,
                )
            sheet.disc(*at, size * 0.32, heart)
        case "poppy":
            for k in range(5):
                a = 2 * np.pi * k / 5 + 0.3
                spot = (at[0] + np.cos(a) * size * 0.4, at[1] + np.sin(a) * size * 0.34)
                sheet.disc(*spot, size * 0.56, mix(tone, palette.deep, 0.05 + 0.06 * (k % 3)), 0.93)
            sheet.disc(*at, size * 0.24, palette.deep)
        case "tulip":
            for turn, shade in ((-0.42, 0.1), (0.42, 0.1), (0.0, 0.0)):
                leaf(
                    sheet,
                    (at[0], at[1] + size * 0.4),
                    -np.pi / 2 + turn,
                    (size * 1.75, size * 0.95),
                    mix(tone, palette.deep, shade),
                )
        case "lavender":
            for k in range(11):
                taper = 1 - 0.05 * k
                for side in (-1, 1, 0):
                    spot = (at[0], at[1] + size * (1.5 - 0.22 * k - 0.1 * (side == 0)))
                    petal = (size * 0.62 * taper, size * 0.3 * taper)
                    leaf(sheet, spot, -np.pi / 2 + side * 0.85, petal, mix(tone, palette.pale, 0.1 + 0.1 * side))
        case _:
            for k in range(40):
                a, reach = k * 2.39996, size * 0.72 * np.sqrt((k + 0.5) / 40)
                seed = mix(tone, palette.pale if k % 3 else palette.deep, 0.12)
                sheet.disc(at[0] + float(np.cos(a) * reach), at[1] + float(np.sin(a) * reach), size * 0.13, seed)
