"""What people do, told to the event log, with where they did it."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import structlog
from litestar.params import QueryParameter
from sqlalchemy import Connection

from bowerbird.catalog import boards, pins
from bowerbird.model import Board, Event, EventKind
from bowerbird.ports import Unavailable
from bowerbird.web.site import Site

log = structlog.get_logger("bowerbird.web")

WHERE = re.compile(r"([a-z]{1,12}):([A-Za-z0-9_-]{0,40}):([0-9]{0,5}):([a-z+]{0,48})")

Via = Annotated[
    str,
    QueryParameter(
        max_length=80,
        description="Where it was done, as `page:request:position:source`; what cannot be read is passed over.",
    ),
]


def where(via: str) -> dict[str, Any]:
    """`page`, `request`, `position` and `source` as far as `via` tells them; a stranger may have written it."""
    found = WHERE.fullmatch(via)
    if found is None:
        return {}
    page, request, position, source = found.groups()
    told = {"page": page, "request": request, "source": source}
    known: dict[str, Any] = {name: value for name, value in told.items() if value}
    return {**known, "position": int(position)} if position else known


def act(kind: EventKind, user_id: int, pin_id: int = 0, via: str = "", **data: Any) -> Event:
    """Happening now; what is empty of `data` is left out."""
    known = {name: value for name, value in data.items() if value}
    return Event(kind, time.time(), user_id, pin_id, {**where(via), **known})


def note(site: Site, *events: Event | None) -> None:
    """Append what is done already, and must not fail because the log is away."""
    try:
        site.engines.events.append([event for event in events if event is not None])
    except Unavailable as error:
        log.warning("events lost", count=len(events), why=str(error))


def later(site: Site, event: Event) -> None:
    """Append, in a moment, what nobody was promised: its page waits for no log."""
    site.feed.untold.append(event)


def save(conn: Connection, user_id: int, board_id: int, pin_id: int, via: str = "") -> Event | None:
    """Put a pin on a board; what to note, if it is new there. Raises `NotFound`, `Forbidden`."""
    new = boards.save(conn, board_id, pin_id, user_id)
    return act(EventKind.SAVE, user_id, pin_id, via, **_facts(conn, user_id, board_id, pin_id)) if new else None


def unsave(conn: Connection, user_id: int, board_id: int, pin_id: int, via: str = "") -> Event | None:
    """Take a pin off a board; what to note, if it was there. Raises `NotFound`, `Forbidden`."""
    gone = boards.unsave(conn, board_id, pin_id, user_id)
    return act(EventKind.UNSAVE, user_id, pin_id, via, **_facts(conn, user_id, board_id, pin_id)) if gone else None


def change_board(conn: Connection, user_id: int, board_id: int, **fields: Any) -> tuple[Board, Event | None]:
    """Change one's own board, as `boards.update`; what to note, if it turned secret or open."""
    before = boards.get(conn, board_id, user_id)
    board = boards.update(conn, board_id, user_id, **fields)
    turned = before is not None and before.secret != board.secret
    return board, act(EventKind.BOARD, user_id, board_id=board_id, secret=board.secret) if turned else None


def delete_board(conn: Connection, user_id: int, board_id: int) -> Event:
    """Raises `NotFound`, `Forbidden`."""
    boards.delete(conn, board_id, user_id)
    return act(EventKind.BOARD, user_id, board_id=board_id, secret=True)


def _facts(conn: Connection, user_id: int, board_id: int, pin_id: int) -> dict[str, Any]:
    """What readers of the log need to know without asking the catalog. A save on a secret board says so."""
    pin, board = pins.get(conn, pin_id, user_id), boards.get(conn, board_id, user_id)
    return {
        "board_id": board_id,
        "image_id": pin.image.id if pin else 0,
        "secret": board is None or board.secret,
    }
