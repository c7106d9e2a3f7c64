"""Jobs in one SQLite file, shared by every process of a machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import Connection

from bowerbird.adapters.queue.rows import SILENT, encoded, job_of, receipt
from bowerbird.adapters.sqlite_file import File
from bowerbird.model import MAX_TRIES, Delivery, Job, Parked

# `depth` counts the rows of the small index on `due`, so parked jobs lie elsewhere.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    due REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due);
CREATE TABLE IF NOT EXISTS parked (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    tries INTEGER NOT NULL,
    error TEXT NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS parked_id ON parked (id)
"""

LOOK_AGAIN = 0.1
"""Seconds between two looks into an empty queue."""


class SqliteQueue:
    """Oldest first as far as it goes. What only a power cut could undo (a delivery, an ack) is not
    synced: undone, it is one delivery more, which at-least-once allows."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = File(path, _SCHEMA)
        self._clock = clock

    def send(self, jobs: Sequence[Job]) -> None:
        due = self._clock()
        rows = [(job.id or os.urandom(16).hex(), job.kind, encoded(job.payload), due) for job in jobs]
        if rows:
            insert = "INSERT INTO jobs (id, kind, payload, due) VALUES (?, ?, ?, ?)"
            self._file.write(lambda db: db.executemany(insert, rows))

    def receive(self, most: int = 1, visibility: float = 60.0, wait: float = 0.0) -> list[Delivery]:
        if most < 1 or visibility <= 0:
            raise ValueError(f"cannot receive {most} jobs for {visibility} s")
        until = time.monotonic() + wait
        while not (found := self._ready(most, visibility)) and (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOK_AGAIN, left))
        return found

    def _ready(self, most: int, visibility: float) -> list[Delivery]:
        now = self._clock()
        # Idle workers ask often; asking must not take the write lock.
        if not self._file.read("SELECT 1 FROM jobs WHERE due <= ? LIMIT 1", (now,)):
            return []
        return self._file.write(lambda db: _deliver(db, now, most, visibility), durable=False)

    def ack(self, delivery: Delivery) -> None:
        row = receipt(delivery)
        self._file.write(lambda db: db.execute("DELETE FROM jobs WHERE seq = ? AND tries = ?", row), durable=False)

    def extend(self, delivery: Delivery, visibility: float) -> None:
        change = (self._clock() + visibility, *receipt(delivery))
        update = "UPDATE jobs SET due = ? WHERE seq = ? AND tries = ?"
        self._file.write(lambda db: db.execute(update, change), durable=False)

    def fail(self, delivery: Delivery, error: str, delay: float = 0.0) -> None:
        now = self._clock()
        seq, tries = receipt(delivery)

        def give_back(db: Connection) -> None:
            update = "UPDATE jobs SET due = ?, error = ? WHERE seq = ? AND tries = ?"
            if db.execute(update, (now + delay, error, seq, tries)).rowcount and tries >= MAX_TRIES:
                _park(db, seq, now)

        self._file.write(give_back)

    def depth(self) -> int:
        return int(self._file.read("SELECT count(*) FROM jobs")[0][0])

    def parked(self, most: int = 100) -> list[Parked]:
        """The newest first."""
        rows = self._file.read(
            "SELECT id, kind, payload, error, tries, at FROM parked ORDER BY at DESC LIMIT ?", (most,)
        )
        return [Parked(job_of(row[:3]), *row[3:]) for row in rows]

    def parked_depth(self) -> int:
        return int(self._file.read("SELECT count(*) FROM parked")[0][0])

    def retry(self, job_ids: Sequence[str] | None = None) -> int:
        wanted, ids = ("1", ()) if job_ids is None else ("id IN (SELECT value FROM json_each(?))", (encoded(job_ids),))
        due = self._clock()

        def send_again(db: Connection) -> int:
            copy = f"INSERT INTO jobs (id, kind, payload, due) SELECT id, kind, payload, ? FROM parked WHERE {wanted}"  # noqa: S608
            count = db.execute(copy, (due, *ids)).rowcount
            db.execute(f"DELETE FROM parked WHERE {wanted}", ids)  # noqa: S608
            return count

        return self._file.write(send_again)

    def close(self) -> None:
        self._file.close()


def _deliver(db: Connection, now: float, most: int, visibility: float) -> list[Delivery]:
    first = "SELECT seq FROM jobs WHERE due <= ? ORDER BY due LIMIT ?"
    spent = f"SELECT seq FROM jobs WHERE tries >= ? AND seq IN ({first})"  # noqa: S608
    while found := db.execute(spent, (MAX_TRIES, now, most)).fetchall():
        for (seq,) in found:
            _park(db, seq, now)
    rows = db.execute(
        f"UPDATE jobs SET due = ?, tries = tries + 1 WHERE seq IN ({first}) RETURNING id, kind, payload, seq, tries",  # noqa: S608
        (now + visibility, now, most),
    ).fetchall()
    # A row is delivered only once with the same count, so the two together name a delivery.
    return [Delivery(job_of(row[:3]), f"{row[3]}:{row[4]}", row[4]) for row in rows]


def _park(db: Connection, seq: int, now: float) -> None:
    db.execute(
        "INSERT INTO parked SELECT seq, id, kind, payload, tries, iif(error = '', ?, error), ? FROM jobs WHERE seq = ?",
        (SILENT, now, seq),
    )
    db.execute("DELETE FROM jobs WHERE seq = ?", (seq,))
