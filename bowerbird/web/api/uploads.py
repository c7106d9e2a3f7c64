"""News of one's uploads while they go through the pipeline."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import anyio
import anyio.to_thread
import msgspec
from litestar import get
from litestar.openapi import ResponseSpec
from litestar.response import ServerSentEvent, ServerSentEventMessage
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, fetches, pins
from bowerbird.catalog.fetches import Fetch
from bowerbird.model import Pin, State
from bowerbird.web.api.shapes import Fetched, PathId, fetched
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import Card, cards
from bowerbird.web.site import Site

LOOK_EVERY = 0.5
"""Seconds between two looks while something is on its way; four times as long while nothing is."""
PING_EVERY = 15.0
SLACK = 15.0
"""Seconds before the last look from which on what was made is still news: it is dated before others can read it, and by
a clock that may be another machine's."""
LONGEST = 600.0
"""Seconds after which a stream ends and the browser asks anew, by then perhaps logged out."""


class News(msgspec.Struct, frozen=True):
    """An upload that is on its way, has come through, or has failed."""

    id: str
    state: State
    step: str
    error: str
    card: Card | None
    """What to show of it, once it is ready."""


@get("/fetches/{fetch_id:int}", guards=[logged_in], sync_to_thread=True)
def get_fetch(site: Site, viewer: Viewer, fetch_id: PathId) -> Fetched:
    """Where an upload by URL stands."""
    with site.engines.database.read() as conn:
        found = fetches.get(conn, fetch_id)
    if found is None or found.user_id != viewer.id:
        raise NotFound("There is no such upload.")
    return fetched(found)


@get(
    "/uploads/stream",
    guards=[logged_in],
    responses={200: ResponseSpec(News, description="", media_type="text/event-stream", generate_examples=False)},
)
async def stream_uploads(site: Site, viewer: Viewer) -> ServerSentEvent:
    """Server-sent events: first how each of your unfinished uploads stands (the latest 200), then each change.

    Event `pin` carries a `News`, event `fetch` a `Fetched`, both as JSON.
    """
    return ServerSentEvent(_news(site, viewer.known().id))


async def _news(site: Site, user_id: int) -> AsyncIterator[ServerSentEventMessage]:
    seen: dict[str, bytes] = {}
    through: set[str] = set()
    looked = time.time()
    ends = pinged = time.monotonic()
    ends += LONGEST
    yield ServerSentEventMessage(data=None, comment="hello", retry=3000)
    while time.monotonic() < ends and not site.closing.is_set():
        since, looked = looked - SLACK, time.time()
        current = await anyio.to_thread.run_sync(_standing, site, user_id, list(seen), through, since)
        for key, event in current.items():
            if seen.get(key) != event.data:
                yield ServerSentEventMessage(event=key.partition(":")[0], data=event.data.decode())
        seen = {key: event.data for key, event in current.items() if event.state is not State.READY}
        through = (through | current.keys()) - seen.keys()
        if time.monotonic() - pinged > PING_EVERY:
            pinged = time.monotonic()
            yield ServerSentEventMessage(data=None, comment="ping")
        busy = any(event.state is State.PENDING for event in current.values())
        await anyio.sleep(LOOK_EVERY if busy else 4 * LOOK_EVERY)


class Standing(NamedTuple):
    state: State
    data: bytes


def _standing(site: Site, user_id: int, watched: list[str], through: set[str], since: float) -> dict[str, Standing]:
    """By key (`fetch:2`, `pin:1`) what is unfinished, what was when last looked, and what was made after `since`; of
    what was told to be `through`, only what is unfinished anew."""
    with site.engines.database.read() as conn:
        asked = [one for one in fetches.of_user(conn, user_id) if _interesting(one, watched, through, since)]
        found = {pin.id: pin for pin in pins.mine_unfinished(conn, user_id)}
        others = {int(key[4:]) for key in watched if key.startswith("pin:")} - found.keys()
        found |= {**pins.get_many(conn, others, user_id), **_ready(conn, user_id, since)}
    ready = [pin for pin in found.values() if pin.image.state is State.READY and f"pin:{pin.id}" not in through]
    news = [_pin_news(pin, None) for pin in found.values() if pin.image.state is not State.READY]
    news += [_pin_news(pin, card) for pin, card in zip(ready, cards(site.engines, ready, site.signer), strict=True)]
    # Fetches first: only from its fetch does a page learn which pin to wait for.
    standing = {f"fetch:{one.id}": Standing(one.state, msgspec.json.encode(fetched(one))) for one in asked}
    return standing | {f"pin:{one.id}": Standing(one.state, msgspec.json.encode(one)) for one in news}


def _interesting(one: Fetch, watched: list[str], through: set[str], since: float) -> bool:
    key = f"fetch:{one.id}"
    return key not in through and (one.state is State.PENDING or one.created_at > since or key in watched)


def _ready(conn: Connection, user_id: int, since: float) -> dict[int, Pin]:
    """The user's pins that were made after `since` and are ready, by id."""
    found: dict[int, Pin] = {}
    before = None
    while page := pins.of_user(conn, user_id, user_id, before):
        found |= {pin.id: pin for pin in page if pin.created_at > since}
        before = page[-1].id
        if page[-1].created_at <= since:
            break
    return found


def _pin_news(pin: Pin, card: Card | None) -> News:
    return News(str(pin.id), pin.image.state, pin.image.step, pin.image.error, card)
