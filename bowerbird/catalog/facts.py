"""What choosing among many pins needs of them: a few columns each, for hundreds at once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from bowerbird.catalog.sight import VIEWER, board_seen_by, pin_seen_by, viewer_of
from bowerbird.catalog.tables import boards, images, pins, saves, users
from bowerbird.model import Board

IDS: sa.BindParameter[int] = sa.bindparam("ids", expanding=True)
LIMIT: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)


class Fact(NamedTuple):
    pin_id: int
    image_id: int
    user_id: int
    created_at: float
    saves: int
    media: str
    mine: bool
    """Whether the viewer has pinned or saved this picture."""


@cache
def _facts(anonymous: bool, of_images: bool) -> Select[Any]:
    viewer = None if anonymous else VIEWER
    wall = sa.select(
        pins.c.id, pins.c.image_id, pins.c.user_id, pins.c.created_at, pins.c.saves, images.c.media, _mine(viewer)
    ).join(images, images.c.id == pins.c.image_id)
    if not of_images:
        return wall.where(pins.c.id.in_(IDS), pins.c.ready == sa.true(), pin_seen_by(viewer))
    one = pins.alias()
    shown = sa.and_(one.c.image_id.in_(IDS), pin_seen_by(viewer, one))
    oldest = sa.select(sa.func.min(one.c.id)).where(shown).group_by(one.c.image_id)
    # All pins of an image are ready or none is. Asked inside, SQLite would go through every ready pin there is.
    return wall.where(pins.c.id.in_(oldest), pins.c.ready == sa.true())


def _mine(viewer: sa.ColumnElement[int] | None) -> sa.ColumnElement[bool]:
    if viewer is None:
        return sa.false()
    own, other, save = pins.alias(), pins.alias(), saves.alias()
    pinned = sa.exists().where(own.c.image_id == pins.c.image_id, own.c.user_id == viewer)
    # One inside the other: of a join SQLite would go through all that this person ever saved, once for every pin.
    kept = sa.exists().where(save.c.pin_id == other.c.id, save.c.user_id == viewer)
    saved = sa.exists().where(other.c.image_id == pins.c.image_id, kept)
    return sa.or_(pinned, saved)


def of_pins(conn: Connection, pin_ids: Iterable[int], viewer: int | None) -> list[Fact]:
    """Of those that are ready and that the viewer sees, in no order."""
    return _found(conn, _facts(viewer is None, False), pin_ids, viewer)


def of_images(conn: Connection, image_ids: Iterable[int], viewer: int | None) -> list[Fact]:
    """Of the oldest ready pin of each image that the viewer sees, in no order."""
    return _found(conn, _facts(viewer is None, True), image_ids, viewer)


def _found(conn: Connection, wall: Select[Any], ids: Iterable[int], viewer: int | None) -> list[Fact]:
    ids = list(ids)
    if not ids:
        return []
    return [Fact(*row) for row in conn.execute(wall, {"ids": ids, **viewer_of(viewer)}).all()]


NEWEST = sa.select(pins.c.id).where(pins.c.ready == sa.true(), pins.c.secret == sa.false())
NEWER = {
    False: NEWEST.order_by(pins.c.id.desc()).limit(LIMIT),
    True: NEWEST.where(pins.c.id < sa.bindparam("before_id")).order_by(pins.c.id.desc()).limit(LIMIT),
}


def newest(conn: Connection, limit: int, before_id: int | None = None) -> list[int]:
    """Ids of ready pins that everyone sees, newest first."""
    given = {"limit": limit} if before_id is None else {"limit": limit, "before_id": before_id}
    return list(conn.scalars(NEWER[before_id is not None], given))


BY_USER = (
    sa.select(pins.c.id)
    .where(pins.c.user_id == sa.bindparam("user_id"), pins.c.ready == sa.true(), pins.c.secret == sa.false())
    .order_by(pins.c.id.desc())
    .limit(LIMIT)
)


def by_user(conn: Connection, user_id: int, limit: int) -> list[int]:
    """Ids of a person's ready pins that everyone sees, newest first."""
    return list(conn.scalars(BY_USER, {"user_id": user_id, "limit": limit}))


ON_BOARD = (
    sa.select(saves.c.pin_id)
    .where(saves.c.board_id == sa.bindparam("board_id"))
    .order_by(saves.c.saved_at.desc(), saves.c.pin_id.desc())
    .limit(LIMIT)
)


def on_board(conn: Connection, board_id: int, limit: int) -> list[int]:
    """Ids of the pins on a board, last saved first, whoever may see them."""
    return list(conn.scalars(ON_BOARD, {"board_id": board_id, "limit": limit}))


OPEN_OF = sa.select(boards.c.id).where(boards.c.user_id.in_(IDS), boards.c.secret == sa.false()).limit(LIMIT)


def open_boards_of(conn: Connection, user_ids: Iterable[int], limit: int = 500) -> list[int]:
    """Ids of open boards that these people own."""
    ids = list(user_ids)
    return list(conn.scalars(OPEN_OF, {"ids": ids, "limit": limit})) if ids else []


NAMED = sa.select(
    boards.c.id,
    boards.c.user_id,
    users.c.username,
    boards.c.name,
    boards.c.slug,
    boards.c.description,
    boards.c.secret,
    boards.c.created_at,
).join(users, users.c.id == boards.c.user_id)


def named_boards(conn: Connection, board_ids: Iterable[int], viewer: int | None) -> dict[int, Board]:
    """By id those that the viewer sees, without counts and covers."""
    ids = list(board_ids)
    if not ids:
        return {}
    rows = conn.execute(NAMED.where(boards.c.id.in_(ids), board_seen_by(viewer)))
    return {row[0]: Board(*row) for row in rows}


def usernames(conn: Connection, user_ids: Iterable[int]) -> dict[int, str]:
    """By id; disabled accounts are left out."""
    ids = list(user_ids)
    if not ids:
        return {}
    found = sa.select(users.c.id, users.c.username).where(users.c.id.in_(ids), users.c.disabled == sa.false())
    return {row[0]: row[1] for row in conn.execute(found)}


def owners(conn: Connection, pin_ids: Iterable[int]) -> list[int]:
    """Ids of the people whose pins these are, one for each that is there."""
    ids = list(pin_ids)
    return list(conn.scalars(sa.select(pins.c.user_id).where(pins.c.id.in_(IDS)), {"ids": ids})) if ids else []


def held(conn: Connection, board_id: int, image_ids: Iterable[int]) -> set[int]:
    """Ids of the images, of these, that are on a board by whichever pin."""
    ids = list(image_ids)
    there = sa.exists().where(saves.c.board_id == board_id, saves.c.pin_id == pins.c.id)
    return set(conn.scalars(sa.select(pins.c.image_id).where(pins.c.image_id.in_(ids), there))) if ids else set()
