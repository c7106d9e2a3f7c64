"""What each person has really been shown, so that nothing comes too often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from bowerbird.events.batch import Batch, encode
from bowerbird.model import Event, EventKind, Shown

LATEST = 2000

_decode = msgspec.json.Decoder(Shown).decode


def keys(event: Event) -> Iterator[str]:
    if event.user_id and event.kind == EventKind.IMPRESSION:
        yield f"shown:{event.user_id}"


def fold(document: bytes | None, events: Sequence[Event], batch: Batch) -> bytes:
    shown = _decode(document) if document else Shown()
    pins, offset = dict(shown.pins), shown.offset
    for event in events:
        if event.offset > offset:
            times, _ = pins.pop(event.pin_id, (0, 0.0))
            pins[event.pin_id] = (times + 1, event.at)
            offset = event.offset
    return encode(Shown(offset, dict(list(pins.items())[-LATEST:])))
