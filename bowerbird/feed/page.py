"""The home page of one person: composed once, kept, and shown page by page."""

from __future__ import annotations

from sqlalchemy import Connection

from bowerbird.catalog import pins
from bowerbird.feed.request import Feed, Page, Placed, Reason


def home(feed: Feed, conn: Connection, viewer: int, bookmark: str | None = None, limit: int = 25) -> Page:
    """A page of `limit` pins at most. The same bookmark gives the same pins again, without those hidden, deleted or
    turned secret meanwhile. A bookmark that is not this viewer's or is too old begins anew; ValueError for none."""
    before = _before(bookmark)
    found = pins.newest(conn, viewer, before, limit + 1)
    placed = [Placed(pin, "newest", Reason("new"), number) for number, pin in enumerate(found[:limit])]
    return Page("newest", placed, f"newest.{found[limit - 1].id}" if len(found) > limit else None)


def _before(bookmark: str | None) -> int | None:
    if bookmark is None:
        return None
    name, _, number = bookmark.partition(".")
    if not name.isalnum() or not number.isdecimal() or len(bookmark) > 60:
        raise ValueError("This is no bookmark of a feed.")
    return int(number)
