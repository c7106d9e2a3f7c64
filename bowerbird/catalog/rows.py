"""Text on its way in, and rows that may be there already."""

from __future__ import annotations

import unicodedata
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bowerbird.catalog import NotFound

LINE_BREAKS = "\n\t"
THERE = frozenset({"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505", 1062})
GONE = frozenset({"SQLITE_CONSTRAINT_FOREIGNKEY", "23503", 1452})


def clean(column: sa.Column[Any], text: str) -> str:
    """`text` as it may be stored: no control characters or broken halves of characters, no space around it.

    Raises `ValueError` if it is longer than its column.
    """
    kept = "".join(c for c in text.replace("\r\n", "\n") if c in LINE_BREAKS or unicodedata.category(c) != "Cc")
    # File names that are no UTF-8 arrive with lone surrogates, which no database stores.
    kept = unicodedata.normalize("NFC", kept.encode("utf-8", "replace").decode("utf-8")).strip()
    limit = getattr(column.type, "length", None)
    if limit is not None and len(kept) > limit:
        raise ValueError(f"The {column.name} may have {limit} characters; this one has {len(kept)}.")
    return kept


def typed(text: str) -> str:
    """`text` as it may be looked for: what no database stores is nowhere found."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def insert_new(conn: Connection, table: sa.Table, **values: Any) -> int | None:
    """Insert unless a unique constraint forbids; the new row's first key, or None if it was there already. Raises
    `NotFound` where something that it belongs to is gone."""
    try:
        with conn.begin_nested():  # else PostgreSQL gives up the whole transaction
            key = conn.execute(sa.insert(table).values(**values)).inserted_primary_key
    except IntegrityError as error:
        code = _code(error.orig)
        if code in GONE:
            raise NotFound("What this belongs to is gone.") from error
        if code not in THERE:
            raise
        return None
    assert key is not None
    return int(key[0])


def _code(error: Any) -> object:
    """What SQLite, PostgreSQL or MySQL calls it."""
    number = error.args[0] if error.args else None
    state = number if isinstance(number, int) else getattr(error, "sqlstate", None)
    return getattr(error, "sqlite_errorname", None) or state
