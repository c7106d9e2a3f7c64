"""The event log in one SQLite file: a row's number is its offset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
    data BLOB NOT NULL
)
"""


class SqliteEvents:
    """Offsets have no gaps, and none shows before a lower one: there is one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._file = File(path, _SCHEMA)

    def append(self, events: Sequence[Event]) -> None:
        rows = [(each.kind, each.at, each.user_id, each.pin_id, _encode(each.data)) for each in events]
        if rows:
            insert = "INSERT INTO events (kind, at, user_id, pin_id, data) VALUES (?, ?, ?, ?, ?)"
            self._file.write(lambda db: db.executemany(insert, rows))

    def read(self, after: int, most: int = 1000) -> list[Event]:
        sql = "SELECT kind, at, user_id, pin_id, data, seq FROM events WHERE seq > ? ORDER BY seq LIMIT ?"
        rows = self._file.read(sql, (after, max(most, 0)))
        return [Event(kind, at, user, pin, msgspec.json.decode(data), seq) for kind, at, user, pin, data, seq in rows]

    def end(self) -> int:
        return int(self._file.read("SELECT coalesce(max(seq), 0) FROM events")[0][0])

    def close(self) -> None:
        self._file.close()


def _encode(data: object) -> bytes:
    try:
        return msgspec.json.encode(data)
    except TypeError as error:
        raise ValueError(f"an event's data must be JSON: {error}") from error
