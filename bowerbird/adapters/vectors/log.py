"""The durable store below the index: rows and ids, appended by many processes, read by memory map.

A folder holds one generation at a time, named in `current`: `N.rows` (float32 rows), `N.ids` (int64
entries) and, past generation 0, `N.graph/`, an index over the first of them. An entry above zero is the
id of the next row, one below zero removes that id, and zero is nothing (what a power cut may leave).
An entry counts once it is whole in the file and is written after its row, so a writer that dies
half-way leaves bytes that the next one overwrites.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.ports import Unavailable

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints


GROWTH = 1 << 22
"""Bytes of room, at least, by which a file of rows grows."""


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Holds `path` across processes; the kernel lets go when a holder dies. False if not had."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Unavailable(f"vectors: {error}; the folder must be there and writable") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def current(folder: Path) -> int:
    """The number of the live generation; 0 for a new folder."""
    try:
        return int((folder / "current").read_text())
    except FileNotFoundError:
        return 0


def switch(folder: Path, generation: int) -> None:
    """Make `generation`, whose files are whole and synced, the live one and drop every other."""
    fresh = folder / "current.new"
    with fresh.open("w") as file:
        file.write(str(generation))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / "current")
    sync_folder(folder)
    for path in folder.glob("*.rows"):
        if path.stem != str(generation):
            discard(folder, int(path.stem))


def discard(folder: Path, generation: int) -> None:
    """Drop the files of a generation; who has them open keeps them until it lets go."""
    for suffix in ("rows", "ids"):
        (folder / f"{generation}.{suffix}").unlink(missing_ok=True)
    shutil.rmtree(folder / f"{generation}.graph", ignore_errors=True)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Log:
    """One generation, open for reading and appending. Not thread-safe.

    Appending is for whoever holds the folder's lock and has called `entries` under it.
    """

    def __init__(self, folder: Path, dim: int, generation: int, create: bool = False) -> None:
        """Raises `FileNotFoundError` when a newer generation has taken this one's place."""
        self.generation = generation
        self.dim = dim
        self.read = 0
        """Entries handed out so far."""
        self.count = 0
        """Rows handed out so far."""
        self._rows: Floats = np.empty((0, dim), np.float32)
        flags = os.O_RDWR | (os.O_CREAT if create or not generation else 0)
        try:
            self._ids_file = os.open(folder / f"{generation}.ids", flags, 0o644)
            try:
                self._rows_file = os.open(folder / f"{generation}.rows", flags, 0o644)
            except OSError:
                os.close(self._ids_file)
                raise
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable(f"vectors: {error}; check the folder's permissions and open-file limit") from error

        if create or not generation:
            sync_folder(folder)

    def entries(self) -> Ints:
        """What was appended since the last call."""
        size = os.fstat(self._ids_file).st_size // 8
        if size <= self.read:
            return np.empty(0, np.int64)
        data = os.pread(self._ids_file, (size - self.read) * 8, self.read * 8)
        fresh = np.frombuffer(data[: len(data) // 8 * 8], np.int64)
        self.read += len(fresh)
        self.count += int((fresh > 0).sum())
        return fresh

    def rows(self) -> Floats:
        """A map of the file: at least `count` rows of (dim,), then room for more."""
        if len(self._rows) < self.count:
            mapped = mmap.mmap(self._rows_file, 0, access=mmap.ACCESS_READ)
            room = len(mapped) // (self.dim * 4)
            self._rows = np.frombuffer(mapped, np.float32, room * self.dim).reshape(room, self.dim)
        return self._rows

    def append(self, entries: Ints, rows: Floats) -> None:
        """Durable on return. `rows` has one row for each entry above zero."""
        try:
            self._make_room(self.count + len(rows))
            write(self._rows_file, np.ascontiguousarray(rows, np.float32), self.count * self.dim * 4)
            write(self._ids_file, np.ascontiguousarray(entries, np.int64), self.read * 8)
        except OSError as error:
            raise Unavailable(f"vectors: {error}; free space on the disk") from error

    def _make_room(self, rows: int) -> None:
        """The file grows by holes ahead of its rows, so that readers seldom map it anew: a fresh map
        of a large file costs a page fault for every row first touched."""
        wanted, size = rows * self.dim * 4, os.fstat(self._rows_file).st_size
        if wanted > size:
            os.ftruncate(self._rows_file, wanted + max(GROWTH, size // 8))

    def close(self) -> None:
        """The maps stay for as long as an array looks into them."""
        os.close(self._ids_file)
        os.close(self._rows_file)


def write(handle: int, array: Floats | Ints, offset: int) -> None:
    data = memoryview(array.tobytes())
    while data:
        done = os.pwrite(handle, data, offset)
        data, offset = data[done:], offset + done
    os.fdatasync(handle)
