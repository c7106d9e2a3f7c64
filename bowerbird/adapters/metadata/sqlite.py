"""Documents and counters by key in one SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection

import msgspec

from bowerbird.adapters.sqlite_file import File

MAX_VALUE = 400_000
MAX_KEY = 1024
"""In bytes."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    expires REAL
);
CREATE INDEX IF NOT EXISTS documents_expires ON documents (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS counters (
    key TEXT NOT NULL,
    field TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (key, field)
) WITHOUT ROWID
"""

_PUT = (
    "INSERT INTO documents (key, value, expires) VALUES (?, ?, ?) ON CONFLICT (key)"
    " DO UPDATE SET value = excluded.value, expires = excluded.expires"
)


class SqliteMetadata:
    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = File(path, _SCHEMA)
        self._clock = clock

    def get(self, key: str) -> bytes | None:
        sql = "SELECT value FROM documents WHERE key = ? AND (expires IS NULL OR expires > ?)"
        rows = self._file.read(sql, (_checked(key), self._clock()))
        return rows[0][0] if rows else None

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        sql = (
            "SELECT key, value FROM documents WHERE key IN (SELECT value FROM json_each(?))"
            " AND (expires IS NULL OR expires > ?)"
        )
        return dict(self._file.read(sql, (_listed(keys), self._clock())))

    def put(self, key: str, value: bytes, ttl: float | None = None) -> None:
        now = self._clock()
        row = (_checked(key), _sized(value), None if ttl is None else now + ttl)

        def put(db: Connection) -> None:
            db.execute(_PUT, row)
            if ttl is not None:
                _sweep(db, now)

        self._file.write(put)

    def put_many(self, values: Mapping[str, bytes], ttl: float | None = None) -> None:
        now = self._clock()
        expires = None if ttl is None else now + ttl
        rows = [(_checked(key), _sized(value), expires) for key, value in values.items()]

        def put(db: Connection) -> None:
            db.executemany(_PUT, rows)
            if ttl is not None:
                _sweep(db, now, len(rows))

        if rows:
            self._file.write(put)

    def put_new(self, key: str, value: bytes) -> bool:
        sql = (
            "INSERT INTO documents (key, value) VALUES (?, ?) ON CONFLICT (key)"
            " DO UPDATE SET value = excluded.value, expires = NULL WHERE expires <= ?"
        )
        row = (_checked(key), _sized(value), self._clock())
        return self._file.write(lambda db: db.execute(sql, row).rowcount == 1)

    def add(self, key: str, fields: Mapping[str, int]) -> dict[str, int]:
        sql = (
            "INSERT INTO counters (key, field, value) VALUES (?, ?, ?) ON CONFLICT (key, field)"
            " DO UPDATE SET value = value + excluded.value RETURNING value"
        )
        _checked(key)

        def add(db: Connection) -> dict[str, int]:
            return {field: db.execute(sql, (key, field, n)).fetchone()[0] for field, n in fields.items()}

        return self._file.write(add)

    def delete(self, keys: Iterable[str]) -> None:
        gone = _listed(list(keys))

        def delete(db: Connection) -> None:
            db.execute("DELETE FROM documents WHERE key IN (SELECT value FROM json_each(?))", (gone,))
            db.execute("DELETE FROM counters WHERE key IN (SELECT value FROM json_each(?))", (gone,))

        self._file.write(delete)

    def close(self) -> None:
        self._file.close()


def _sweep(db: Connection, now: float, writes: int = 1) -> None:
    """Each write that will expire clears away two that have: the file stays small and no write waits long."""
    spent = "SELECT rowid FROM documents WHERE expires <= ? ORDER BY expires LIMIT ?"
    db.execute(f"DELETE FROM documents WHERE rowid IN ({spent})", (now, 2 * writes))  # noqa: S608


def _listed(keys: Sequence[str]) -> bytes:
    return msgspec.json.encode([_checked(key) for key in keys])


def _checked(key: str) -> str:
    if not 0 < len(key.encode()) <= MAX_KEY:
        raise ValueError(f"a key has 1 to {MAX_KEY} bytes, not {len(key.encode())}")
    if "\0" in key:
        raise ValueError("a key has no NUL")
    return key


def _sized(value: bytes) -> bytes:
    if len(value) > MAX_VALUE:
        raise ValueError(f"a document has at most {MAX_VALUE} bytes, not {len(value)}")
    return value
