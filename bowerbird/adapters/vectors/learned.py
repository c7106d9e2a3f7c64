"""Vectors searched through a learned projection, over any other engine.

The plain index keeps the encoder's own vectors and stays the truth: `get` answers from it, and a projection can be
learned, changed and given up without opening a picture. Each version has an index of its own; a small file names the
one in use, and every process looks at it with each call, so that a switch needs no restart.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bowerbird.adapters.vectors.rows import unit_rows
from bowerbird.ports import Found, Projection, Unavailable, Vectors

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints

GRACE = 60.0
"""Seconds for which a call that began before a switch may still be under way."""
BATCH = 4096
"""Rows projected at a time."""


class Live(NamedTuple):
    version: int
    projection: Projection
    learned: Vectors


class Told(NamedTuple):
    """What the small file says."""

    stack: list[int]
    """The version in use, last, and before it the one to go back to."""
    last: int
    """The highest number ever adopted."""


class LearnedVectors:
    """See `ports.Vectors`. `open_index` opens the index of a version, making it if need be."""

    def __init__(self, plain: Vectors, folder: Path, open_index: Callable[[int], Vectors]) -> None:
        self.dim = plain.dim
        self.plain = plain
        self._folder = folder
        self._open_index = open_index
        self._pointer = folder / "current.json"
        self._lock = threading.Lock()
        self._stamp = 0
        self._live: Live | None = None

    def add(self, ids: Ints, vectors: Floats) -> None:
        self.plain.add(ids, vectors)
        if live := self._fresh():
            live.learned.add(ids, live.projection.of(vectors))

    def remove(self, ids: Ints) -> None:
        self.plain.remove(ids)
        if live := self._fresh():
            live.learned.remove(ids)

    def search(self, queries: Floats, k: int) -> Found:
        live = self._fresh()
        if live is None:
            return self.plain.search(queries, k)
        return live.learned.search(live.projection.of(unit_rows(queries, self.dim)), k)

    def get(self, ids: Ints) -> Floats:
        """The encoder's own rows, whatever was learned: cosines keep their meaning."""
        return self.plain.get(ids)

    def as_searched(self, vectors: Floats) -> Floats:
        live = self._fresh()
        return live.projection.of(vectors) if live else vectors

    def settle(self) -> None:
        self.plain.settle()
        if live := self._fresh():
            live.learned.settle()

    def __len__(self) -> int:
        return len(self.plain)

    def drop(self) -> None:
        for version in self._versions():
            self._open_index(version).drop()
        shutil.rmtree(self._folder, ignore_errors=True)
        self.plain.drop()

    def close(self) -> None:
        with self._lock:
            if self._live:
                self._live.learned.close()
                self._live = None
            self.plain.close()

    @property
    def version(self) -> int:
        """Of the projection in use; 0 for none."""
        live = self._fresh()
        return live.version if live else 0

    def prepare(self, projection: Projection, ids: Ints, report: Callable[[int, int], None]) -> int:
        """Make the next version with an index of these pictures, while the one in use answers; its number.

        What was left by a preparation that was killed is taken up again or overwritten.
        """
        version = self._told().last + 1
        self._folder.mkdir(parents=True, exist_ok=True)
        whole = self._folder / f"{version}.npz"
        partial = self._folder / f"{version}.part"
        with partial.open("wb") as file:
            np.savez(file, centre=projection.centre, matrix=projection.matrix)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(whole)
        index = self._open_index(version)
        try:
            stale = ids[index.get(ids).any(axis=1)] if len(ids) else ids
            index.remove(stale)
            self._fill(index, projection, ids, report)
            index.settle()
        finally:
            index.close()
        return version

    def adopt(self, version: int) -> None:
        """Search through this version from now on, in every process. Raises `ValueError` for one not prepared."""
        if not (self._folder / f"{version}.npz").exists():
            raise ValueError(f"there is no version {version}")
        told = self._told()
        self._note_end(told)
        self._tell(Told([*told.stack[-1:], version], max(told.last, version)))

    def back(self) -> int:
        """Give up the version in use for the one before it; its number, 0 for none."""
        told = self._told()
        self._note_end(told)
        self._tell(Told(told.stack[:-1], told.last))
        return self.version

    def forget(self) -> list[int]:
        """Drop the indexes that nobody asks any more: of all versions but the one in use and the one before it, once
        they were out of use for `GRACE`. Their numbers; what is away is left for the next time."""
        told = self._told()
        gone = []
        for version in self._versions():
            kept = self._folder / f"{version}.npz"
            if version in told.stack or version > told.last or time.time() - kept.stat().st_mtime < GRACE:
                continue
            with contextlib.suppress(Unavailable):
                self._open_index(version).drop()
                kept.unlink()
                gone.append(version)
        return gone

    def catch_up(self, ids: Ints) -> int:
        """Add those of these pictures that the version in use lacks, as one does whose process had not noticed a
        switch; how many."""
        live = self._fresh()
        if live is None or not len(ids):
            return 0
        missing = ids[~live.learned.get(ids).any(axis=1)]
        return self._fill(live.learned, live.projection, missing, lambda *_: None)

    def _fill(self, index: Vectors, projection: Projection, ids: Ints, report: Callable[[int, int], None]) -> int:
        filled = 0
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            rows = self.plain.get(some)
            there = rows.any(axis=1)
            if there.any():
                index.add(some[there], projection.of(rows[there]))
            filled += int(there.sum())
            report(min(start + BATCH, len(ids)), len(ids))
        return filled

    def _versions(self) -> list[int]:
        """All that were prepared and not dropped."""
        return sorted(int(path.stem) for path in self._folder.glob("*.npz"))

    def _note_end(self, told: Told) -> None:
        """The time of a version's file says when it went out of use."""
        with contextlib.suppress(FileNotFoundError):
            for version in told.stack[-1:]:
                os.utime(self._folder / f"{version}.npz")

    def _told(self) -> Told:
        try:
            return Told(**json.loads(self._pointer.read_text()))
        except FileNotFoundError:
            return Told([], 0)

    def _tell(self, told: Told) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._pointer.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(told._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._pointer)

    def _fresh(self) -> Live | None:
        """What is in use, opened anew if another process has switched."""
        try:
            stamp = self._pointer.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if stamp != self._stamp:
            with self._lock:
                if stamp != self._stamp:
                    before, self._live = self._live, self._opened()
                    self._stamp = stamp
                    if before is not None:
                        _close_later(before.learned)
        return self._live

    def _opened(self) -> Live | None:
        told = self._told()
        if not told.stack:
            return None
        version = told.stack[-1]
        try:
            with np.load(self._folder / f"{version}.npz") as kept:
                projection = Projection(kept["centre"], kept["matrix"])
        except (OSError, ValueError, KeyError) as error:
            raise Unavailable(
                f"{self._folder / f'{version}.npz'} cannot be read ({error}); `bowerbird train --rollback` goes on "
                "without it"
            ) from error
        return Live(version, projection, self._open_index(version))


def _close_later(index: Vectors) -> None:
    """Another thread may be in the midst of it."""
    timer = threading.Timer(GRACE, index.close)
    timer.daemon = True
    timer.start()
