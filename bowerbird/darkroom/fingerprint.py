"""A 64-bit perceptual hash: equal but for a few bits after resizing or recompressing.

The low 8 × 8 coefficients of a DCT of the 32 × 32 grey picture, each above or below their median
(Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, 3.2.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Pixels

SIDE = 32

_BASIS = np.cos(np.pi / SIDE * (np.arange(SIDE)[None, :] + 0.5) * np.arange(8)[:, None]).astype(np.float32)
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def phash(pixels: Pixels) -> str:
    """16 hex digits of `pixels` (32, 32, 3 or 4) sRGB uint8, or (64, 64, 3 or 4); over white where transparent."""
    return _hash(_grey(pixels))


def phashes(pixels: Pixels) -> tuple[str, str]:
    """The hash, and the hash of the mirrored picture."""
    grey = _grey(pixels)
    return _hash(grey), _hash(grey[:, ::-1])


def _grey(pixels: Pixels) -> Floats:
    """(32, 32)."""
    grey = pixels[..., :3] @ _GREY
    if pixels.shape[-1] == 4:
        cover = pixels[..., 3].astype(np.float32) / 255
        grey = grey * cover + 255 * (1 - cover)
    step = len(grey) // SIDE
    return np.asarray(grey.reshape(SIDE, step, SIDE, step).mean(axis=(1, 3)), np.float32)


def _hash(grey: Floats) -> str:
    low = _BASIS @ grey @ _BASIS.T
    flat = low.ravel()
    bits = flat > np.median(flat[1:])  # the first is the mean brightness and would pull the median
    return np.packbits(bits).tobytes().hex()
