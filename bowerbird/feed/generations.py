"""Numbered folders of what was learned: each written whole, the newest one in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def generations(folder: Path) -> list[Path]:
    """Whole generations in `folder`, oldest first."""
    found = [path for path in folder.glob("*") if path.name.isdigit()] if folder.exists() else []
    return sorted(found, key=lambda path: int(path.name))


def renewed(folder: Path, write: Callable[[Path], None]) -> Path:
    """The next generation, as `write` made it whole under this name; those before the last are dropped, and who has
    them mapped keeps them."""
    before = generations(folder)
    following = folder / str(int(before[-1].name) + 1 if before else 1)
    folder.mkdir(parents=True, exist_ok=True)
    write(following)
    for old in before[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)
    return following
