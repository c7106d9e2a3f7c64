"""Boards: named collections of pins, open or secret, alone or with members."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import Connection, Select

from bowerbird.catalog import Forbidden, NotFound, settle
from bowerbird.catalog import users as users_of
from bowerbird.catalog.listed import listed
from bowerbird.catalog.rows import clean, insert_new, typed
from bowerbird.catalog.saves import may_write, save, save_all, unsave
from bowerbird.catalog.sight import VIEWER, board_seen_by, pin_seen_by, viewer_of
from bowerbird.catalog.tables import boards, images, pins, saves, users
from bowerbird.catalog.tables import members as members_table
from bowerbird.model import Board, User

if TYPE_CHECKING:
    from bowerbird.ports import Ints

__all__ = [
    "add_member",
    "by_slug",
    "create",
    "delete",
    "edges",
    "get",
    "get_or_create",
    "holding",
    "keepers",
    "may_write",
    "members",
    "of_user",
    "pictured",
    "remove_member",
    "save",
    "save_all",
    "unsave",
    "update",
    "with_pin",
]

COVERS = 5
SLUG = 90  # leaves room for a number within its column

BOARD = sa.select(
    boards.c.id,
    boards.c.user_id,
    users.c.username,
    boards.c.name,
    boards.c.slug,
    boards.c.description,
    boards.c.secret,
    boards.c.created_at,
).join(users, users.c.id == boards.c.user_id)


def slug_of(name: str) -> str:
    """Letters and digits of any script, lower case, with hyphens between; `board` where there are none."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "-", folded).strip("-")[:SLUG].strip("-") or "board"


def create(conn: Connection, user_id: int, name: str, description: str = "", secret: bool = False) -> Board:
    """A second board of the same name gets a numbered slug. Raises `ValueError` for an empty name."""
    name = _named(name)
    now, about = time.time(), clean(boards.c.description, description)
    values = {"user_id": user_id, "name": name, "description": about, "secret": secret, "created_at": now}
    new = None
    while new is None:  # once, unless another process takes the slug between the two statements
        new = insert_new(conn, boards, slug=_free_slug(conn, user_id, slug_of(name)), **values)
    return _known(conn, new, user_id)


def _named(name: str) -> str:
    name = clean(boards.c.name, name)
    if not name:
        raise ValueError("A board needs a name.")
    return name


def _free_slug(conn: Connection, user_id: int, slug: str) -> str:
    like = boards.c.slug.startswith(slug, autoescape=True)
    used = set(conn.scalars(sa.select(boards.c.slug).where(boards.c.user_id == user_id, like)))
    number = 2
    free = slug
    while free in used:
        free, number = f"{slug}-{number}", number + 1
    return free


def get_or_create(conn: Connection, user_id: int, name: str) -> Board:
    """The user's oldest board of exactly this name, or a new open one."""
    same = sa.select(boards.c.id).where(boards.c.user_id == user_id, boards.c.name == _named(name))
    board_id = conn.scalar(same.order_by(boards.c.id).limit(1))
    return create(conn, user_id, name) if board_id is None else _known(conn, board_id, user_id)


def get(conn: Connection, board_id: int, viewer: int | None) -> Board | None:
    return _first(conn, BOARD.where(boards.c.id == board_id), viewer)


def by_slug(conn: Connection, username: str, slug: str, viewer: int | None) -> Board | None:
    return _first(conn, BOARD.where(users.c.username == typed(username).lower(), boards.c.slug == typed(slug)), viewer)


def of_user(conn: Connection, user_id: int, viewer: int | None) -> list[Board]:
    """A user's boards and those that the user is a member of, as far as the viewer sees them, newest first."""
    own = sa.select(boards.c.id).where(boards.c.user_id == user_id)
    joined = sa.select(members_table.c.board_id).where(members_table.c.user_id == user_id)
    both = sa.union(own, joined).subquery()  # joined, for MySQL would look for either in every board there is
    theirs = BOARD.join(both, both.c.id == boards.c.id).where(board_seen_by(viewer))
    return _filled(conn, conn.execute(theirs.order_by(boards.c.id.desc())).all(), viewer)


def holding(conn: Connection, pin_id: int, viewer: int | None, limit: int | None = None) -> list[Board]:
    """Boards with this pin, as far as the viewer sees both, the newest first; without counts and covers."""
    there = (
        BOARD.join(saves, saves.c.board_id == boards.c.id)
        .join(pins, pins.c.id == saves.c.pin_id)
        .where(pins.c.id == pin_id, board_seen_by(viewer), pin_seen_by(viewer))
    )
    return [Board(*row) for row in conn.execute(there.order_by(boards.c.id.desc()).limit(limit))]


WITH_PIN = sa.select(saves.c.board_id).where(listed(saves.c.board_id), saves.c.pin_id == sa.bindparam("pin_id"))


def with_pin(conn: Connection, board_ids: Sequence[int], pin_id: int) -> set[int]:
    """Those of these boards that have this pin, however many others have it."""
    return set(conn.scalars(WITH_PIN, {"ids": list(board_ids), "pin_id": pin_id}))


def update(
    conn: Connection,
    board_id: int,
    user_id: int,
    name: str | None = None,
    description: str | None = None,
    secret: bool | None = None,
) -> Board:
    """Its slug stays, so that links to it hold. Raises `NotFound`, `Forbidden`, `ValueError`."""
    board = _owned(conn, board_id, user_id)
    given = {
        "name": None if name is None else _named(name),
        "description": None if description is None else clean(boards.c.description, description),
        "secret": secret,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if changes:
        conn.execute(sa.update(boards).where(boards.c.id == board_id).values(**changes))
    if secret is not None and secret != board.secret:
        settle.board_turned(conn, board_id)
    if changes.keys() & {"name", "secret"}:
        settle.pins_changed(conn, _pins_on(conn, board_id))
    return _known(conn, board_id, user_id)


def delete(conn: Connection, board_id: int, user_id: int) -> None:
    """Its pins stay, and the secret ones stay secret. Raises `NotFound` and `Forbidden`."""
    _owned(conn, board_id, user_id)
    held = _pins_on(conn, board_id)
    conn.execute(sa.delete(boards).where(boards.c.id == board_id))
    settle.pins_changed(conn, held)


def add_member(conn: Connection, board_id: int, member_id: int, user_id: int) -> bool:
    """`user_id`, the owner, lets `member_id` see and change the board; whether that is new."""
    board = _owned(conn, board_id, user_id)
    if users_of.by_id(conn, member_id) is None:
        raise NotFound("There is no such user.")
    if member_id == board.user_id:
        raise ValueError("The owner of a board needs no membership.")
    there = sa.and_(members_table.c.board_id == board_id, members_table.c.user_id == member_id)
    if conn.scalar(sa.select(members_table.c.user_id).where(there)) is not None:
        return False
    return insert_new(conn, members_table, board_id=board_id, user_id=member_id, created_at=time.time()) is not None


def remove_member(conn: Connection, board_id: int, member_id: int, user_id: int) -> bool:
    """By the owner, or by members themselves; whether there was such a member. What they saved stays."""
    if member_id != user_id or not may_write(conn, board_id, user_id):
        _owned(conn, board_id, user_id)
    there = sa.and_(members_table.c.board_id == board_id, members_table.c.user_id == member_id)
    return conn.execute(sa.delete(members_table).where(there)).rowcount > 0


def members(conn: Connection, board_id: int) -> list[User]:
    """Without the owner, in the order in which they came."""
    found = sa.select(*users_of.COLUMNS).join(members_table, members_table.c.user_id == users.c.id)
    of_board = found.where(members_table.c.board_id == board_id).order_by(members_table.c.created_at, users.c.id)
    return [users_of.of_row(row) for row in conn.execute(of_board)]


def edges(conn: Connection) -> tuple[Ints, Ints, Ints]:
    """Every save on an open board: pin ids, board ids and the pins' image ids, three arrays of one length."""
    every = sa.select(saves.c.pin_id, saves.c.board_id, pins.c.image_id).join(pins, pins.c.id == saves.c.pin_id)
    every = every.join(boards, boards.c.id == saves.c.board_id)
    rows = conn.execute(every.where(boards.c.secret == sa.false())).all()
    found = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 3)
    return found[:, 0], found[:, 1], found[:, 2]


def keepers(conn: Connection) -> tuple[Ints, Ints]:
    """Who keeps which pin on an open board: pin ids and user ids, two arrays of one length, each pair once."""
    every = sa.select(saves.c.pin_id, saves.c.user_id).join(boards, boards.c.id == saves.c.board_id)
    rows = conn.execute(every.where(boards.c.secret == sa.false()).distinct()).all()
    pairs = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def pictured(conn: Connection) -> tuple[Ints, Ints]:
    """Every ready image on an open board: image ids and board ids, two arrays of one length."""
    every = sa.select(pins.c.image_id, saves.c.board_id).join(saves, saves.c.pin_id == pins.c.id)
    every = every.join(boards, boards.c.id == saves.c.board_id)
    rows = conn.execute(every.where(boards.c.secret == sa.false(), pins.c.ready == sa.true()).distinct()).all()
    pairs = np.array([tuple(row) for row in rows], dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _first(conn: Connection, found: Select[Any], viewer: int | None) -> Board | None:
    row = conn.execute(found.where(board_seen_by(viewer))).first()
    return None if row is None else _filled(conn, [row], viewer)[0]


def _known(conn: Connection, board_id: int, user_id: int) -> Board:
    board = get(conn, board_id, user_id)
    if board is None:
        raise NotFound("There is no such board.")
    return board


def _owned(conn: Connection, board_id: int, user_id: int) -> Board:
    board = _known(conn, board_id, user_id)
    if board.user_id != user_id:
        raise Forbidden("Only its owner may do that to a board.")
    return board


def _pins_on(conn: Connection, board_id: int) -> Sequence[int]:
    return conn.scalars(sa.select(saves.c.pin_id).where(saves.c.board_id == board_id)).all()


def _filled(conn: Connection, rows: Sequence[Sequence[Any]], viewer: int | None) -> list[Board]:
    """With counts and covers of what the viewer sees, in two more statements however many boards there are."""
    given = {"ids": [row[0] for row in rows], **viewer_of(viewer)}
    counted: dict[int, int] = {row[0]: row[1] for row in conn.execute(_counts(viewer is None), given)}
    covers: dict[int, list[str]] = {}
    for board_id, media in conn.execute(_newest(viewer is None), given):
        covers.setdefault(board_id, []).append(media)
    return [
        replace(Board(*row), pin_count=counted.get(row[0], 0), covers=tuple(covers.get(row[0], ())[:COVERS]))
        for row in rows
    ]


ON_THEM = saves.join(pins, pins.c.id == saves.c.pin_id)


@cache
def _counts(anonymous: bool) -> Select[Any]:
    shown = sa.and_(pins.c.ready == sa.true(), pin_seen_by(None if anonymous else VIEWER))
    counted = sa.select(saves.c.board_id, sa.func.count()).select_from(ON_THEM)
    return counted.where(listed(saves.c.board_id), shown).group_by(saves.c.board_id)


@cache
def _newest(anonymous: bool) -> Select[Any]:
    """Each board's latest pictures, at least `COVERS` of them if there are as many."""
    viewer = None if anonymous else VIEWER
    shown = sa.and_(pins.c.ready == sa.true(), pin_seen_by(viewer))
    one, other = saves.alias(), pins.alias()
    fifth = (
        sa.select(one.c.saved_at)
        .join(other, other.c.id == one.c.pin_id)
        .where(one.c.board_id == boards.c.id, other.c.ready == sa.true(), pin_seen_by(viewer, other))
        .order_by(one.c.saved_at.desc(), one.c.pin_id.desc())
        .limit(1)
        .offset(COVERS - 1)
        .correlate(boards)
        .scalar_subquery()
    )
    pictures = ON_THEM.join(images, images.c.id == pins.c.image_id)
    return (
        sa.select(saves.c.board_id, images.c.media)
        .select_from(boards.join(pictures, saves.c.board_id == boards.c.id))
        .where(listed(boards.c.id), shown, saves.c.saved_at >= sa.func.coalesce(fifth, 0.0))
        .order_by(saves.c.board_id, saves.c.saved_at.desc(), saves.c.pin_id.desc())
    )
