"""The catalog's relations in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from bowerbird.adapters import sqlite_file
from bowerbird.ports import LeftOut, Unavailable


class SqliteDatabase:
    """Readers see the newest commit at their first statement and wait for nobody; writers take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = _engine(path, writes=False, pool_size=16)
        self._writers = _engine(path, writes=True, pool_size=1)
        self._turn = threading.Lock()
        self._writing = threading.local()
        with self._named(), self._writers.connect():  # a path that cannot be used is told at once
            pass

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only snapshot; a statement that writes raises `ValueError`."""
        with self._named(), self._readers.begin() as connection:
            try:
                yield connection
            except DBAPIError as error:
                if "readonly" in str(error.orig):
                    raise ValueError("this connection only reads: use `write`") from error
                raise

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        if getattr(self._writing, "now", False):
            raise RuntimeError("this thread is writing already: pass its connection on")
        if not self._turn.acquire(timeout=sqlite_file.PATIENCE):
            raise Unavailable(f"{self._path}: another thread has been writing for over {sqlite_file.PATIENCE:.0f} s")
        self._writing.now = True
        try:
            with self._named(), self._writers.begin() as connection:
                yield connection
        finally:
            self._writing.now = False
            self._turn.release()

    def position(self) -> str:
        """Empty: every process reads the newest commit."""
        return ""

    def catch_up(self, position: str) -> None:
        """There is nothing to catch up with."""

    def left_out(self) -> list[LeftOut]:
        """It has no readers."""
        return []

    def close(self) -> None:
        self._readers.dispose()
        self._writers.dispose()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise sqlite_file.unavailable(getattr(error, "orig", error), self._path) or error from error


def _engine(path: Path, writes: bool, pool_size: int) -> sa.Engine:
    def begin(connection: sa.Connection) -> None:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        if writes:
            sqlite_file.begin(raw)
        else:
            raw.execute("BEGIN")

    connect = partial(sqlite_file.connect if writes else sqlite_file.reader, path)
    engine = sa.create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=pool_size, max_overflow=-1, pool_use_lifo=True
    )
    # The driver begins no transaction by itself (`isolation_level=None`): a writer must take the write
    # lock before its first read, or two that read first could never both finish.
    sa.event.listen(engine, "begin", begin)
    return engine
