"""What the feed of a process works with, kept current: the save graph, what was learned from it, the newest saves."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
import structlog

from bowerbird.model import Hit
from bowerbird.ports import Engines
from bowerbird.search import duplicates
from bowerbird.web.pulse import Pulse

log = structlog.get_logger("bowerbird.web")

IDLE = 0.25
"""Seconds between two looks at a log in which nothing is new."""
AWAY = 5.0
"""Seconds before an engine that was away is asked again."""
MOST = 1000
CHECKPOINT = "offset:events"
"""Where the processors note how far they are (`events`)."""


class Prints(msgspec.Struct, frozen=True):
    """Of a `Look`, what near-duplicates are told by."""

    phash: str = ""
    phash_flip: str = ""


_prints = msgspec.json.Decoder(Prints)


def fold(engines: Engines, hits: Sequence[Hit], media: Mapping[int, str], most: int) -> list[Hit]:
    """`search.duplicates.fold` for the feed, which knows images by their media names."""
    known = engines.metadata.get_many([f"look:{media[hit.image_id]}" for hit in hits])
    found = {
        hit.image_id: _prints.decode(known[name]) if (name := f"look:{media[hit.image_id]}") in known else Prints()
        for hit in hits
    }
    return duplicates.fold(engines, hits, cast("Any", found), most)


class Place(msgspec.Struct, frozen=True):
    offset: int = 0


_place = msgspec.json.Decoder(Place)


def folded(engines: Engines) -> int:
    """The offset up to which the processors have folded everything."""
    known = engines.metadata.get(CHECKPOINT)
    return _place.decode(known).offset if known else 0


def follow(engines: Engines, closing: threading.Event) -> threading.Thread:
    """A daemon thread that reads what is new in the log, until `closing`."""
    thread = threading.Thread(target=_follow, args=(engines, closing), name="follow", daemon=True)
    thread.start()
    return thread


def _follow(engines: Engines, closing: threading.Event) -> None:
    pulse, offset, wait = Pulse(), -1, 0.0
    while not closing.wait(wait):
        try:
            if offset < 0:
                offset = engines.events.end()
            events = engines.events.read(offset, MOST)
            pulse.fold(events)
            pulse.beat(engines, folded(engines))
        except Exception as error:  # this thread must outlive whatever is wrong with an engine for a while
            if not closing.is_set():
                log.warning("the log cannot be followed", why=str(error))
            wait = AWAY
            continue
        offset = events[-1].offset if events else offset
        wait = 0.0 if len(events) == MOST else IDLE
