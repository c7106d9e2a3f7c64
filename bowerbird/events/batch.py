"""A stretch of the log, made ready for the readers: what is doubled or about nothing is left out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from bowerbird.catalog import images, pins
from bowerbird.model import Event, Tag
from bowerbird.ports import Engines, Floats

REMEMBERED = 2000
"""Ids of one person's latest events, by which one sent again is known."""


class Ids(msgspec.Struct, frozen=True):
    """Ids of one person's latest events, and at which offset each came first; metadata `ids:<user_id>`."""

    offset: int = 0
    first: dict[str, int] = {}


class _Tagged(msgspec.Struct, frozen=True):
    tags: tuple[Tag, ...] = ()


_ids = msgspec.json.Decoder(Ids).decode
_tagged = msgspec.json.Decoder(_Tagged).decode
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Batch:
    """What the folds may know beside the events themselves."""

    engines: Engines
    events: Sequence[Event]
    image_of: Mapping[int, int] = field(default_factory=dict)
    """By pin id."""
    tags_of: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """By image id, of what was liked."""
    now: float = field(default_factory=time.time)
    """By the reader's clock: nothing happens later."""

    def image(self, event: Event) -> int:
        return self.image_of.get(event.pin_id, 0)

    def looks(self, image_ids: Sequence[int]) -> Floats:
        """(n, dim); zeros for what is not known."""
        import numpy as np

        return self.engines.looks.get(np.array(image_ids, np.int64))


def prepare(engines: Engines, events: Sequence[Event], liked: Iterable[str]) -> tuple[Batch, dict[str, bytes]]:
    """The batch, and the documents that remember its ids; they are to be written with what is made of it."""
    once, remembered = _once(engines, events)
    with engines.database.read() as conn:
        image_of = pins.images_of(conn, {event.pin_id for event in once if event.pin_id})
        shown = {image_of[event.pin_id] for event in once if event.kind in set(liked) and event.pin_id in image_of}
        media_of = images.media_of(conn, shown)
    known = engines.metadata.get_many([f"look:{media}" for media in media_of.values()])
    tags = {
        image_id: [tag.name for tag in _tagged(known[key]).tags]
        for image_id, media in media_of.items()
        if (key := f"look:{media}") in known
    }
    there = [event for event in once if not event.pin_id or event.pin_id in image_of]
    return Batch(engines, there, image_of, tags), remembered


def _once(engines: Engines, events: Sequence[Event]) -> tuple[list[Event], dict[str, bytes]]:
    """Without those that came before under the same id from the same person."""
    people = {event.user_id for event in events if event.id}
    kept = engines.metadata.get_many([f"ids:{user}" for user in people])
    known = {user: _ids(kept[key]) if (key := f"ids:{user}") in kept else Ids() for user in people}
    first = {user: dict(ids.first) for user, ids in known.items()}

    def new(event: Event) -> bool:
        if not event.id:
            return True
        ids = first[event.user_id]
        # Repeated, it moves to the end: what a replay will ask for again must not be forgotten first.
        ids[event.id] = ids.pop(event.id, event.offset)
        return ids[event.id] == event.offset

    once = [event for event in events if new(event)]
    last = events[-1].offset if events else 0
    remembered = {
        f"ids:{user}": encode(Ids(last, dict(list(ids.items())[-REMEMBERED:]))) for user, ids in first.items()
    }
    return once, remembered
