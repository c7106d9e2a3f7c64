"""Numbered folders of what was learned: each written whole, the newest one in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def generations(folder: Path) -> list[Path]:
    """Whole generations in `folder`, oldest first."""
    found = [path for path in folder.glob("*") if path.name.isdigit()] if folder.exists() else []
    return sorted(found, key=lambda path: int(path.name))


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which takes the name `folder` when all is on the disk, and not before."""
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    for path in (*partial.rglob("*"), partial):
        _sync(path)
    partial.replace(folder)


def renewed(folder: Path, write: Callable[[Path], None]) -> Path:
    """The next generation, as `write` made it whole under this name; those before the last and those given up are
    dropped, and who has them mapped keeps them."""
    before = generations(folder)
    given_up = [int(path.stem) for path in folder.glob("*.given-up")]
    following = folder / str(max([int(path.name) for path in before] + given_up, default=0) + 1)
    folder.mkdir(parents=True, exist_ok=True)
    write(following)
    for old in (*before[:-1], *folder.glob("*.given-up")):
        shutil.rmtree(old, ignore_errors=True)
    _sync(folder)
    return following


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def give_up(folder: Path) -> list[Path]:
    """Take the newest generation out of use, for the one before it; those that are left. Its number is not used again,
    so that nobody takes another for it. Raises `ValueError` where there is none."""
    found = generations(folder)
    if not found:
        raise ValueError("nothing learned is in use")
    *left, newest = found
    newest.rename(newest.with_name(f"{newest.name}.given-up"))
    return left
