"""Commits that several threads share: each write stands or falls alone, and none is told too early."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bowerbird.adapters import sqlite_file
from bowerbird.adapters.sqlite_file import File
from bowerbird.ports import Unavailable


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    file = File(tmp_path / "test.db", "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")
    yield file
    file.close()


def insert(n: int) -> Callable[[sqlite3.Connection], int]:
    return lambda db: db.execute("INSERT INTO t VALUES (?)", (n,)).rowcount


def rows(file: File) -> list[int]:
    return [n for (n,) in file.read("SELECT n FROM t ORDER BY n")]


def at_once(file: File, works: list[Callable[[sqlite3.Connection], int]]) -> list[int | Exception]:
    """Have all of them wait for the same turn, so that they go as one batch; what each came to."""
    ends: list[int | Exception] = [0] * len(works)

    def run(n: int) -> None:
        try:
            ends[n] = file.write(works[n])
        except Exception as error:
            ends[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(works))]
    with file._turn:
        for thread in threads:
            thread.start()
        while len(file._waiting) < len(works):
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    return ends


def test_writes_that_wait_share_one_transaction(file: File) -> None:
    begun: list[str] = []
    file._writer.set_trace_callback(lambda statement: begun.append(statement) if "BEGIN" in statement else None)
    assert at_once(file, [insert(n) for n in range(10)]) == [1] * 10
    assert len(begun) == 1
    assert rows(file) == list(range(10))


def test_one_that_fails_takes_no_other_with_it(file: File) -> None:
    def broken(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO t VALUES (100)")
        raise KeyError("broken")

    ends = at_once(file, [insert(1), broken, insert(2), insert(1), insert(3)])
    assert isinstance(ends[1], KeyError)
    assert sum(isinstance(end, sqlite3.IntegrityError) for end in ends) == 1
    assert rows(file) == [1, 2, 3]


def test_a_failed_write_leaves_nothing(file: File) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        file.write(lambda db: (insert(1)(db), insert(1)(db)))
    assert rows(file) == []
    file.write(insert(2))
    assert rows(file) == [2]


def test_another_process_that_writes_for_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.1)
    file = File(tmp_path / "test.db", "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")
    other = sqlite_file.connect(tmp_path / "test.db")
    other.execute("BEGIN IMMEDIATE")
    ends = at_once(file, [insert(1), insert(2)])
    assert all(isinstance(end, Unavailable) for end in ends)
    other.execute("ROLLBACK")
    assert file.write(insert(3)) == 1
    assert rows(file) == [3]
    other.close()
    file.close()


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"this is a picture, not a database " * 100)
    with pytest.raises(Unavailable, match="no SQLite file"):
        File(tmp_path / "test.db", "CREATE TABLE t (n)")


def test_a_synced_write_follows_one_that_is_not(file: File) -> None:
    levels = []
    for durable in (True, False, True):
        file.write(insert(len(levels)), durable)
        levels.append(file._writer.execute("PRAGMA synchronous").fetchone()[0])
    assert levels == [2, 1, 2]
