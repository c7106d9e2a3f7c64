"""Who follows whom, and which boards.

Only open boards are followed. One that turns secret later keeps its rows, but none of these functions tells of it
until it is open again.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from bowerbird.catalog import NotFound, boards, pins, users
from bowerbird.catalog.rows import insert_new
from bowerbird.catalog.sight import VIEWER, pin_seen_by
from bowerbird.catalog.tables import Id, board_follows, follows, saves
from bowerbird.catalog.tables import boards as boards_table
from bowerbird.catalog.tables import pins as pins_table
from bowerbird.catalog.tables import users as users_table
from bowerbird.model import Pin, User


class Counts(NamedTuple):
    followers: int
    following: int
    """People and open boards."""


def person(conn: Connection, follower_id: int, user_id: int) -> bool:
    """Follow someone; whether it is new. Raises `NotFound`, and `ValueError` for following oneself."""
    if follower_id == user_id:
        raise ValueError("Nobody follows themselves.")
    if users.by_id(conn, user_id) is None:
        raise NotFound("There is no such user.")
    if follows_person(conn, follower_id, user_id):
        return False
    return insert_new(conn, follows, follower_id=follower_id, user_id=user_id, created_at=time.time()) is not None


def unfollow_person(conn: Connection, follower_id: int, user_id: int) -> bool:
    """Whether it was so."""
    return conn.execute(sa.delete(follows).where(_person(follower_id, user_id))).rowcount > 0


def board(conn: Connection, follower_id: int, board_id: int) -> bool:
    """Follow a board; whether it is new. Raises `NotFound` for one that the follower does not see, and
    `ValueError` for one's own and for a secret one."""
    found = boards.get(conn, board_id, follower_id)
    if found is None:
        raise NotFound("There is no such board.")
    if found.user_id == follower_id:
        raise ValueError("Nobody follows their own board.")
    if found.secret:
        raise ValueError("A secret board cannot be followed.")
    if follows_board(conn, follower_id, board_id):
        return False
    new = insert_new(conn, board_follows, follower_id=follower_id, board_id=board_id, created_at=time.time())
    return new is not None


def unfollow_board(conn: Connection, follower_id: int, board_id: int) -> bool:
    """Whether it was so."""
    return conn.execute(sa.delete(board_follows).where(_board(follower_id, board_id))).rowcount > 0


def follows_person(conn: Connection, follower_id: int | None, user_id: int) -> bool:
    found = sa.select(follows.c.user_id).where(_person(follower_id, user_id))
    return follower_id is not None and conn.scalar(found) is not None


def follows_board(conn: Connection, follower_id: int | None, board_id: int) -> bool:
    found = sa.select(board_follows.c.board_id).where(_board(follower_id, board_id))
    return follower_id is not None and conn.scalar(found) is not None


FOLLOWER: sa.BindParameter[int] = sa.bindparam("follower", type_=sa.Integer)
PEOPLE = (
    sa.select(follows.c.user_id)
    .where(follows.c.follower_id == FOLLOWER)
    .order_by(follows.c.created_at.desc(), follows.c.user_id.desc())
)


def people_of(conn: Connection, follower_id: int) -> list[int]:
    """Ids of the people that someone follows, the latest first."""
    return list(conn.scalars(PEOPLE, {"follower": follower_id}))


def boards_of(conn: Connection, follower_id: int) -> list[int]:
    """Ids of the open boards that someone follows, the latest first."""
    return list(conn.scalars(_boards_of(), {"follower": follower_id}))


@cache
def _boards_of() -> Select[Any]:
    theirs = _open_boards(FOLLOWER)
    return theirs.order_by(board_follows.c.created_at.desc(), board_follows.c.board_id.desc())


def counts(conn: Connection, user_id: int) -> Counts:
    """How many people follow someone, and how many people and open boards they follow."""
    followers = _count(conn, sa.select(follows.c.follower_id).where(follows.c.user_id == user_id))
    people = _count(conn, sa.select(follows.c.user_id).where(follows.c.follower_id == user_id))
    return Counts(followers, people + _count(conn, _open_boards(user_id)))


def board_followers(conn: Connection, board_id: int) -> int:
    return _count(conn, sa.select(board_follows.c.follower_id).where(board_follows.c.board_id == board_id))


def followers(conn: Connection, user_id: int, limit: int = 200) -> list[User]:
    """Of a person, the latest first; disabled accounts are left out."""
    found = sa.select(*users.COLUMNS).join(follows, follows.c.follower_id == users_table.c.id)
    return _people(conn, found.where(follows.c.user_id == user_id), limit)


def following(conn: Connection, user_id: int, limit: int = 200) -> list[User]:
    """The people that someone follows, the latest first; disabled accounts are left out."""
    found = sa.select(*users.COLUMNS).join(follows, follows.c.user_id == users_table.c.id)
    return _people(conn, found.where(follows.c.follower_id == user_id), limit)


def wall(conn: Connection, follower_id: int, bookmark: int | None = None, limit: int = 25) -> list[Pin]:
    """What the people that someone follows pinned, and what came onto the open boards that they or the people they
    follow keep, latest first; each pin once. The bookmark of the next page is the last one's id."""
    given: dict[str, Any] = {"viewer": follower_id, "limit": limit}
    if bookmark is not None:
        given["bookmark"] = bookmark
    ids = list(conn.scalars(_wall(bookmark is not None), given))
    found = pins.get_many(conn, ids, follower_id)
    return [found[pin_id] for pin_id in ids if pin_id in found]


@cache
def _wall(further: bool) -> Select[Any]:
    people = sa.select(follows.c.user_id).where(follows.c.follower_id == VIEWER)
    pinned = sa.select(pins_table.c.id.label("pin_id"), pins_table.c.created_at.label("at")).where(
        pins_table.c.user_id.in_(people), pins_table.c.ready == sa.true(), pins_table.c.secret == sa.false()
    )
    theirs = sa.select(boards_table.c.id).where(boards_table.c.user_id.in_(people))
    followed = sa.union(theirs, _followed_boards()).subquery()  # of `or` every server would go through all saves
    saved = (
        sa.select(saves.c.pin_id, saves.c.saved_at.label("at"))
        .join(boards_table, boards_table.c.id == saves.c.board_id)
        .join(followed, followed.c.id == boards_table.c.id)
        .where(boards_table.c.secret == sa.false())
    )
    came = sa.union_all(pinned, saved).subquery()
    once = sa.select(came.c.pin_id, sa.func.max(came.c.at).label("at")).group_by(came.c.pin_id).cte("once")
    page = (
        sa.select(once.c.pin_id)
        .join(pins_table, pins_table.c.id == once.c.pin_id)
        .where(pins_table.c.ready == sa.true(), pin_seen_by(VIEWER), pins_table.c.user_id != VIEWER)
    )
    if further:
        mark = sa.bindparam("bookmark", type_=Id)
        last, made = once.alias(), pins_table.alias()
        came_at = sa.select(last.c.at).where(last.c.pin_id == mark).scalar_subquery()
        # What it came by may be gone since: it was made before that, so go on from there.
        made_at = sa.select(made.c.created_at).where(made.c.id == mark).scalar_subquery()
        page = page.where(sa.tuple_(once.c.at, once.c.pin_id) < sa.tuple_(sa.func.coalesce(came_at, made_at), mark))
    return page.order_by(once.c.at.desc(), once.c.pin_id.desc()).limit(sa.bindparam("limit", type_=sa.Integer))


def _followed_boards() -> Select[Any]:
    return sa.select(board_follows.c.board_id).where(board_follows.c.follower_id == VIEWER)


def _open_boards(follower_id: int | sa.BindParameter[int]) -> Select[Any]:
    theirs = sa.select(board_follows.c.board_id).join(boards_table, boards_table.c.id == board_follows.c.board_id)
    return theirs.where(board_follows.c.follower_id == follower_id, boards_table.c.secret == sa.false())


def _person(follower_id: int | None, user_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(follows.c.follower_id == follower_id, follows.c.user_id == user_id)


def _board(follower_id: int | None, board_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(board_follows.c.follower_id == follower_id, board_follows.c.board_id == board_id)


def _people(conn: Connection, found: Select[Any], limit: int) -> list[User]:
    shown = found.where(users_table.c.disabled == sa.false())
    latest = shown.order_by(follows.c.created_at.desc(), users_table.c.id.desc()).limit(limit)
    return [users.of_row(row) for row in conn.execute(latest)]


def _count(conn: Connection, rows: Select[Any]) -> int:
    return conn.scalar(sa.select(sa.func.count()).select_from(rows.subquery())) or 0
