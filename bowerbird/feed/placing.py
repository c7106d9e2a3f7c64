"""From a composed list to a page: bookmarks, what was hidden since, and what the viewer may still see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import pins
from bowerbird.catalog.faces import Face, faces
from bowerbird.feed.features import HIDDEN
from bowerbird.feed.reasons import Teller
from bowerbird.feed.request import Feed, Placed, Why
from bowerbird.model import Action, State, Taste
from bowerbird.ports import Unavailable

LIKE = 0.75
"""Cosine from which a picture is like one that was hidden, and goes with it. In the demo's gallery 65 % of the pairs of
one style have it and 0.5 % of the pairs of two styles; at 0.80 it would be 47 % and 0.1 %."""
SAME = 0.96
"""Cosine from which it is the same picture (`search.duplicates`); what was hidden as seen already takes only these."""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A pin on a composed list."""

    pin_id: int
    image_id: int
    source: str
    why: Why
    features: bytes = b""
    """float16, as `features.NAMES` orders them."""


def bookmark_of(text: str | None) -> tuple[str, int]:
    """The request and the position of `<request>.<position>`; ("", 0) for None. Raises ValueError for what is none."""
    if text is None:
        return "", 0
    request, _, number = text.partition(".")
    if not (request.isascii() and request.isalnum() and number.isascii() and number.isdecimal()) or len(text) > 60:
        raise ValueError("This is no bookmark of a feed.")
    return request, int(number)


def place(
    feed: Feed,
    conn: Connection,
    viewer: int | None,
    taste: Taste,
    items: Mapping[int, Item],
    met: Mapping[int, Face] | None = None,
) -> list[Placed]:
    """By their positions, those that the viewer still may see and did not hide since. `met`: faces by pin id that this
    viewer was found to see in this very transaction; they are not asked for again."""
    gone = _hidden(feed, taste, list(items.values()))
    left = {at: item for at, item in items.items() if item.pin_id not in gone}
    whys = [item.why for item in left.values()]
    known = dict(met or {})
    wanted = ({item.pin_id for item in left.values()} | {why.pin_id for why in whys if why.pin_id}) - known.keys()
    if wanted:
        seen = pins.seen(conn, wanted, viewer)
        known |= faces(feed.engines, conn, {pin_id: secret for pin_id, (_, secret) in seen.items()})
    tell = Teller(conn, viewer, whys, known)
    return [
        Placed(known[item.pin_id], item.source, tell(item.why), at)
        for at, item in left.items()
        if item.pin_id in known and known[item.pin_id].state is State.READY
    ]


def _hidden(feed: Feed, taste: Taste, items: Sequence[Item]) -> set[int]:
    """Pins of these that are hidden, show a picture that is, or one like it."""
    gone = {action.pin_id for action in taste.hidden}
    pictures = {action.image_id for action in taste.hidden if action.image_id > 0}
    gone |= {item.pin_id for item in items if item.image_id in pictures}
    hidden = [action for action in taste.hidden if action.image_id > 0][:HIDDEN]
    if not hidden or not items:
        return gone
    ids = [item.image_id for item in items] + [action.image_id for action in hidden]
    try:
        looks = feed.engines.looks.get(np.array(ids, np.int64))
    except Unavailable:
        return gone
    alike = looks[: len(items)] @ looks[len(items) :].T >= [limit_of(action) for action in hidden]
    return gone | {items[row].pin_id for row in np.flatnonzero(alike.any(axis=1)).tolist()}


def limit_of(hidden: Action) -> float:
    """The cosine from which a picture goes with this hidden one."""
    return SAME if hidden.reason == "seen" else LIKE
