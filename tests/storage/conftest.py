"""What moves are told, and how they are stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import servers


def told(_what: str, _done: int, _of: int) -> None:
    pass


class Interrupted(Exception):
    pass


def after(calls: int) -> Callable[[str, int, int], None]:
    """A report that stops the move the way a person does."""
    left = [calls]

    def report(_what: str, _done: int, _of: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted

    return report


def opened(kinds: dict[str, Any], engine: str, folder: Path) -> Any:
    """One of a contract suite's engines, with a place of its own for this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if kinds[engine].server:
        servers.need(kinds[engine].server)
    return kinds[engine].open(folder)
