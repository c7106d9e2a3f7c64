"""Reads the log, folds what happened into documents, and remembers how far it is."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
import structlog

from bowerbird.events import counters, heat, shown, taste, trending
from bowerbird.events.batch import Batch, encode, prepare
from bowerbird.model import Event
from bowerbird.ports import Engines, Lead, Unavailable

log = structlog.get_logger("bowerbird.events")

CHECKPOINT = "offset:events"
MOST = 1000
"""Events folded at a time."""
IDLE = 0.05
"""Seconds between two looks at a log in which nothing is new."""
STANDBY = 0.2
"""Seconds before who stands by asks again whether it is to fold."""
AWAY = 1.0
"""Seconds before an engine that was away is asked again."""

Fold = Callable[[bytes | None, Sequence[Event], Batch], bytes]


class Place(msgspec.Struct, frozen=True):
    """How far the log is folded; kept in metadata."""

    offset: int = 0
    at: float = 0.0
    """When that was."""


_place = msgspec.json.Decoder(Place).decode


def place(engines: Engines) -> Place:
    """How far the log is folded."""
    known = engines.metadata.get(CHECKPOINT)
    return _place(known) if known else Place()


def behind(engines: Engines) -> float:
    """Seconds since the oldest event happened that is not folded; 0 where all are."""
    waiting = engines.events.read(place(engines).offset, 1)
    return max(0.0, time.time() - waiting[0].at) if waiting else 0.0


def waiting(engines: Engines) -> int:
    """Events that are not folded. A log may begin anywhere, so offsets alone do not tell."""
    first = engines.events.read(place(engines).offset, 1)
    return engines.events.end() - first[0].offset + 1 if first else 0


def run(
    engines: Engines, lead: Lead, stop: threading.Event, each: Callable[[Sequence[Event]], None] = lambda _: None
) -> None:
    """Fold while `lead` is held, until `stop` is set; `each` is told of every batch once it is folded."""
    pause = 0.0
    while not stop.wait(pause):
        if not lead.held():
            pause = STANDBY
            continue
        try:
            folded = step(engines, held=lead.held)
            if folded:
                lead.done(folded[-1].offset)
            each(folded)
            pause = 0.0 if len(folded) == MOST else IDLE
        except Unavailable as error:
            log.warning("events wait", why=str(error))
            pause = AWAY


def step(engines: Engines, most: int = MOST, held: Callable[[], bool] = lambda: True) -> Sequence[Event]:
    """Fold the next events, `most` of them at most; those folded. `held`: whether it is still ours to do."""
    start = place(engines).offset
    events = engines.events.read(start, most)
    if not events:
        return ()
    batch, documents = prepare(engines, events, trending.WORTH)
    documents |= _folded(engines, batch)
    if not held():
        return ()
    engines.metadata.put_many(documents)
    # Last: what comes before it may be done again, and is then passed over. Who was given up while it wrote may have
    # undone what its successor folded since: then that is to be folded again.
    reached = events[-1].offset if held() else start
    engines.metadata.put(CHECKPOINT, encode(Place(reached, time.time())))
    return events


def _folded(engines: Engines, batch: Batch) -> dict[str, bytes]:
    """Every document that the batch changes."""
    liked, documents = trending.counted(batch)
    counted = {event.offset for event in liked}
    work: dict[str, tuple[Fold, list[Event]]] = {}

    def give(fold: Fold, keys: Iterable[str], event: Event) -> None:
        for key in keys:
            work.setdefault(key, (fold, []))[1].append(event)

    for event in batch.events:
        give(taste.fold, taste.keys(event), event)
        give(shown.fold, shown.keys(event), event)
        give(counters.fold, counters.keys(event, counted), event)
        give(heat.fold, heat.keys(event, batch), event)
    for event in liked:
        give(trending.fold, trending.keys(event, batch), event)
    known = engines.metadata.get_many(list(work))
    return documents | {key: fold(known.get(key), events, batch) for key, (fold, events) in work.items()}


class Only:
    """Held by the one process of a machine that writes something there; the kernel lets go when it dies."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")

    def wait(self, stop: threading.Event) -> bool:
        """Whether it is ours now; False once `stop` is set."""
        while not stop.is_set():
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                stop.wait(0.2)
        return False

    def close(self) -> None:
        self._file.close()
