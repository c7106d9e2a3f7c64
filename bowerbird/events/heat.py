"""How much each image is looked at, fading: what tiering goes by. Metadata `heat:<image_id>`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from bowerbird.events.batch import Batch, encode
from bowerbird.model import Event, EventKind

WORTH = {EventKind.IMPRESSION: 0.1, EventKind.CLOSEUP: 1.0, EventKind.CLICK: 1.0, EventKind.SAVE: 2.0}
HALF = 7 * 86400.0
"""Seconds in which heat fades by half."""


class Heat(msgspec.Struct, frozen=True):
    offset: int = 0
    at: float = 0.0
    """The time that it is faded to."""
    heat: float = 0.0


_decode = msgspec.json.Decoder(Heat).decode


def keys(event: Event, batch: Batch) -> Iterator[str]:
    if event.kind in WORTH and batch.image(event):
        yield f"heat:{batch.image(event)}"


def fold(document: bytes | None, events: Sequence[Event], batch: Batch) -> bytes:
    known = _decode(document) if document else Heat()
    offset, now, heat = known.offset, known.at, known.heat
    for event in events:
        if event.offset > offset:
            later = max(now, event.at)
            heat = heat * 0.5 ** ((later - now) / HALF) + WORTH[EventKind(event.kind)]
            offset, now = event.offset, later
    return encode(Heat(offset, now, heat))
