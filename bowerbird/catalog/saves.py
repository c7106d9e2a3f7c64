"""Putting pins on boards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from bowerbird.catalog import Forbidden, NotFound, settle
from bowerbird.catalog.rows import insert_new
from bowerbird.catalog.sight import board_seen_by, pin_seen_by, takes_part
from bowerbird.catalog.tables import boards, pins, saves


def may_write(conn: Connection, board_id: int, user_id: int) -> bool:
    """Whether the user owns the board or is a member of it."""
    return conn.scalar(sa.select(boards.c.id).where(boards.c.id == board_id, takes_part(user_id))) is not None


def writable(conn: Connection, board_id: int, user_id: int) -> Row[Any]:
    """The board's row. Raises `Forbidden`, or `NotFound` if the user may not even know of it."""
    row = conn.execute(sa.select(boards).where(boards.c.id == board_id, board_seen_by(user_id))).first()
    if row is None:
        raise NotFound("There is no such board.")
    if not may_write(conn, board_id, user_id):
        raise Forbidden("Only the owner of this board and its members may change what is on it.")
    return row


def save(conn: Connection, board_id: int, pin_id: int, user_id: int) -> bool:
    """Whether it is new there. Raises `NotFound` and `Forbidden`. A secret pin that its owner saves to an
    open board is secret no more."""
    board = writable(conn, board_id, user_id)
    owner = conn.scalar(sa.select(pins.c.user_id).where(pins.c.id == pin_id, pin_seen_by(user_id)))
    if owner is None:
        raise NotFound("There is no such pin.")
    held = sa.select(saves.c.pin_id).where(saves.c.board_id == board_id, saves.c.pin_id == pin_id)
    if conn.scalar(held) is not None:
        return False
    new = insert_new(conn, saves, board_id=board_id, pin_id=pin_id, user_id=user_id, saved_at=time.time())
    if owner == user_id and not board.secret:
        conn.execute(sa.update(pins).where(pins.c.id == pin_id).values(secret=sa.false()))
    settle.pins_changed(conn, [pin_id])
    return new is not None


def save_all(conn: Connection, board_id: int, user_id: int, saved_at: Mapping[int, float]) -> int:
    """Save many pins, each with its own time, as `save` does one; how many are new. What the user does not
    see is left out. Nobody else may be saving to this board meanwhile."""
    board = writable(conn, board_id, user_id)
    seen = sa.select(pins.c.id).where(pins.c.id.in_(list(saved_at)), pin_seen_by(user_id))
    held = sa.select(saves.c.pin_id).where(saves.c.board_id == board_id)
    new = sorted(set(conn.scalars(seen)) - set(conn.scalars(held)))
    if not new:
        return 0
    row = {"board_id": board_id, "user_id": user_id}
    conn.execute(sa.insert(saves), [{**row, "pin_id": pin_id, "saved_at": saved_at[pin_id]} for pin_id in new])
    if not board.secret:
        own = sa.update(pins).where(pins.c.id.in_(new), pins.c.user_id == user_id)
        conn.execute(own.values(secret=sa.false()))
    settle.pins_changed(conn, new)
    return len(new)


def unsave(conn: Connection, board_id: int, pin_id: int, user_id: int) -> bool:
    """Whether it was there. A secret pin stays secret. Raises `NotFound` and `Forbidden`."""
    writable(conn, board_id, user_id)
    gone = conn.execute(sa.delete(saves).where(saves.c.board_id == board_id, saves.c.pin_id == pin_id)).rowcount > 0
    settle.pins_changed(conn, [pin_id])
    return gone


def count(conn: Connection) -> int:
    """All saves, on boards open and secret."""
    return conn.scalar(sa.select(sa.func.count()).select_from(saves)) or 0
