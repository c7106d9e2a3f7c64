"""How often what happened: to each pin, and to what each source proposed at each depth of the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from bowerbird.events.batch import Batch, encode
from bowerbird.model import Counts, Event, EventKind

FIELDS = {
    EventKind.IMPRESSION: ("impressions", 1),
    EventKind.CLOSEUP: ("closeups", 1),
    EventKind.CLICK: ("clicks", 1),
    EventKind.SAVE: ("saves", 1),
    EventKind.UNSAVE: ("saves", -1),
    EventKind.HIDE: ("hides", 1),
    EventKind.UNHIDE: ("hides", -1),
}
SOURCE = re.compile("[a-z+]{1,48}")
"""Names that a key is made of; a browser may say anything."""
STEPS = range(11)
"""Depths of a page: positions 0, 1, 2 and 3, 4 to 7, and so on, twice as many each time."""

_decode = msgspec.json.Decoder(Counts).decode


def step(position: int) -> int:
    return min(position.bit_length(), STEPS[-1])


def keys(event: Event) -> Iterator[str]:
    if event.kind not in FIELDS or not event.pin_id:
        return
    if not event.data.get("secret"):  # figures that others see must not tell what is secret
        yield f"counts:{event.pin_id}"
    source, position = event.data.get("source"), event.data.get("position")
    if isinstance(source, str) and SOURCE.fullmatch(source) and isinstance(position, int) and position >= 0:
        for one in set(source.split("+")) - {""}:  # each of those that agreed on it
            yield f"counts:{one}:{step(position)}"


def fold(document: bytes | None, events: Sequence[Event], batch: Batch) -> bytes:
    counts = _decode(document) if document else Counts()
    totals = {name: getattr(counts, name) for name, _ in FIELDS.values()}
    offset = counts.offset
    for event in events:
        if event.offset > offset:
            name, change = FIELDS[EventKind(event.kind)]
            totals[name] = max(0, totals[name] + change)
            offset = event.offset
    return encode(Counts(offset, **totals))
