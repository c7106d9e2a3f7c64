"""Copies what a port keeps from one engine to another, one file a port.

Each copy works on ports alone, may be killed at any moment and run again, and has read back all that it wrote when it
returns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

Report = Callable[[str, int, int], None]
"""What is being moved, how much is done, of how much; it may raise to stop."""


class Moved(NamedTuple):
    what: str
    number: int
    digest: str
    """Hex, of all that was moved, the same on both sides; empty where order and names are the engine's own."""


class Differs(Exception):
    """What was read back is not what was written, or the source changed meanwhile."""


class Digest:
    """Of many things, whatever their order: the sum of their SHA-256, modulo 2^256."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, *parts: bytes) -> None:
        whole = hashlib.sha256()
        for part in parts:
            whole.update(len(part).to_bytes(8, "big"))
            whole.update(part)
        self._sum = (self._sum + int.from_bytes(whole.digest(), "big")) % (1 << 256)
        self.count += 1

    def __str__(self) -> str:
        return f"{self._sum:064x}"


def agreed(what: str, source: Digest, target: Digest) -> Moved:
    """Raises `Differs` unless both sides hold the same."""
    if (source.count, str(source)) != (target.count, str(target)):
        raise Differs(
            f"{what}: the source has {source.count} with hash {str(source)[:12]}, the target {target.count} with hash "
            f"{str(target)[:12]}. Is the service still running? Stop it, and run the same command again."
        )
    return Moved(what, source.count, str(source))
