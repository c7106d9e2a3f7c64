"""The event log in one SQLite file: a row's number is its offset."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection

import msgspec

from bowerbird.adapters.sqlite_file import File
from bowerbird.model import Event

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    at REAL NOT NULL,
    user_id INTEGER NOT NULL,
    pin_id INTEGER NOT NULL,
    data BLOB NOT NULL,
    id TEXT NOT NULL DEFAULT ''
)
"""


class SqliteEvents:
    """Offsets have no gaps, and none shows before a lower one: there is one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = File(path, _SCHEMA)
        self._file.write(_with_ids)

    def append(self, events: Sequence[Event]) -> None:
        rows = [(each.kind, each.at, each.user_id, each.pin_id, _encode(each.data), each.id) for each in events]
        if rows:
            insert = "INSERT INTO events (kind, at, user_id, pin_id, data, id) VALUES (?, ?, ?, ?, ?, ?)"
            self._file.write(lambda db: db.executemany(insert, rows))

    def read(self, after: int, most: int = 1000) -> list[Event]:
        sql = "SELECT kind, at, user_id, pin_id, data, seq, id FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = self._file.read(sql, (after, max(most, 0)))
        return [
            Event(kind, at, user, pin, msgspec.json.decode(data), seq, id_)
            for kind, at, user, pin, data, seq, id_ in rows
        ]

    def begin(self, after: int) -> None:
        def begin(db: Connection) -> None:
            if db.execute("SELECT 1 FROM sqlite_sequence WHERE name = 'events'").fetchone():
                raise ValueError("this log has had events")
            db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (after,))

        self._file.write(begin)

    def end(self) -> int:
        # The sequence remembers what was trimmed; it has no row before the first event.
        return int(self._file.read("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)")[0][0])

    def trim(self, before: int) -> None:
        self._file.write(lambda db: db.execute("DELETE FROM events WHERE seq < ?", (before,)))

    def bytes(self) -> int:
        used = "SELECT (page_count - freelist_count) * page_size"
        of = "pragma_page_count(), pragma_freelist_count(), pragma_page_size()"
        return int(self._file.read(f"{used} FROM {of}")[0][0])

    def lead(self, name: str) -> FileLead:
        return FileLead(self._path.with_name(f"{name}.lock"))

    def close(self) -> None:
        self._file.close()


class FileLead:
    """The lock of a file: among the processes of one machine, as is all of SQLite. The kernel lets go of the dead."""

    def __init__(self, path: Path) -> None:
        self._lock = path.open("w")
        self._mine = False

    def held(self) -> bool:
        if not self._mine and not self._lock.closed:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._mine = True
        return self._mine

    def done(self, offset: int) -> None:
        pass

    def close(self) -> None:
        self._mine = False
        self._lock.close()


def _with_ids(db: Connection) -> None:
    """A log from before events had ids gets the column."""
    if "id" not in {row[1] for row in db.execute("PRAGMA table_info(events)")}:
        db.execute("ALTER TABLE events ADD COLUMN id TEXT NOT NULL DEFAULT ''")


def _encode(data: object) -> bytes:
    try:
        return msgspec.json.encode(data)
    except TypeError as error:
        raise ValueError(f"an event's data must be JSON: {error}") from error
