"""What belongs with a pin or on a board: what looks like it, what people keep with it, what is about the same."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import pins
from bowerbird.feed.request import Feed, Page, Placed, Reason
from bowerbird.model import Pin, State


def related(
    feed: Feed, conn: Connection, viewer: int | None, pin: Pin, bookmark: str | None = None, limit: int = 25
) -> Page:
    """A page of what belongs with a pin that the viewer sees; ValueError for what is no bookmark."""
    vector = feed.engines.looks.get(np.array([pin.image.id], np.int64))
    if not vector.any():
        return Page("", [], None)
    hits = feed.engines.looks.search(vector, min(limit + 1, len(feed.engines.looks))).ids[0]
    shown = pins.for_images(conn, [int(hit) for hit in hits if hit > 0 and hit != pin.image.id], viewer)
    placed = [
        Placed(each, "visual", Reason("look", pin), number)
        for number, each in enumerate(each for each in shown.values() if each.image.state is State.READY)
    ]
    return Page("", placed[:limit], None)


def more_for_board(
    feed: Feed, conn: Connection, viewer: int, board_id: int, bookmark: str | None = None, limit: int = 25
) -> Page:
    """*More ideas*: a page of pins that would fit on a board and are not on it; empty for a board that the viewer
    does not see. ValueError for what is no bookmark."""
    on = pins.of_board(conn, board_id, viewer, limit=1)
    return related(feed, conn, viewer, on[0], bookmark, limit) if on else Page("", [], None)
