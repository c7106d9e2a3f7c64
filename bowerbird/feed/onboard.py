"""Pictures for someone new to choose from."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from bowerbird.catalog import pins
from bowerbird.feed.request import Feed
from bowerbird.model import Pin


def starters(feed: Feed, conn: Connection, viewer: int, seen: Collection[int] = (), limit: int = 24) -> list[Pin]:
    """A spread of well-liked and fresh pictures, as unlike each other as there are; `seen`: pin ids shown in earlier
    rounds, which do not come again."""
    return [pin for pin in pins.newest(conn, viewer, limit=limit + len(seen)) if pin.id not in seen][:limit]
