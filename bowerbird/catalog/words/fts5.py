"""The index of words in SQLite, on its full-text search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from bowerbird.catalog.sight import VIEWER, pin_seen_by, viewer_of
from bowerbird.catalog.tables import pins
from bowerbird.catalog.words.tokens import WEIGHTS, Query, Text, completed

words = sa.table("words", sa.column("rowid"), *map(sa.column, Text._fields))

GONE = sa.delete(words).where(words.c.rowid.in_(sa.bindparam("ids", expanding=True)))
NEW = sa.insert(words).values({column.name: sa.bindparam(column.name) for column in words.c})


def replace(conn: Connection, pin_ids: Sequence[int], texts: Mapping[int, Text]) -> None:
    conn.execute(GONE, {"ids": pin_ids})
    if texts:
        conn.execute(NEW, [{"rowid": pin_id, **text._asdict()} for pin_id, text in texts.items()])


def find(conn: Connection, asked: Query, viewer: int | None, limit: int) -> list[tuple[int, int, float]]:
    terms = _terms(asked)
    if asked.unfinished and terms:
        # Costs seven times as much as a whole word.
        last = terms[-1]
        terms[-1] = f"({last} * OR {last} OR {_quoted(completed(asked.words[-1]))})"
    for join in (" AND ", " OR ")[: len(terms)]:
        given = {"match": join.join(terms), "limit": limit, **viewer_of(viewer)}
        rows = conn.execute(_found(viewer is None), given).all()
        if rows:
            return [(pin_id, image_id, -rank) for pin_id, image_id, rank in rows]
    return []


def _terms(asked: Query) -> list[str]:
    return [_quoted(word) for word in asked.words]


def _quoted(word: str) -> str:
    """An FTS5 string: nothing a person types is ever read as an operator."""
    return f'"{word}"'


@cache
def _found(anonymous: bool) -> Select[Any]:
    weights = ", ".join(map(str, WEIGHTS))
    rank: sa.ColumnElement[float] = sa.literal_column(f"bm25(words, {weights})", sa.Float)
    return (
        sa.select(pins.c.id, pins.c.image_id, rank)
        .select_from(words.join(pins, pins.c.id == words.c.rowid))
        .where(sa.literal_column("words").op("MATCH")(sa.bindparam("match")))
        .where(pins.c.ready == sa.true(), pin_seen_by(None if anonymous else VIEWER))
        .order_by(rank, pins.c.id.desc())
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


LATELY = (
    sa.select(words.c.rowid)
    .where(sa.literal_column("words").op("MATCH")(sa.bindparam("match")))
    .order_by(words.c.rowid.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def lately(conn: Connection, asked: Query, limit: int) -> list[int]:
    terms = _terms(asked)
    found = list(conn.scalars(LATELY, {"match": " AND ".join(terms), "limit": limit}).all())
    if len(found) < limit and len(terms) > 1:
        found += conn.scalars(LATELY, {"match": " OR ".join(terms), "limit": limit}).all()
    return found
