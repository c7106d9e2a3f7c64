"""Search by words, with the same meaning on every database: FTS5 on SQLite, two tables of ours elsewhere.

The index holds open boards' names only, and every answer is joined with what the viewer sees, so
that neither a secret pin nor a secret board's name can be found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog.listed import listed
from bowerbird.catalog.tables import boards, images, pins, saves
from bowerbird.catalog.words import fts5, postings, tokens
from bowerbird.catalog.words.tokens import Query, Text, spaced

PARAMETERS = 500

NAMED = 200
"""Boards of a pin whose names are indexed, those made first: each save of it indexes them anew, and all other writes
wait for that."""

TEXTS = (
    sa.select(pins.c.id, pins.c.title, pins.c.description, images.c.tags, pins.c.saves)
    .join(images, images.c.id == pins.c.image_id)
    .where(listed(pins.c.id))
)
ON_OPEN = (
    sa.select(saves.c.pin_id, boards.c.name)
    .join(boards, boards.c.id == saves.c.board_id)
    .where(boards.c.secret == sa.false())
)
NAMES = ON_OPEN.where(listed(saves.c.pin_id)).order_by(saves.c.pin_id, boards.c.id)
FIRST_NAMES = (
    ON_OPEN.where(saves.c.pin_id == sa.bindparam("pin_id"))
    .order_by(boards.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


Hit = tuple[int, int, float]
"""A pin's id, its image's, and its score."""


class Index(Protocol):
    def replace(self, conn: Connection, pin_ids: Sequence[int], texts: Mapping[int, Text], /) -> None:
        """These pins have these words now; those without a text have none."""
        ...

    def find(
        self, conn: Connection, asked: Query, viewer: int | None, limit: int, /
    ) -> list[tuple[int, int, float]]: ...
    def lately(self, conn: Connection, asked: Query, limit: int, /) -> list[int]: ...


def _index(conn: Connection) -> Index:
    return fts5 if conn.dialect.name == "sqlite" else postings


def refresh(conn: Connection, pin_ids: Iterable[int]) -> None:
    """Index these pins' words as they are now; a pin that is gone leaves the index."""
    ids = list(pin_ids)
    for start in range(0, len(ids), PARAMETERS):
        some = ids[start : start + PARAMETERS]
        _index(conn).replace(conn, some, _texts(conn, some))


def _texts(conn: Connection, ids: Sequence[int]) -> dict[int, Text]:
    found = conn.execute(TEXTS, {"ids": ids}).all()
    names = _names(conn, {row.id: row.saves for row in found})
    return {
        pin_id: Text(spaced(title), spaced(description), spaced("\n".join(names.get(pin_id, ()))), tags)
        for pin_id, title, description, tags, _ in found
    }


def _names(conn: Connection, counts: Mapping[int, int]) -> dict[int, list[str]]:
    """Of the open boards with these pins, of which each has so many."""
    rows = list(conn.execute(NAMES, {"ids": [pin_id for pin_id, count in counts.items() if count <= NAMED]}))
    for pin_id in [pin_id for pin_id, count in counts.items() if count > NAMED]:
        rows += conn.execute(FIRST_NAMES, {"pin_id": pin_id, "limit": NAMED})
    names: dict[int, list[str]] = {}
    for pin_id, name in rows:
        names.setdefault(pin_id, []).append(name)
    return names


def find(conn: Connection, text: str, viewer: int | None, limit: int) -> list[tuple[int, int, float]]:
    """(pin_id, image_id, score) of ready pins with all the words of `text`, best first; where there are
    none, of pins with any of them. The last word may be a beginning. No text is an error.

    Scores are BM25 (Robertson and Zaragoza 2009), titles counting most; higher is better.
    """
    return _index(conn).find(conn, tokens.query(text), viewer, limit)


def lately(conn: Connection, text: str, limit: int) -> list[int]:
    """Ids of the newest pins with all of the words of `text`, then of those with any of them; whoever may see them.
    However common the words, it costs the same, where `find` ranks all that there is."""
    asked = tokens.query(text)
    found = _index(conn).lately(conn, asked, limit) if asked.words else []
    return list(dict.fromkeys(found))[:limit]
