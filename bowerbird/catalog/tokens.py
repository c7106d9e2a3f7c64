"""Personal tokens for the API: random secrets of which only the hash is kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, users
from bowerbird.catalog.rows import clean
from bowerbird.catalog.tables import tokens
from bowerbird.catalog.tables import users as users_table
from bowerbird.model import Scope, Token, User

PREFIX = "bb_"  # lets secret scanners know one when they see it

COLUMNS = (
    tokens.c.id,
    tokens.c.user_id,
    tokens.c.name,
    tokens.c.scopes,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.used_at,
)

GET = (
    sa.select(*COLUMNS, *users.COLUMNS)
    .join(users_table, users_table.c.id == tokens.c.user_id)
    .where(
        tokens.c.hash == sa.bindparam("hash"),
        tokens.c.expires_at > sa.bindparam("now"),
        users_table.c.disabled == sa.false(),
    )
)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _of_row(row: Sequence[Any]) -> Token:
    id_, user_id, name, scopes, created_at, expires_at, used_at = row
    return Token(id_, user_id, name, tuple(map(Scope, scopes.split())), created_at, expires_at, used_at)


def create(conn: Connection, user_id: int, name: str, scopes: Iterable[Scope], expires_at: float) -> tuple[str, Token]:
    """The secret `bb_…`, which is told only now, and its token. Raises `ValueError` for no scope or a past expiry."""
    now, wanted = time.time(), [scope for scope in Scope if scope in set(scopes)]
    if not wanted:
        raise ValueError("A token needs at least one scope.")
    if expires_at <= now:
        raise ValueError("A token must expire in the future.")
    secret = PREFIX + secrets.token_urlsafe(32)
    new = sa.insert(tokens).values(
        user_id=user_id,
        name=clean(tokens.c.name, name),
        hash=_hash(secret),
        scopes=" ".join(wanted),
        created_at=now,
        expires_at=expires_at,
    )
    key = conn.execute(new).inserted_primary_key
    assert key is not None
    return secret, _of_row(conn.execute(sa.select(*COLUMNS).where(tokens.c.id == key[0])).one())


def get(conn: Connection, secret: str) -> tuple[Token, User] | None:
    """None if it is unknown or expired, or its user is disabled."""
    row = conn.execute(GET, {"hash": _hash(secret), "now": time.time()}).first()
    return row and (_of_row(row[: len(COLUMNS)]), users.of_row(row[len(COLUMNS) :]))


def used(conn: Connection, token_id: int) -> None:
    """Note that it was used just now."""
    conn.execute(sa.update(tokens).where(tokens.c.id == token_id).values(used_at=time.time()))


def list_of(conn: Connection, user_id: int) -> list[Token]:
    """Newest first, the expired too."""
    rows = conn.execute(sa.select(*COLUMNS).where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc()))
    return [_of_row(row) for row in rows]


def delete(conn: Connection, user_id: int, token_id: int) -> None:
    """Raises `NotFound`."""
    gone = sa.delete(tokens).where(tokens.c.id == token_id, tokens.c.user_id == user_id)
    if not conn.execute(gone).rowcount:
        raise NotFound("There is no such token.")
