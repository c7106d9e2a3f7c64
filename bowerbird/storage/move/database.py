"""Relations, table by table; the word index is made anew from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import ids, words
from bowerbird.catalog.tables import metadata, pins, users
from bowerbird.ports import Database
from bowerbird.storage.move import Digest, Moved, Report, agreed

BATCH = 1000

_encode = msgspec.msgpack.Encoder().encode


def empty(target: Database) -> bool:
    with target.read() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(users)) == 0


def move(source: Database, target: Database, report: Report) -> list[Moved]:
    """Both have today's schema. Rows follow each other by their keys, so an interrupted copy goes on after the last one
    that the target has. A number that was given once is given to nothing else there either."""
    with source.read() as here:
        for table in metadata.sorted_tables:
            _rows(here, target, table, report)
        _words(here, target, report)
        highest = {table: ids.highest(here, table) for table in metadata.sorted_tables if ids.numbered(table)}
        with target.write() as there:
            for table, number in highest.items():
                ids.go_on_after(there, table, number)
        with target.read() as there:
            return [_compared(here, there, table, report) for table in metadata.sorted_tables]


def _rows(here: Connection, target: Database, table: sa.Table, report: Report) -> None:
    of = _count(here, table)
    with target.read() as there:
        done = _count(there, table)
        last = _last(there, table)
    for some in _pages(here, table, last):
        with target.write() as there:
            there.execute(sa.insert(table), [dict(zip(table.c.keys(), row, strict=True)) for row in some])
        done += len(some)
        report(table.name, done, max(of, done))


def _words(here: Connection, target: Database, report: Report) -> None:
    of, done = _count(here, pins), 0
    for some in _pages(here, pins, None):
        with target.write() as there:
            words.refresh(there, [row.id for row in some])
        done += len(some)
        report("words", done, of)


def _compared(here: Connection, there: Connection, table: sa.Table, report: Report) -> Moved:
    of = _count(here, table)
    source, target = Digest(), Digest()
    for digest, conn in ((source, here), (target, there)):
        for some in _pages(conn, table, None):
            for row in some:
                digest.add(_encode(tuple(row)))
            report(f"{table.name}, compared", digest.count, of)
    return agreed(table.name, source, target)


def _pages(conn: Connection, table: sa.Table, last: Sequence[Any] | None) -> Iterator[Sequence[sa.Row[Any]]]:
    """All rows after the key `last`, `BATCH` at a time, by key."""
    keys = list(table.primary_key.columns)
    places = [table.c.keys().index(key.key) for key in keys]
    while True:
        page = sa.select(table).order_by(*keys).limit(BATCH)
        if last is not None:
            page = page.where(keys[0] >= last[0], _after(keys, last))
        some = conn.execute(page).all()
        if some:
            yield some
            last = [some[-1][place] for place in places]
        if len(some) < BATCH:
            return


def _after(keys: Sequence[sa.Column[Any]], last: Sequence[Any]) -> sa.ColumnElement[bool]:
    """As a comparison of rows, which MariaDB does not read off an index."""
    first: sa.ColumnElement[bool] = keys[0] > last[0]
    return sa.or_(first, sa.and_(keys[0] == last[0], _after(keys[1:], last[1:]))) if len(keys) > 1 else first


def _last(conn: Connection, table: sa.Table) -> Sequence[Any] | None:
    keys = list(table.primary_key.columns)
    return conn.execute(sa.select(*keys).order_by(*(key.desc() for key in keys)).limit(1)).first()


def _count(conn: Connection, table: sa.Table) -> int:
    return conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
