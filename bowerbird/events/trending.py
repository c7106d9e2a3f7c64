"""What many people like right now, overall and by tag.

A like adds to its pin's score and fades by half in a day. One person's likes of one pin count once in a day, so that a
thousand clicks of one are worth one click, and a pin rises only by people.
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
"""Seconds in which one person's likes of one pin count once."""
BEST = 200
PEOPLE = 2000
"""Of one pin that are remembered; one forgotten may count again."""


class Fans(msgspec.Struct, frozen=True):
    """Who liked a pin lately: by user id the offset and time of what counted; metadata `fans:<pin_id>`."""

    offset: int = 0
    people: dict[int, tuple[int, float]] = {}


_trend = msgspec.json.Decoder(Trend).decode
_fans = msgspec.json.Decoder(Fans).decode


def counted(batch: Batch) -> tuple[list[Event], dict[str, bytes]]:
    """The likes that count, and the documents by which that is known.

    A like read again after a crash is known by its offset and counts as it did.
    """
    likes = [event for event in batch.events if event.kind in WORTH and _public(event)]
    kept = batch.engines.metadata.get_many(list({f"fans:{event.pin_id}" for event in likes}))
    people: dict[int, dict[int, tuple[int, float]]] = {}
    found = []
    for event in likes:
        key = f"fans:{event.pin_id}"
        fans = people.setdefault(event.pin_id, dict(_fans(kept[key]).people) if key in kept else {})
        offset, at = fans.get(event.user_id, (0, -WINDOW))
        if offset == event.offset or event.at - at >= WINDOW:
            fans[event.user_id] = (event.offset, event.at)
            found.append(event)
    last = batch.events[-1].offset if batch.events else 0
    documents = {
        f"fans:{pin}": encode(Fans(last, dict(sorted(fans.items(), key=lambda one: one[1])[-PEOPLE:])))
        for pin, fans in people.items()
    }
    return found, documents


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
    scores, now, offset = dict(trend.pins), trend.at, trend.offset
    for event in events:
        if event.offset <= offset:
            continue
        if event.at > now:  # a clock that went back fades nothing
            fade = 0.5 ** ((event.at - now) / HALF)
            scores, now = {pin: score * fade for pin, score in scores.items()}, event.at
        worth = WORTH[EventKind(event.kind)] * 0.5 ** ((now - event.at) / HALF)
        scores[event.pin_id] = scores.get(event.pin_id, 0.0) + worth
        offset = event.offset
    best = sorted(scores.items(), key=lambda one: -one[1])[:BEST]
    return encode(Trend(offset, now, tuple(best)))
