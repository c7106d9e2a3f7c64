"""Accounts."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import Forbidden, NotFound, Taken, settle
from bowerbird.catalog.rows import clean, insert_new, typed
from bowerbird.catalog.tables import boards, pins, saves, users
from bowerbird.model import Role, User

USERNAME = re.compile(r"[a-z0-9][a-z0-9_.-]{1,29}")

COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.name,
    users.c.role,
    users.c.about,
    users.c.created_at,
    users.c.disabled,
)


def of_row(row: Sequence[Any]) -> User:
    id_, username, name, role, about, created_at, disabled = row
    return User(id_, username, name, Role(role), about, created_at, disabled)


def create(conn: Connection, username: str, password_hash: str, name: str = "", role: Role | None = None) -> User:
    """The first account becomes the administrator. Raises `Taken`, or `ValueError` for a name that cannot be."""
    username = username.strip().lower()
    if not USERNAME.fullmatch(username):
        raise ValueError(
            "A username has 2 to 30 characters: letters a to z, digits, `_`, `.` and `-`, the first a letter or digit."
        )
    role = role or (Role.USER if count(conn) else Role.ADMIN)
    new = insert_new(
        conn,
        users,
        username=username,
        name=clean(users.c.name, name) or username,
        role=role.value,
        password=password_hash,
        created_at=time.time(),
    )
    if new is None:
        raise Taken(f"The username {username} is taken.")
    return _known(conn, new)


def by_id(conn: Connection, user_id: int) -> User | None:
    row = conn.execute(sa.select(*COLUMNS).where(users.c.id == user_id)).first()
    return row and of_row(row)


def by_name(conn: Connection, username: str) -> User | None:
    row = conn.execute(sa.select(*COLUMNS).where(users.c.username == typed(username).strip().lower())).first()
    return row and of_row(row)


def password(conn: Connection, username: str) -> tuple[User, str] | None:
    """The user and the argon2id hash."""
    user = by_name(conn, username)
    if user is None:
        return None
    return user, str(conn.scalar(sa.select(users.c.password).where(users.c.id == user.id)))


def set_password(conn: Connection, user_id: int, password_hash: str) -> None:
    conn.execute(sa.update(users).where(users.c.id == user_id).values(password=password_hash))


def update(
    conn: Connection,
    user_id: int,
    name: str | None = None,
    about: str | None = None,
    role: Role | None = None,
    disabled: bool | None = None,
) -> User:
    """Raises `NotFound`, and `Forbidden` for what would leave no administrator."""
    user = _known(conn, user_id)
    if (role is Role.USER or disabled) and user.role is Role.ADMIN and not user.disabled:
        _keep_an_admin(conn, user_id)
    given = {
        "name": None if name is None else clean(users.c.name, name) or user.username,
        "about": None if about is None else clean(users.c.about, about),
        "role": None if role is None else role.value,
        "disabled": disabled,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if changes:
        conn.execute(sa.update(users).where(users.c.id == user_id).values(**changes))
    return _known(conn, user_id)


def every(conn: Connection) -> list[User]:
    return [of_row(row) for row in conn.execute(sa.select(*COLUMNS).order_by(users.c.id))]


def count(conn: Connection) -> int:
    return conn.scalar(sa.select(sa.func.count()).select_from(users)) or 0


def delete(conn: Connection, user_id: int) -> None:
    """With boards, pins and saves; `images.orphans` then lists the pictures that nobody shows any more.

    Raises `NotFound`, and `Forbidden` for the last administrator while there are other users.
    """
    if _known(conn, user_id).role is Role.ADMIN and count(conn) > 1:
        _keep_an_admin(conn, user_id)
    own = list(conn.scalars(sa.select(pins.c.id).where(pins.c.user_id == user_id)))
    on_their_boards = sa.select(saves.c.pin_id).join(boards, boards.c.id == saves.c.board_id)
    theirs = sa.select(saves.c.pin_id).where(saves.c.user_id == user_id)
    touched = set(conn.scalars(on_their_boards.where(boards.c.user_id == user_id))) | set(conn.scalars(theirs))
    conn.execute(sa.delete(users).where(users.c.id == user_id))
    settle.pins_changed(conn, {*own, *touched})


def _known(conn: Connection, user_id: int) -> User:
    user = by_id(conn, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return user


def _keep_an_admin(conn: Connection, user_id: int) -> None:
    others = sa.select(users.c.id).where(
        users.c.role == Role.ADMIN.value, users.c.disabled == sa.false(), users.c.id != user_id
    )
    if conn.scalar(others.limit(1)) is None:
        raise Forbidden("This is the last administrator; make someone else one first.")
