"""ThumbHash: a blurred placeholder of a picture in about 25 bytes.

Evan Wallace's format (https://evanw.github.io/thumbhash/, MIT), written anew over numpy: a DCT of
luminance, two opponent colours and, where there is any, transparency, in 4 bits a coefficient.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bowerbird.ports import Floats, Pixels

    Channel = tuple[float, NDArray[Any], float]


def encode(pixels: Pixels, size: tuple[int, int] | None = None) -> bytes:
    """`pixels` (h, w, 3 or 4) sRGB uint8, no side above 100; `size` is the picture's own width and height
    where these pixels are squeezed."""
    height, width, bands = pixels.shape
    if height > 100 or width > 100:
        raise ValueError(f"{width} × {height} is too large; at most 100 × 100")
    shown_width, shown_height = size or (width, height)
    rgba = pixels.astype(np.float64) / 255
    alpha = rgba[..., 3] if bands == 4 else np.ones((height, width))
    weight = max(float(alpha.sum()), 1e-9)
    mean = (rgba[..., :3] * alpha[..., None]).sum(axis=(0, 1)) / weight if alpha.any() else np.zeros(3)
    red, green, blue = np.moveaxis(mean * (1 - alpha[..., None]) + rgba[..., :3] * alpha[..., None], -1, 0)
    has_alpha = bool((alpha < 1).any())
    most = 5 if has_alpha else 7  # fewer luminance bits where alpha needs some
    longer = max(shown_width, shown_height)
    lx, ly = max(1, _round(most * shown_width / longer)), max(1, _round(most * shown_height / longer))

    channels = [
        _analyse((red + green + blue) / 3, max(3, lx), max(3, ly)),
        _analyse((red + green) / 2 - blue, 3, 3),
        _analyse(red - green, 3, 3),
    ]
    if has_alpha:
        channels.append(_analyse(alpha, 5, 5))
    return _pack(channels, lx, ly, has_alpha, landscape=shown_width > shown_height)


def _pack(channels: list[Channel], lx: int, ly: int, has_alpha: bool, landscape: bool) -> bytes:
    (l_dc, _, l_scale), (p_dc, _, p_scale), (q_dc, _, q_scale) = channels[:3]
    head = _round(63 * l_dc) | _round(31.5 + 31.5 * p_dc) << 6 | _round(31.5 + 31.5 * q_dc) << 12
    head |= _round(31 * l_scale) << 18 | has_alpha << 23
    tail = (ly if landscape else lx) | _round(63 * p_scale) << 3 | _round(63 * q_scale) << 9 | landscape << 15
    out = bytearray(head.to_bytes(3, "little") + tail.to_bytes(2, "little"))
    if has_alpha:
        a_dc, _, a_scale = channels[3]
        out.append(_round(15 * a_dc) | _round(15 * a_scale) << 4)
    nibbles = [_round(15 * float(ac)) for _, coefficients, _ in channels for ac in coefficients]
    nibbles += [0] * (len(nibbles) % 2)
    out += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes(out)


def decode(code: bytes) -> Pixels:
    """The placeholder as (h, w, 4) sRGB uint8, its longer side 32."""
    head, tail = int.from_bytes(code[:3], "little"), int.from_bytes(code[3:5], "little")
    has_alpha = bool(head >> 23)
    lx, ly = _luminance_size(code)
    a_dc, a_scale = ((code[5] & 15) / 15, (code[5] >> 4) / 15) if has_alpha else (1.0, 0.0)
    data = code[6 if has_alpha else 5 :]
    nibbles = np.array([nibble for byte in data for nibble in (byte & 15, byte >> 4)], np.float32) / 7.5 - 1

    ratio = lx / ly
    width, height = (32, max(1, _round(32 / ratio))) if ratio > 1 else (max(1, _round(32 * ratio)), 32)
    at = 0

    def channel(dc: float, scale: float, nx: int, ny: int) -> Floats:
        nonlocal at
        count = len(_frequencies(nx, ny))
        coefficients, at = nibbles[at : at + count] * scale, at + count
        return _synthesise(dc, coefficients, nx, ny, width, height)

    # 1.25: quantising dulls colours, as the format's author found.
    light = channel((head & 63) / 63, (head >> 18 & 31) / 31, max(3, lx), max(3, ly))
    yellow = channel((head >> 6 & 63) / 31.5 - 1, (tail >> 3 & 63) / 63 * 1.25, 3, 3)
    redness = channel((head >> 12 & 63) / 31.5 - 1, (tail >> 9 & 63) / 63 * 1.25, 3, 3)
    alpha = channel(a_dc, a_scale, 5, 5) if has_alpha else np.ones((height, width))
    blue = light - 2 / 3 * yellow
    red = (3 * light - blue + redness) / 2
    rgba = np.stack([red, red - redness, blue, alpha], axis=-1)
    return np.asarray(np.clip(rgba, 0, 1) * 255, np.uint8)


def _luminance_size(code: bytes) -> tuple[int, int]:
    head, tail = int.from_bytes(code[:3], "little"), int.from_bytes(code[3:5], "little")
    has_alpha, landscape, part = head >> 23, tail >> 15, tail & 7
    whole = 5 if has_alpha else 7
    return (whole, max(1, part)) if landscape else (max(1, part), whole)


def _frequencies(nx: int, ny: int) -> list[tuple[int, int]]:
    """(cy, cx) of the coefficients kept, the mean left out: the triangle of low ones."""
    return [(cy, cx) for cy in range(ny) for cx in range(nx) if (cx or cy) and cx * ny < nx * (ny - cy)]


def _waves(count: int, length: int) -> NDArray[Any]:
    return np.asarray(np.cos(np.pi / length * np.arange(count)[:, None] * (np.arange(length)[None, :] + 0.5)))


def _analyse(channel: NDArray[Any], nx: int, ny: int) -> Channel:
    """Mean, the kept coefficients scaled to 0..1, and their scale."""
    height, width = channel.shape
    spectrum = _waves(ny, height) @ channel @ _waves(nx, width).T / (width * height)
    kept = np.array([spectrum[cy, cx] for cy, cx in _frequencies(nx, ny)])
    scale = float(np.abs(kept).max(initial=0))
    return float(spectrum[0, 0]), 0.5 + 0.5 / scale * kept if scale else kept, scale


def _synthesise(dc: float, kept: Floats, nx: int, ny: int, width: int, height: int) -> NDArray[Any]:
    spectrum = np.zeros((ny, nx))
    for value, (cy, cx) in zip(kept, _frequencies(nx, ny), strict=True):
        spectrum[cy, cx] = 2 * float(value)
    return np.asarray(dc + _waves(ny, height).T @ spectrum @ _waves(nx, width))


def _round(value: float) -> int:
    """As JavaScript's Math.round, which the format's numbers come from."""
    return floor(value + 0.5)
