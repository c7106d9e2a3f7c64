"""What tests run in the darkroom's child: named from there, so at module level."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bowerbird.darkroom import Spoiled
from bowerbird.darkroom.picture import open_picture, sample
from bowerbird.darkroom.process import entering
from bowerbird.ports import Seen

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Pixels


class Mosaic:
    """An encoder that sees 256 fixed random mixtures of a 16 × 16 mosaic; quick, and blind to nothing."""

    dim = 256
    size = 16
    version = "mosaic-1"

    def __init__(self) -> None:
        self._mix = np.random.default_rng(7).standard_normal((self.size**2 * 3, self.dim)).astype(np.float32)

    def encode(self, pixels: Pixels) -> Seen:
        mixed: Floats = (pixels.reshape(len(pixels), -1).astype(np.float32) / 255 - 0.5) @ self._mix
        return Seen(mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9), [() for _ in pixels])


def broken_encoder() -> Mosaic:
    raise FileNotFoundError("no weights here")


def pid(encoder: Any) -> int:
    return os.getpid()


def dims(encoder: Any) -> tuple[int, int]:
    return encoder.dim, encoder.size


def add(encoder: Any, a: int, b: int) -> int:
    return a + b


def array(encoder: Any, n: int) -> Floats:
    return np.arange(n, dtype=np.float32)


def crash(encoder: Any) -> None:
    entering("render")
    os.abort()


def be_killed(encoder: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(encoder: Any, seconds: float) -> None:
    entering("animate")
    time.sleep(seconds)


def hoard(encoder: Any, megabytes: int) -> int:
    entering("decode")
    return int(np.ones(megabytes << 20, np.uint8).sum())


def spoil(encoder: Any) -> None:
    raise Spoiled("sniff", "This is a teapot.")


def blunder(encoder: Any) -> None:
    entering("palette")
    raise ZeroDivisionError("of ours")


class Trap:
    """Unpickled carelessly, it would run a command."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def trap(encoder: Any, path: str) -> Trap:
    return Trap(path)


def write_file(encoder: Any, path: str) -> None:
    Path(path).write_bytes(b"x" * 100)


def opened(encoder: Any, data: bytes, max_pixels: int = 10**8, enough: int = 0) -> tuple[Any, Pixels]:
    """Facts and all pixels."""
    image, facts = open_picture(data, max_pixels, enough)
    return facts, np.asarray(image.numpy())


def corners(encoder: Any, data: bytes) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters, from the top left."""
    image, _ = open_picture(data, 10**8)
    small = sample(image.copy_memory(), 32, 32)
    return [tuple(int(v) for v in small[y, x]) for y in (8, 24) for x in (8, 24)]
