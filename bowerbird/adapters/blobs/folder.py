"""Blobs as files under one folder.

Plain files, not obstore's LocalStore: that one never calls fsync (0.12), and syncing a file after its
rename leaves a moment in which a power cut replaces a whole object by an empty one.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bowerbird.adapters.blobs.keys import checked, folders_of
from bowerbird.ports import Full, Missing, Unavailable

_DRAFTS = "~drafts"
"""Where files lie while they are being written; `~` is in no key."""

_ABANDONED = 3600.0
"""Seconds after which a draft can only be a killed process's."""


class Folder:
    def __init__(self, path: Path) -> None:
        self._root = path
        self._drafts = path / _DRAFTS
        with self._named():
            self._drafts.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def put(self, key: str, data: bytes) -> None:
        target = self._path(key)
        draft = self._drafts / uuid.uuid4().hex
        with self._named():
            try:
                _write(draft, data)
                self._publish(draft, target)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with self._named():
            try:
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise Missing(key) from None

    def exists(self, key: str) -> bool:
        path = self._path(key)
        with self._named():
            return path.is_file()

    def delete(self, keys: Iterable[str]) -> None:
        with self._named():
            for path in [self._path(key) for key in keys]:
                with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                    path.unlink()

    def keys(self, prefix: str = "") -> Iterator[str]:
        above = folders_of(prefix)
        with self._named():
            yield from self._walk(self._root / above, prefix)

    def _walk(self, folder: Path, prefix: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            key = entry.path[len(str(self._root)) + 1 :]
            if entry.is_dir():
                if entry.name != _DRAFTS and (f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/")):
                    yield from self._walk(Path(entry.path), prefix)
            elif key.startswith(prefix):
                yield key

    def _publish(self, draft: Path, target: Path) -> None:
        try:
            draft.replace(target)
        except FileNotFoundError:
            _make(target.parent)
            draft.replace(target)
        except (IsADirectoryError, NotADirectoryError) as error:
            raise ValueError(f"{target.relative_to(self._root)}: a key cannot go on where another one ends") from error
        _sync(target.parent)

    def _path(self, key: str) -> Path:
        return self._root / checked(key)

    def _sweep(self) -> None:
        for draft in self._drafts.iterdir():
            with suppress(FileNotFoundError):  # another process sweeps as well
                if draft.stat().st_mtime < time.time() - _ABANDONED:
                    draft.unlink()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            what = "the disk is full; free some space" if full else error.strerror
            raise (Full if full else Unavailable)(f"{self._root}: {what} (errno {error.errno})") from error


def _write(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(folder: Path) -> None:
    """Make it and what lies above it, each one's entry durable."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
