"""The home page of one person: composed once, kept, and shown page by page."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import pins
from bowerbird.catalog.faces import of_pins
from bowerbird.feed import served
from bowerbird.feed.compose import Cursor, compose
from bowerbird.feed.features import COLUMNS
from bowerbird.feed.placing import Item, bookmark_of, place
from bowerbird.feed.request import Asked, Feed, Page, Placed, Why
from bowerbird.model import Shown, Taste, Trend
from bowerbird.ports import Unavailable

T = TypeVar("T")


KEEP = 6 * 3600.0
"""Seconds for which a composed list is kept, from when it was composed."""
LEFT_OUT = 20_000
"""Pins of one chain of lists that are remembered as shown; who scrolls on may see the first again."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """A composed list, in metadata under `feed:<request>`."""

    user_id: int
    items: list[Item]
    before: list[int]
    """Pins that earlier lists of the chain showed."""
    cursor: Cursor


class Known(NamedTuple):
    """What metadata knows of a viewer."""

    taste: Taste
    shown: Shown
    trend: Trend


_kept = msgspec.msgpack.Decoder(Kept | None).decode
_taste = msgspec.json.Decoder(Taste).decode
_shown = msgspec.json.Decoder(Shown).decode
_trend = msgspec.json.Decoder(Trend).decode


def home(feed: Feed, conn: Connection, viewer: int, bookmark: str | None = None, limit: int = 25) -> Page:
    """A page of `limit` pins at most, and the bookmark of the next.

    The same bookmark gives the same pins again, without those hidden, deleted or turned secret meanwhile. One that
    is too old or somebody else's begins anew. Without the metadata store it is the newest pins. Raises ValueError
    for what is no bookmark.
    """
    request, position = bookmark_of(bookmark)
    try:
        if request == "newest":
            return _newest(feed, conn, viewer, _load(feed, viewer, request)[1].taste, position, limit)
        return _page(feed, conn, viewer, request, position, limit)
    except Unavailable:
        feed.missed["page:failed"] += 1
        return _newest(feed, conn, viewer, Taste(), position if request == "newest" else 0, limit)


def _newest(feed: Feed, conn: Connection, viewer: int, taste: Taste, before: int, limit: int) -> Page:
    """The next of the newest pins that were not hidden."""
    while True:
        found = pins.newest(conn, viewer, before or None, limit + 1)
        items = {n: Item(pin.id, pin.image.id, "newest", Why("new")) for n, pin in enumerate(found[:limit])}
        placed = place(
            feed, conn, viewer, taste, items, {face.id: face for face in of_pins(feed.engines, found[:limit])}
        )
        before = found[limit - 1].id if len(found) > limit else 0
        if placed or not before:
            return Page("newest", placed, f"newest.{before}" if before else None)


def _page(feed: Feed, conn: Connection, viewer: int, request: str, position: int, limit: int) -> Page:
    """From `position` of the list on. Each page has its places: what is gone from them leaves gaps, so that no other
    page moves; only a page that would be empty takes the next places."""
    kept, known = _load(feed, viewer, request)
    if kept is None:
        request, position = secrets.token_hex(12), 0
        kept = _compose(feed, conn, viewer, request, known, [], Cursor())
        if not kept.items:
            return _newest(feed, conn, viewer, known.taste, 0, limit)
    while position < len(kept.items) or not kept.cursor.done:
        if position >= len(kept.items):
            before = [*kept.before, *(item.pin_id for item in kept.items)][-LEFT_OUT:]
            request, position, cursor = _successor(request), 0, kept.cursor
            kept = _load(feed, viewer, request)[0] or _compose(feed, conn, viewer, request, known, before, cursor)
        start, position = position, min(position + limit, len(kept.items))
        items = dict(enumerate(kept.items[start:position], start))
        placed = place(feed, conn, viewer, known.taste, items)
        if placed:
            _log(feed, viewer, request, placed, kept)
            ended = position == len(kept.items) and kept.cursor.done
            return Page(request, placed, None if ended else f"{request}.{position}")
    return Page(request, [], None)


def _successor(request: str) -> str:
    """The name of the list after this one: the same bookmark leads to the same list in every process."""
    return hashlib.blake2b(request.encode(), digest_size=12).hexdigest()


def _load(feed: Feed, viewer: int, request: str) -> tuple[Kept | None, Known]:
    """The viewer's own list of this name, if it is kept still, and what is known of the viewer."""
    keys = [f"feed:{request}", f"taste:{viewer}", f"shown:{viewer}", "trend:"]
    found = feed.engines.metadata.get_many(keys)
    kept: Kept | None = _decoded(_kept, found.get(keys[0]), None)
    taste = _decoded(_taste, found.get(keys[1]), Taste())
    known = Known(taste, _decoded(_shown, found.get(keys[2]), Shown()), _decoded(_trend, found.get(keys[3]), Trend()))
    return (kept if kept and kept.user_id == viewer else None), known


def _decoded(decode: Callable[[bytes], T], document: bytes | None, default: T) -> T:
    """What an older or a newer Bowerbird wrote may not be readable: then it is as good as not there."""
    with suppress(msgspec.DecodeError):
        return decode(document) if document else default
    return default


def _compose(
    feed: Feed, conn: Connection, viewer: int, request: str, known: Known, before: list[int], cursor: Cursor
) -> Kept:
    asked = asked_by(feed, conn, viewer, request, known, before)
    items, cursor = compose(asked, cursor)
    kept = Kept(viewer, items, before, cursor)
    list_ = msgspec.msgpack.encode(kept)
    # Lost in a power cut it is composed anew, as one that is too old.
    feed.keep(lambda: feed.engines.metadata.put(f"feed:{request}", list_, KEEP, durable=False))
    return kept


def asked_by(
    feed: Feed, conn: Connection, viewer: int, request: str, known: Known, before: Iterable[int] = ()
) -> Asked:
    """The request as sources see it; its dice are its own, so that composing it again comes out alike."""
    seed = int.from_bytes(hashlib.blake2b(request.encode(), digest_size=8).digest())
    dice = np.random.default_rng([feed.salt, seed])
    asked = Asked(feed, conn, viewer, feed.clock(), dice, *known, frozenset(before))
    acted = feed.lately.of_pins(conn, np.array([action.pin_id for action in asked.recent()], np.int64), viewer)
    asked.creators = acted["user_id"][acted["id"] > 0].tolist()
    return asked


def _log(feed: Feed, viewer: int, request: str, placed: list[Placed], kept: Kept) -> None:
    """Depths are counted over all lists of the chain: who has come to the second has scrolled past the first."""
    depths = [len(kept.before) + each.position for each in placed]
    rows = b"".join(kept.items[each.position].features for each in placed)
    served.note(feed, viewer, "home", request, [each.pin.id for each in placed], depths, COLUMNS, rows)
