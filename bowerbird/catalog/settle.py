"""What follows from saves: a pin's secrecy, its number of saves and its words."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import words
from bowerbird.catalog.listed import listed
from bowerbird.catalog.tables import boards, pins, saves

PARAMETERS = 500
"""Ids in one statement. SQLite takes 32,766 parameters, but a statement is kept compiled for each number of them."""

SAVES = (
    sa.select(sa.func.count())
    .select_from(saves.join(boards, boards.c.id == saves.c.board_id))
    .where(saves.c.pin_id == pins.c.id, boards.c.secret == sa.false())
    .scalar_subquery()
)
COUNT = sa.update(pins).where(listed(pins.c.id)).values(saves=SAVES)

OWN_SAVES = (
    sa.select(saves.c.pin_id)
    .join(boards, boards.c.id == saves.c.board_id)
    .where(saves.c.pin_id == pins.c.id, saves.c.user_id == pins.c.user_id)
)


def pins_changed(conn: Connection, pin_ids: Iterable[int]) -> None:
    """Call it after a change of these pins, of their saves or of the boards they are on."""
    ids = sorted(set(pin_ids))
    for start in range(0, len(ids), PARAMETERS):
        conn.execute(COUNT, {"ids": ids[start : start + PARAMETERS]})
    words.refresh(conn, ids)


def board_turned(conn: Connection, board_id: int) -> None:
    """A board became secret or open: its owner's pins on it are secret if all their owner's saves of them are."""
    on_it = sa.select(saves.c.pin_id).where(saves.c.board_id == board_id).scalar_subquery()
    owner = sa.select(boards.c.user_id).where(boards.c.id == board_id).scalar_subquery()
    on_open = OWN_SAVES.where(boards.c.secret == sa.false()).exists()
    conn.execute(
        sa.update(pins)
        .where(pins.c.id.in_(on_it), pins.c.user_id == owner, OWN_SAVES.exists())
        .values(secret=sa.case((on_open, sa.false()), else_=sa.true()))
    )
