"""Small plots as SVG paths: the server draws, the style sheet colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 300, 72
"""Of a spark's view box."""
PADDING = 4


class Spark(NamedTuple):
    line: str
    """Path of the line."""
    area: str
    """Path of what is under it."""
    x: float
    y: float
    """Where it ends."""
    top: float
    """The value at the top of the plot."""
    words: str
    """The same for those who cannot see it."""


def spark(times: Sequence[float], values: Sequence[float], until: float, seconds: float, what: str) -> Spark | None:
    """A line over the last `seconds` before `until`, from 0 to a round number above the largest; None for no two
    points. Where samples are missing for long the line goes on straight."""
    if len(values) < 2:
        return None
    top = nice(max(values))
    points = [
        (
            WIDTH * (1 - (until - at) / seconds),
            HEIGHT - PADDING - (HEIGHT - 2 * PADDING) * value / top,
        )
        for at, value in zip(times, values, strict=True)
    ]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    (first, _), (x, y) = points[0], points[-1]
    area = f"{line}L{x:.1f} {HEIGHT}L{first:.1f} {HEIGHT}Z"
    low, high, now = min(values), max(values), values[-1]
    return Spark(
        line, area, x, y, top, f"{what}: now {short(now)}, from {short(low)} to {short(high)} in the last hour"
    )


class Rate(NamedTuple):
    name: str
    hits: int
    of: int
    rate: float
    low: float
    high: float
    """Wilson's interval of 95 %: what the true rate may be, given how little is known."""


def rate(name: str, count: int, of: int) -> Rate:
    """Wilson 1927, "Probable inference, the law of succession, and statistical inference"."""
    if of <= 0:
        return Rate(name, count, 0, 0.0, 0.0, 1.0)
    z, p = 1.96, min(count / of, 1.0)
    centre = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return Rate(name, count, of, p, max(0.0, centre - half), min(1.0, centre + half))


def nice(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, … at or above `value`; 1 at least."""
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9))


def short(value: float) -> str:
    """1234 as `1.2k`; small numbers with one digit after the point where that tells something."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f}".removesuffix(".0") + unit
    return f"{value:.1f}".removesuffix(".0")
