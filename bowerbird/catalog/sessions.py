"""Logins. The cookie is a random secret; the table holds only its hash, so a stolen table logs no one in."""

from __future__ import annotations

import hashlib
import secrets
import time

import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import users
from bowerbird.catalog.tables import sessions
from bowerbird.catalog.tables import users as users_table
from bowerbird.model import Session, User

COLUMNS = (sessions.c.id, sessions.c.user_id, sessions.c.csrf, sessions.c.expires_at)

GET = (
    sa.select(*COLUMNS, *users.COLUMNS)
    .join(users_table, users_table.c.id == sessions.c.user_id)
    .where(
        sessions.c.id == sa.bindparam("id"),
        sessions.c.expires_at > sa.bindparam("now"),
        users_table.c.disabled == sa.false(),
    )
)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def create(conn: Connection, user_id: int, days: float) -> tuple[str, Session]:
    """The cookie, which is told only now, and its session."""
    cookie, now = secrets.token_urlsafe(32), time.time()
    session = Session(_hash(cookie), user_id, secrets.token_urlsafe(24), now + days * 86400)
    conn.execute(
        sa.insert(sessions).values(
            id=session.id, user_id=user_id, csrf=session.csrf, created_at=now, expires_at=session.expires_at
        )
    )
    return cookie, session


def get(conn: Connection, cookie: str) -> tuple[Session, User] | None:
    """None if it is unknown or expired, or its user is disabled."""
    row = conn.execute(GET, {"id": _hash(cookie), "now": time.time()}).first()
    return row and (Session(*row[: len(COLUMNS)]), users.of_row(row[len(COLUMNS) :]))


def delete(conn: Connection, cookie: str) -> None:
    conn.execute(sa.delete(sessions).where(sessions.c.id == _hash(cookie)))


def delete_all(conn: Connection, user_id: int, keep: str | None = None) -> None:
    """End every login of a user, but for the session whose id is `keep`."""
    gone = sa.delete(sessions).where(sessions.c.user_id == user_id)
    conn.execute(gone if keep is None else gone.where(sessions.c.id != keep))


def sweep(conn: Connection) -> int:
    """Forget the expired; how many."""
    return conn.execute(sa.delete(sessions).where(sessions.c.expires_at <= time.time())).rowcount
