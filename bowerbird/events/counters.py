"""How often what happened: to each pin, and to what each source proposed at each depth of the page.

Of a person's looks at a pin one counts in a day (`trending.counted`), so that nobody moves what all see by clicking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

import msgspec

from bowerbird.events.batch import Batch, encode
from bowerbird.model import SOURCES, Counts, Event, EventKind

FIELDS = {
    EventKind.IMPRESSION: ("impressions", 1),
    EventKind.CLOSEUP: ("closeups", 1),
    EventKind.CLICK: ("clicks", 1),
    EventKind.SAVE: ("saves", 1),
    EventKind.UNSAVE: ("saves", -1),
    EventKind.HIDE: ("hides", 1),
    EventKind.UNHIDE: ("hides", -1),
}
LOOKS = (EventKind.CLICK, EventKind.CLOSEUP)
STEPS = range(11)
"""Depths of a page: positions 0, 1, 2 and 3, 4 to 7, and so on, twice as many each time."""

_decode = msgspec.json.Decoder(Counts).decode


def step(position: int) -> int:
    return min(position.bit_length(), STEPS[-1])


def keys(event: Event, counted: Set[int]) -> Iterator[str]:
    """`counted`: offsets of the likes that count."""
    if event.kind not in FIELDS or not event.pin_id:
        return
    if _tells(event) and (event.kind not in LOOKS or event.offset in counted):
        yield f"counts:{event.pin_id}"
    source, position = event.data.get("source"), event.data.get("position")
    # A browser may say anything, and each name is a document.
    if isinstance(source, str) and isinstance(position, int) and position >= 0:
        for one in SOURCES & set(source[:100].split("+")):  # each of those that agreed on it
            yield f"counts:{one}:{step(position)}"


def _tells(event: Event) -> bool:
    """Whether others may see it in figures: nothing secret, nor what someone new had to choose from; nor again what
    counts already."""
    return not (event.data.get("secret") or event.data.get("choice") or event.data.get("again"))


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
