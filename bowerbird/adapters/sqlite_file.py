"""One way of opening a SQLite file, for every engine that is one: WAL, durable, shared by processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bowerbird.ports import Full, Unavailable

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds to wait for another writer."""
MAPPED = 1 << 30
"""Bytes of a file, from its beginning, that readers see where the system keeps them in memory, for all processes; else
each connection copies each page that it looks at. If the disk fails there the process dies, and another is started."""

_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_BUSY: f"another process has been writing for over {PATIENCE:.0f} s",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written; it may be full or failing",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the folder and who may write there",
    sqlite3.SQLITE_READONLY: "it is read-only; check the folder and who may write there",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file",
}


def connect(path: Path, durable: bool = True) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are begun by hand. Raises `Unavailable`.

    With `durable` a commit survives a power cut, otherwise only the death of the process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        # This change does not wait for locks as other statements do, and many processes may start at once.
        _insist(connection, "PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise unavailable(error, path) or error from error
    return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Raises `Unavailable`."""
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA mmap_size = {MAPPED}")
    return connection


def begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction that writes, when it is this process's turn. Raises `sqlite3.OperationalError`.

    SQLite's own waiting sleeps longer and longer, up to 100 ms, while others come and go: under three
    busy processes the slowest writes took over a second.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        _insist(connection, "BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")


def _insist(connection: sqlite3.Connection, statement: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.0005)


def unavailable(error: BaseException | None, path: Path) -> Unavailable | None:
    """What the caller is told if the file, not the statement, is at fault; else None."""
    code = getattr(error, "sqlite_errorcode", None)
    advice = None if code is None else _ADVICE.get(code & 0xFF)
    if code is None or advice is None:
        return None
    return (Full if code & 0xFF == sqlite3.SQLITE_FULL else Unavailable)(f"{path}: {advice} ({error})")


class File:
    """Many threads over one SQLite file: pooled readers, and writes that share their commits.

    While one write is being synced to disk the next ones gather, and then go as one transaction.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        self._readers: deque[sqlite3.Connection] = deque()
        self._gate = threading.Lock()
        self._waiting: list[_Write] = []
        self._turn = threading.Lock()
        self._writer = connect(path)
        self._synchronous = "FULL"
        self.write(lambda db: [db.execute(statement) for statement in schema.split(";")])

    def read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """The rows of one statement. Raises `Unavailable`."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = reader(self._path)
        try:
            rows = connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            connection.close()
            raise unavailable(error, self._path) or error from error
        self._readers.append(connection)
        return rows

    def write(self, work: Callable[[sqlite3.Connection], T], durable: bool = True) -> T:
        """What `work` returns, committed. Whatever it raises undoes it alone.

        `work` may run twice, so it must change nothing but the database. With `durable` false the
        commit survives the death of the process, but a power cut only once a durable one follows.
        """
        mine = _Write(work, durable)
        with self._gate:
            self._waiting.append(mine)
        with self._turn:
            if not mine.done:
                with self._gate:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[no-any-return]

    def _commit(self, batch: list[_Write]) -> None:
        try:
            self._transact(batch)
        except Exception as error:
            if len(batch) > 1 and unavailable(error, self._path) is None:
                for each in batch:  # one must not fail for another's sake
                    self._commit([each])
                return
            for each in batch:
                each.error = unavailable(error, self._path) or error
        except BaseException:
            with self._gate:  # an interrupt is this thread's alone: the next in turn writes for the others
                self._waiting.extend(batch)
            raise
        for each in batch:
            each.done = True

    def _transact(self, batch: list[_Write]) -> None:
        wanted = "FULL" if any(each.durable for each in batch) else "NORMAL"
        if wanted != self._synchronous:
            self._writer.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        begin(self._writer)
        try:
            for each in batch:
                each.result = each.work(self._writer)
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:  # a full disk has SQLite roll back by itself
                self._writer.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Afterwards every call raises `sqlite3.ProgrammingError`, or opens the file anew to read."""
        with self._turn:
            self._writer.close()
            while self._readers:
                self._readers.pop().close()


class _Write:
    """One write waiting for its commit."""

    __slots__ = ("done", "durable", "error", "result", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], durable: bool) -> None:
        self.work = work
        self.durable = durable
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
