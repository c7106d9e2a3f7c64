"""Documents and counters by key in one SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection

import msgspec

from bowerbird.adapters.metadata.limits import checked, sized
from bowerbird.adapters.sqlite_file import File

PAGE = 500
"""Documents read at once when all are."""

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
        rows = self._file.read(sql, (checked(key), self._clock()))
        return rows[0][0] if rows else None

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        sql = (
            "SELECT key, value FROM documents WHERE key IN (SELECT value FROM json_each(?))"
            " AND (expires IS NULL OR expires > ?)"
        )
        return dict(self._file.read(sql, (_listed(keys), self._clock())))

    def put(self, key: str, value: bytes, ttl: float | None = None, durable: bool = True) -> None:
        now = self._clock()
        row = (checked(key), sized(value), None if ttl is None else now + ttl)

        def put(db: Connection) -> None:
            db.execute(_PUT, row)
            if ttl is not None:
                _sweep(db, now)

        self._file.write(put, durable)

    def put_many(self, values: Mapping[str, bytes], ttl: float | None = None) -> None:
        now = self._clock()
        expires = None if ttl is None else now + ttl
        rows = [(checked(key), sized(value), expires) for key, value in values.items()]

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
        row = (checked(key), sized(value), self._clock())
        return self._file.write(lambda db: db.execute(sql, row).rowcount == 1)

    def add(self, key: str, fields: Mapping[str, int]) -> dict[str, int]:
        sql = (
            "INSERT INTO counters (key, field, value) VALUES (?, ?, ?) ON CONFLICT (key, field)"
            " DO UPDATE SET value = value + excluded.value RETURNING value"
        )
        checked(key)

        def add(db: Connection) -> dict[str, int]:
            return {field: db.execute(sql, (key, field, n)).fetchone()[0] for field, n in fields.items()}

        return self._file.write(add)

    def documents(self) -> Iterator[tuple[str, bytes, float | None]]:
        sql = (
            "SELECT key, value, expires FROM documents WHERE key > ? AND (expires IS NULL OR expires > ?)"
            " ORDER BY key LIMIT ?"
        )
        last = ""
        while some := self._file.read(sql, (last, now := self._clock(), PAGE)):
            for key, value, expires in some:
                yield key, value, None if expires is None else expires - now
            last = some[-1][0]

    def counters(self) -> Iterator[tuple[str, dict[str, int]]]:
        keys = "SELECT DISTINCT key FROM counters WHERE key > ? ORDER BY key LIMIT ?"
        fields = "SELECT field, value FROM counters WHERE key = ?"
        last = ""
        while some := self._file.read(keys, (last, PAGE)):
            for (key,) in some:
                yield key, dict(self._file.read(fields, (key,)))
            last = some[-1][0]

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
    return msgspec.json.encode([checked(key) for key in keys])
