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
    """Server-sent events: first how each of your unfinished uploads stands, then each change.

    Event `pin` carries a `News`, event `fetch` a `Fetched`, both as JSON.
    """
    return ServerSentEvent(_news(site, viewer.known().id))


async def _news(site: Site, user_id: int) -> AsyncIterator[ServerSentEventMessage]:
    seen: dict[str, bytes] = {}
    since = time.time() - PING_EVERY
    ends = pinged = time.monotonic()
    ends += LONGEST
    yield ServerSentEventMessage(data=None, comment="hello", retry=3000)
    while time.monotonic() < ends and not site.closing.is_set():
        current = await anyio.to_thread.run_sync(_standing, site, user_id, list(seen), since)
        since = float("inf")
        for key, event in current.items():
            if seen.get(key) != event.data:
                yield ServerSentEventMessage(event=key.partition(":")[0], data=event.data.decode())
        seen = {key: event.data for key, event in current.items() if event.state is not State.READY}
        if time.monotonic() - pinged > PING_EVERY:
            pinged = time.monotonic()
            yield ServerSentEventMessage(data=None, comment="ping")
        busy = any(event.state is State.PENDING for event in current.values())
        await anyio.sleep(LOOK_EVERY if busy else 4 * LOOK_EVERY)


class Standing(NamedTuple):
    state: State
    data: bytes


def _standing(site: Site, user_id: int, watched: list[str], since: float) -> dict[str, Standing]:
    """By key (`pin:1`, `fetch:2`) what is unfinished, what was when last looked, and fetches made after `since`."""
    with site.engines.database.read() as conn:
        unfinished = pins.mine_unfinished(conn, user_id)
        ids = {int(key[4:]) for key in watched if key.startswith("pin:")} - {pin.id for pin in unfinished}
        through = [pin for pin in pins.get_many(conn, ids, user_id).values() if pin.image.state is State.READY]
        asked = [one for one in fetches.of_user(conn, user_id) if _interesting(one, watched, since)]
    drawn = cards(site.engines, through, site.signer)
    news = [_pin_news(pin, None) for pin in unfinished]
    news += [_pin_news(pin, card) for pin, card in zip(through, drawn, strict=True)]
    return {f"pin:{one.id}": Standing(one.state, msgspec.json.encode(one)) for one in news} | {
        f"fetch:{one.id}": Standing(one.state, msgspec.json.encode(fetched(one))) for one in asked
    }


def _interesting(one: Fetch, watched: list[str], since: float) -> bool:
    return one.state is State.PENDING or one.created_at > since or f"fetch:{one.id}" in watched


def _pin_news(pin: Pin, card: Card | None) -> News:
    return News(str(pin.id), pin.image.state, pin.image.step, pin.image.error, card)
