"""Who sees what, as SQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, FromClause

from bowerbird.catalog.tables import Id, boards, members, pins, saves

Viewer = int | None | ColumnElement[int]
"""A user's id, None for someone who is not logged in, or a bind parameter that will hold an id."""

VIEWER: ColumnElement[int] = sa.bindparam("viewer", type_=Id)


def takes_part(viewer: int | ColumnElement[int], table: FromClause = boards) -> ColumnElement[bool]:
    """Boards that the viewer owns or is a member of."""
    member = sa.exists().where(members.c.board_id == table.c.id, members.c.user_id == viewer)
    return sa.or_(table.c.user_id == viewer, member)


def board_seen_by(viewer: Viewer, table: FromClause = boards) -> ColumnElement[bool]:
    """Open boards, and secret ones in which the viewer takes part."""
    open_board: ColumnElement[bool] = table.c.secret == sa.false()
    return open_board if viewer is None else sa.or_(open_board, takes_part(viewer, table))


def pin_seen_by(viewer: Viewer, table: FromClause = pins) -> ColumnElement[bool]:
    """Pins that are not secret, are the viewer's own, or are on a board in which the viewer takes part."""
    public: ColumnElement[bool] = table.c.secret == sa.false()
    if viewer is None:
        return public
    save, board = saves.alias(), boards.alias()
    shared = sa.exists().where(save.c.pin_id == table.c.id, save.c.board_id == board.c.id, takes_part(viewer, board))
    return sa.or_(public, table.c.user_id == viewer, shared)


def viewer_of(viewer: int | None) -> dict[str, Any]:
    """The parameter that a statement built with `VIEWER` needs."""
    return {} if viewer is None else {"viewer": viewer}
