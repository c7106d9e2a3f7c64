"""What choosing among many pins needs of them: a few columns each, for hundreds at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from bowerbird.catalog.listed import listed
from bowerbird.catalog.sight import VIEWER, board_seen_by, pin_seen_by, viewer_of
from bowerbird.catalog.tables import boards, images, pins, saves, users
from bowerbird.model import Board

LIMIT: sa.BindParameter[int] = sa.bindparam("limit", type_=sa.Integer)


class Fact(NamedTuple):
    pin_id: int
    image_id: int
    user_id: int
    created_at: float
    saves: int


COLUMNS = (pins.c.id, pins.c.image_id, pins.c.user_id, pins.c.created_at, pins.c.saves)


@cache
def _facts(anonymous: bool, of_images: bool) -> Select[Any]:
    viewer = None if anonymous else VIEWER
    wall = sa.select(*COLUMNS)
    if not of_images:
        return wall.where(listed(pins.c.id), pins.c.ready == sa.true(), pin_seen_by(viewer))
    one = pins.alias()
    shown = sa.and_(listed(one.c.image_id), pin_seen_by(viewer, one))
    oldest = sa.select(sa.func.min(one.c.id)).where(shown).group_by(one.c.image_id)
    # All pins of an image are ready or none is. Asked inside, SQLite would go through every ready pin there is.
    return wall.where(pins.c.id.in_(oldest), pins.c.ready == sa.true())


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


def _held() -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    save = saves.alias()
    # One inside the other: of a join SQLite would go through all that this person ever saved, once for every pin.
    return pins.c.user_id == VIEWER, sa.exists().where(save.c.pin_id == pins.c.id, save.c.user_id == VIEWER)


HELD = _held()
"""Either: the viewer has the pin, or saved it."""
HAD = sa.select(pins.c.image_id).where(listed(pins.c.image_id), sa.or_(*HELD))


def had(conn: Connection, image_ids: Iterable[int], viewer: int) -> set[int]:
    """Ids of the images, of these, that the viewer has pinned or saved, by whichever pin."""
    ids = list(image_ids)
    return {row[0] for row in conn.execute(HAD, {"ids": ids, "viewer": viewer}).all()} if ids else set()


MEDIA = sa.select(images.c.id, images.c.media).where(listed(images.c.id))


def media(conn: Connection, image_ids: Iterable[int]) -> dict[int, str]:
    """By image id the name of its renditions; those that are not there are left out."""
    ids = list(image_ids)
    return {row[0]: row[1] for row in conn.execute(MEDIA, {"ids": ids}).all()} if ids else {}


NEWEST = sa.select(pins.c.id).where(pins.c.ready == sa.true(), pins.c.secret == sa.false())
NEWER = {
    False: NEWEST.order_by(pins.c.id.desc()).limit(LIMIT),
    True: NEWEST.where(pins.c.id < sa.bindparam("before_id"))
    .with_hint(pins, "FORCE INDEX (ix_pins_wall)", "mysql")
    .order_by(pins.c.id.desc())
    .limit(LIMIT),
}


UNHELD = {older: wall.where(sa.not_(sa.or_(*HELD))) for older, wall in NEWER.items()}


def newest(conn: Connection, limit: int, before_id: int | None = None, viewer: int | None = None) -> list[int]:
    """Ids of ready pins that everyone sees, newest first; with a `viewer`, without what they pinned or saved: of who
    has nearly all there is, the database passes over a hundred thousand in the time in which Python looks at a few
    hundred."""
    older = before_id is not None
    given = {"limit": limit, **viewer_of(viewer)} | ({"before_id": before_id} if older else {})
    return list(conn.scalars((NEWER if viewer is None else UNHELD)[older], given).all())


TOGETHER = 16
"""Lists that are asked for in one statement, so that there is one to be kept compiled."""


def _latest(of: sa.Column[int], pin_id: sa.Column[int], at: sa.Column[Any], fit: sa.ColumnElement[bool]) -> Any:
    """For each of `TOGETHER` values of `of`, up to `limit` rows that are fit, the greatest `at` first."""
    rows = sa.select(of.label("of"), pin_id.label("pin_id"), at.label("at")).where(fit)
    rows = rows.order_by(at.desc(), pin_id.desc()).limit(LIMIT)
    each = (rows.where(of == sa.bindparam(f"one{n}", type_=sa.Integer)) for n in range(TOGETHER))
    return sa.union_all(*(sa.select(one.subquery()) for one in each))


OPEN = sa.and_(pins.c.ready == sa.true(), pins.c.secret == sa.false())
BY_USER = _latest(pins.c.user_id, pins.c.id, pins.c.id, OPEN)
ON_BOARD = _latest(saves.c.board_id, saves.c.pin_id, saves.c.saved_at, sa.true())


def by_users(conn: Connection, user_ids: Sequence[int], limit: int) -> dict[int, list[int]]:
    """By person the ids of up to `limit` ready pins of theirs that everyone sees, newest first."""
    return _lists(conn, BY_USER, user_ids, limit)


def on_boards(conn: Connection, board_ids: Sequence[int], limit: int) -> dict[int, list[int]]:
    """By board the ids of up to `limit` pins on it, last saved first, whoever may see them."""
    return _lists(conn, ON_BOARD, board_ids, limit)


def _lists(conn: Connection, latest: Any, ids: Sequence[int], limit: int) -> dict[int, list[int]]:
    found: dict[int, list[tuple[float, int]]] = {one: [] for one in ids}
    for start in range(0, len(ids), TOGETHER):
        some = dict(enumerate(ids[start : start + TOGETHER]))
        given = {f"one{n}": some.get(n, 0) for n in range(TOGETHER)}
        for of, pin_id, at in conn.execute(latest, given | {"limit": limit}).all():
            found[of].append((at, pin_id))
    return {of: [pin_id for _, pin_id in sorted(rows, reverse=True)] for of, rows in found.items()}


OPEN_OF = sa.select(boards.c.id).where(listed(boards.c.user_id), boards.c.secret == sa.false()).limit(LIMIT)


def open_boards_of(conn: Connection, user_ids: Iterable[int], limit: int = 500) -> list[int]:
    """Ids of open boards that these people own."""
    ids = list(user_ids)
    return list(conn.scalars(OPEN_OF, {"ids": ids, "limit": limit}).all()) if ids else []


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
NAMED_TO = {
    anonymous: NAMED.where(listed(boards.c.id), board_seen_by(None if anonymous else VIEWER))
    for anonymous in (False, True)
}


def named_boards(conn: Connection, board_ids: Iterable[int], viewer: int | None) -> dict[int, Board]:
    """By id those that the viewer sees, without counts and covers."""
    ids = list(board_ids)
    if not ids:
        return {}
    rows = conn.execute(NAMED_TO[viewer is None], {"ids": ids, **viewer_of(viewer)})
    return {row[0]: Board(*row) for row in rows}


USERNAMES = sa.select(users.c.id, users.c.username).where(listed(users.c.id), users.c.disabled == sa.false())


def usernames(conn: Connection, user_ids: Iterable[int]) -> dict[int, str]:
    """By id; disabled accounts are left out."""
    ids = list(user_ids)
    return {row[0]: row[1] for row in conn.execute(USERNAMES, {"ids": ids}).all()} if ids else {}


def held(conn: Connection, board_id: int, image_ids: Iterable[int]) -> set[int]:
    """Ids of the images, of these, that are on a board by whichever pin."""
    ids = list(image_ids)
    there = sa.exists().where(saves.c.board_id == board_id, saves.c.pin_id == pins.c.id)
    return set(conn.scalars(sa.select(pins.c.image_id).where(pins.c.image_id.in_(ids), there))) if ids else set()
