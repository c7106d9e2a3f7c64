"""What a browser saw its person do."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import msgspec
from litestar import post
from msgspec import Meta

from bowerbird.catalog import pins
from bowerbird.model import Event, EventKind
from bowerbird.web import limits
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.site import Site

MOST = 500
"""Events of one batch."""
BATCHES = 120
"""Of one person in a minute; who sends more of them is no person."""
OLDEST = 86400.0
"""Seconds. A tab that slept may tell late, but not of another year."""

Word = Annotated[str, Meta(max_length=64)]


class Witnessed(msgspec.Struct, forbid_unknown_fields=True):
    """Something that a person did with a pin that was on a page."""

    id: Annotated[str, Meta(min_length=8, max_length=64)]
    """Yours, at random: an event sent twice counts once."""
    kind: Literal["impression", "closeup", "click"]
    pin_id: Annotated[str, Meta(pattern="^[0-9]{1,18}$")]
    at: float = 0.0
    """Seconds since the epoch by the browser's clock; 0 for now."""
    page: Word = ""
    request: Word = ""
    position: Annotated[int, Meta(ge=0, le=100_000)] = 0
    source: Word = ""


class Witness(msgspec.Struct, forbid_unknown_fields=True):
    events: Annotated[list[Witnessed], Meta(max_length=MOST)]
    csrf: str = ""
    """The session's CSRF token, for beacons, which cannot send it as a header."""


class Taken(msgspec.Struct):
    accepted: int
    """Events now in the log; those about pins that you may not see are left out."""


@post("/events", guards=[logged_in], status_code=202, sync_to_thread=True, opt={"beacon": True, "also": [429, 503]})
def add_events(site: Site, viewer: Viewer, data: Witness) -> Taken:
    """Tell what was seen, opened or followed; durable once answered. Whoever sends it is who did it."""
    me = viewer.known().id
    limits.allow(site.engines.cache, f"events:{me}", BATCHES, 60.0)
    with site.engines.database.read() as conn:
        known = pins.seen(conn, {int(each.pin_id) for each in data.events}, me)
    now = time.time()
    events = [_event(each, me, known[int(each.pin_id)][0], now) for each in data.events if int(each.pin_id) in known]
    site.engines.events.append(events)
    return Taken(len(events))


def _event(said: Witnessed, user_id: int, image_id: int, now: float) -> Event:
    data: dict[str, Any] = {"image_id": image_id, "position": said.position}
    data |= {name: text for name in ("page", "request", "source") if (text := getattr(said, name))}
    at = min(max(said.at, now - OLDEST), now) if said.at else now
    return Event(EventKind(said.kind), at, user_id, int(said.pin_id), data, id=said.id)
