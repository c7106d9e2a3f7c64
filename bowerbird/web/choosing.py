"""What people say of single pictures: hide this, I like these."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from bowerbird.catalog import pins
from bowerbird.feed import onboard
from bowerbird.feed.related import taste_of
from bowerbird.model import EventKind, Pin
from bowerbird.ports import Unavailable
from bowerbird.web import acts
from bowerbird.web.cards import Card, cards
from bowerbird.web.current import folded
from bowerbird.web.site import Site

HIDING = (("dislike", "Not my taste"), ("seen", "I see it too often"), ("off-topic", "It does not belong here"))
"""Reasons to hide a picture, and what they are called."""

PATIENCE = 1.5
"""Seconds."""

FEWEST = 3
"""Choices that a first feed needs."""


def hide(site: Site, user_id: int, pin: Pin, reason: str, via: str = "") -> None:
    """Durable on return, and gone from the next page. Raises `Unavailable`: a picture must not come back because nobody
    noted that it was hidden."""
    again = _is_hidden(site, user_id, pin)
    event = acts.act(EventKind.HIDE, user_id, pin.id, via, image_id=pin.image.id, reason=reason, again=again)
    site.engines.events.append([event])
    _settled(site)


def unhide(site: Site, user_id: int, pin: Pin) -> None:
    """Raises `Unavailable`."""
    again = not _is_hidden(site, user_id, pin)
    site.engines.events.append([acts.act(EventKind.UNHIDE, user_id, pin.id, image_id=pin.image.id, again=again)])


def _is_hidden(site: Site, user_id: int, pin: Pin) -> bool:
    """As far as it was folded; one person's verdict on a pin counts once for others."""
    return any(action.pin_id == pin.id for action in taste_of(site.feed, user_id).hidden)


def starters(site: Site, user_id: int, seen: Collection[int], limit: int) -> list[Card]:
    """Cards for someone new to choose from; those `seen` do not come again."""
    with site.engines.database.read() as conn:
        found = onboard.starters(site.feed, conn, user_id, seen, limit)
    return cards(site.engines, found, site.signer)


def shown(site: Site, user_id: int, pin_ids: Sequence[int]) -> list[Card]:
    """Cards of these pins in their order, as far as the user sees them."""
    with site.engines.database.read() as conn:
        found = pins.get_many(conn, pin_ids, user_id)
    return cards(site.engines, [found[pin_id] for pin_id in pin_ids if pin_id in found], site.signer)


def choose(site: Site, user_id: int, pin_ids: Sequence[int]) -> int:
    """Note that these pictures are liked; how many of them there are for this user. Raises `Unavailable`."""
    with site.engines.database.read() as conn:
        found = pins.get_many(conn, pin_ids, user_id)
    chosen = [found[pin_id] for pin_id in dict.fromkeys(pin_ids) if pin_id in found]
    site.engines.events.append(
        [acts.act(EventKind.SAVE, user_id, pin.id, "welcome:::", image_id=pin.image.id, choice=True) for pin in chosen]
    )
    _settled(site)
    return len(chosen)


def _settled(site: Site) -> None:
    """Wait a moment for the processors: the next wall should know of it already. Without them it will later."""
    until = time.monotonic() + PATIENCE
    with suppress(Unavailable):
        offset = site.engines.events.end()
        while folded(site.engines) < offset and time.monotonic() < until:
            time.sleep(0.02)
