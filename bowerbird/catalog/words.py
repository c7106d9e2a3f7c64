"""Search by words, on SQLite's FTS5. The only module with SQL of one dialect: another database's
full-text search would be another branch here, and in the migrations.

The index holds open boards' names only, and every answer is joined with what the viewer sees, so
that neither a secret pin nor a secret board's name can be found out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from bowerbird.catalog.sight import VIEWER, pin_seen_by, viewer_of
from bowerbird.catalog.tables import boards, images, pins, saves

CREATE = (
    "CREATE VIRTUAL TABLE words USING fts5(title, description, boards, tags, "
    "tokenize = 'porter unicode61 remove_diacritics 2', prefix = '1 2 3')"
)
WEIGHTS = (8.0, 2.0, 4.0, 3.0)
"""Of title, description, boards and tags in BM25."""

TERMS = 16
"""Words of a query that count; nobody types more, and each costs."""

words = sa.table("words", sa.column("rowid"), *map(sa.column, ("title", "description", "boards", "tags")))
IDS: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
PARAMETERS = 500

# FTS5 splits at spaces, which Chinese and Japanese do not write: there each character is a word.
UNSPACED = re.compile(r"([぀-ヿ㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff])")


def _spaced(text: str) -> str:
    return UNSPACED.sub(r" \1 ", unicodedata.normalize("NFKC", text))


def refresh(conn: Connection, pin_ids: Iterable[int]) -> None:
    """Index these pins' words as they are now; a pin that is gone leaves the index."""
    ids = list(pin_ids)
    for start in range(0, len(ids), PARAMETERS):
        _refresh(conn, ids[start : start + PARAMETERS])


GONE = sa.delete(words).where(words.c.rowid.in_(IDS))
TEXTS = (
    sa.select(pins.c.id, pins.c.title, pins.c.description, images.c.tags)
    .join(images, images.c.id == pins.c.image_id)
    .where(pins.c.id.in_(IDS))
)
NAMES = (
    sa.select(saves.c.pin_id, boards.c.name)
    .join(boards, boards.c.id == saves.c.board_id)
    .where(saves.c.pin_id.in_(IDS), boards.c.secret == sa.false())
    .order_by(saves.c.pin_id, boards.c.id)
)
NEW = sa.insert(words).values({column.name: sa.bindparam(column.name) for column in words.c})


def _refresh(conn: Connection, ids: list[int]) -> None:
    names: dict[int, list[str]] = {}
    for pin_id, name in conn.execute(NAMES, {"ids": ids}):
        names.setdefault(pin_id, []).append(name)
    rows = [
        {
            "rowid": pin_id,
            "title": _spaced(title),
            "description": _spaced(description),
            "boards": _spaced("\n".join(names.get(pin_id, ()))),
            "tags": tags,
        }
        for pin_id, title, description, tags in conn.execute(TEXTS, {"ids": ids})
    ]
    conn.execute(GONE, {"ids": ids})
    if rows:
        conn.execute(NEW, rows)


def find(conn: Connection, text: str, viewer: int | None, limit: int) -> list[tuple[int, int, float]]:
    """(pin_id, image_id, score) of ready pins with all the words of `text`, best first; where there are
    none, of pins with any of them. The last word may be a beginning. No text is an error.

    Scores are BM25 (Robertson and Zaragoza 2009), titles counting most; higher is better.
    """
    terms = _terms(text, typing=True)
    for join in (" AND ", " OR ")[: len(terms)]:
        given = {"match": join.join(terms), "limit": limit, **viewer_of(viewer)}
        rows = conn.execute(_found(viewer is None), given).all()
        if rows:
            return [(pin_id, image_id, -rank) for pin_id, image_id, rank in rows]
    return []


def _terms(text: str, typing: bool = False) -> list[str]:
    """FTS5 strings, quoted: nothing a person types is ever read as an operator. While they are `typing`, the last may
    be a beginning, which costs seven times as much."""
    found = [_spaced(word).split() for word in re.findall(r"\w+", text[:1000].replace("_", " "))]
    terms = ['"{}"'.format(" ".join(word)[:80]) for word in found][:TERMS]
    if typing and terms and len(found) <= TERMS:
        last = terms[-1]
        # The stemmer cuts `running` to `run`, of which `runni` is no beginning; completed to -ing it is cut alike.
        whole = re.sub(r'(ing|in|i|)"$', 'ing"', last)
        terms[-1] = f"({last} * OR {last} OR {whole})"
    return terms


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


def lately(conn: Connection, text: str, limit: int) -> list[int]:
    """Ids of the newest pins with all of the words of `text`, then of those with any of them; whoever may see them.
    However common the words, it costs the same, where `find` ranks all that there is."""
    terms = _terms(text)
    if not terms:
        return []
    found = list(conn.scalars(LATELY, {"match": " AND ".join(terms), "limit": limit}))
    if len(found) < limit and len(terms) > 1:
        found += conn.scalars(LATELY, {"match": " OR ".join(terms), "limit": limit}).all()
    return list(dict.fromkeys(found))[:limit]
