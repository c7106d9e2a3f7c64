"""What many people like right now, overall and by tag.

A like adds to its pin's score and fades by half in a day. Of a person's looks at a pin (clicks, closeups) one counts in
a day, and of their saves one, so that a thousand clicks of one are worth one, and a pin rises only by people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from bowerbird.events.batch import Batch, encode
from bowerbird.model import Event, EventKind, Trend

WORTH = {EventKind.SAVE: 1.0, EventKind.CLICK: 0.5, EventKind.CLOSEUP: 0.2}
HALF = 86400.0
"""Seconds in which a score fades by half."""
WINDOW = 86400.0
"""Seconds in which one person's looks at one pin count once, and their saves of it."""
BEST = 200
PEOPLE = 2000
"""Of one pin that are remembered; one forgotten may count again."""


class Fans(msgspec.Struct, frozen=True):
    """Who liked a pin lately: by user id the offset and time of what counted; metadata `fans:<pin_id>`."""

    offset: int = 0
    people: dict[int, tuple[int, float]] = {}
    """Who looked at it."""
    savers: dict[int, tuple[int, float]] = {}


_trend = msgspec.json.Decoder(Trend).decode
_fans = msgspec.json.Decoder(Fans).decode


def counted(batch: Batch) -> tuple[list[Event], dict[str, bytes]]:
    """The likes that count, and the documents by which that is known.

    A like read again after a crash is known by its offset and counts as it did.
    """
    likes = [event for event in batch.events if event.kind in WORTH and _public(event)]
    kept = batch.engines.metadata.get_many(list({f"fans:{event.pin_id}" for event in likes}))
    fans = {key: _fans(document) for key, document in kept.items()}
    known = {key: {True: dict(one.savers), False: dict(one.people)} for key, one in fans.items()}
    found = []
    for event in likes:
        sides = known.setdefault(f"fans:{event.pin_id}", {True: {}, False: {}})
        side, now = sides[event.kind == EventKind.SAVE], min(event.at, batch.now)
        offset, at = side.get(event.user_id, (0, -WINDOW))
        # A clock that was ahead must not keep them from counting until then.
        if offset == event.offset or now - min(at, batch.now) >= WINDOW:
            side[event.user_id] = (event.offset, now)
            found.append(event)
    last = batch.events[-1].offset if batch.events else 0
    documents = {key: encode(Fans(last, _latest(both[False]), _latest(both[True]))) for key, both in known.items()}
    return found, documents


def _latest(fans: dict[int, tuple[int, float]]) -> dict[int, tuple[int, float]]:
    return dict(sorted(fans.items(), key=lambda one: one[1])[-PEOPLE:])


def _public(event: Event) -> bool:
    """Neither saved in secret, nor one of the few pictures that someone new had to choose from."""
    told = event.data.get("secret") or event.data.get("choice")
    return bool(event.user_id and event.pin_id and not told)


def keys(event: Event, batch: Batch) -> Iterator[str]:
    yield "trend:"
    for tag in batch.tags_of.get(batch.image(event), ()):
        yield f"trend:{tag}"


def fold(document: bytes | None, events: Sequence[Event], batch: Batch) -> bytes:
    trend = _trend(document) if document else Trend()
    # What a clock that was ahead told is of now: else all that comes after it would count for nothing until then.
    scores, now, offset = dict(trend.pins), min(trend.at, batch.now), trend.offset
    for event in events:
        if event.offset <= offset:
            continue
        at = min(event.at, batch.now)
        if at > now:  # a clock that went back fades nothing
            fade = 0.5 ** ((at - now) / HALF)
            scores, now = {pin: score * fade for pin, score in scores.items()}, at
        worth = WORTH[EventKind(event.kind)] * 0.5 ** ((now - at) / HALF)
        scores[event.pin_id] = scores.get(event.pin_id, 0.0) + worth
        offset = event.offset
    best = sorted(scores.items(), key=lambda one: -one[1])[:BEST]
    return encode(Trend(offset, now, tuple(best)))
