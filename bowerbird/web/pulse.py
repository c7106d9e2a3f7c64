"""The service's pulse: a sample every few seconds, kept for an hour in the metadata store, for whoever wants to look.

Every web process takes samples; those of one moment are nearly the same and go to the same key, so it does not
matter whose stays.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import msgspec

from bowerbird.model import Event
from bowerbird.ports import Engines

EVERY = 10
"""Seconds between two samples."""
SAMPLES = 360
RECENT = 300.0
"""Seconds within which who did something is active."""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    at: float
    end: int
    """Offset of the newest event."""
    folded: int
    """Offset up to which the processors have folded everything."""
    queue: int
    """Pictures waiting."""
    people: int
    """Who did something in the last five minutes."""
    kinds: dict[str, int] = {}
    """Events by kind since the sample before."""


_decode = msgspec.json.Decoder(Sample).decode


class Pulse:
    """What one process has seen pass by in the log. Used by one thread."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}
        self._kinds: Counter[str] = Counter()
        self._slot = -1

    def fold(self, events: Iterable[Event]) -> None:
        for event in events:
            self._kinds[event.kind] += 1
            if event.user_id:
                self._last[event.user_id] = event.at

    def beat(self, engines: Engines, folded: int) -> None:
        """Take a sample if it is time. Raises `Unavailable`."""
        now = time.time()
        slot = int(now // EVERY)
        if slot == self._slot:
            return
        self._slot = slot
        self._last = {user: at for user, at in self._last.items() if at > now - RECENT}
        end, next_ = engines.events.end(), engines.events.read(folded, 1)
        folded = next_[0].offset - 1 if next_ else end  # a log may begin anywhere
        sample = Sample(now, end, folded, engines.queue.depth(), len(self._last), dict(self._kinds))
        self._kinds.clear()
        engines.metadata.put(_key(slot), msgspec.json.encode(sample), float(EVERY * SAMPLES))


def samples(engines: Engines) -> list[Sample]:
    """Of the last hour, oldest first."""
    now = int(time.time() // EVERY)
    slots = range(now - SAMPLES + 1, now + 1)
    found = engines.metadata.get_many([_key(slot) for slot in slots])
    # A ring's key may still hold what was written an hour ago, by engines that are slow to forget.
    kept = [_decode(found[_key(slot)]) for slot in slots if _key(slot) in found]
    return sorted(
        (one for one in kept if (now - SAMPLES) * EVERY < one.at <= (now + 1) * EVERY), key=lambda one: one.at
    )


def _key(slot: int) -> str:
    return f"pulse:{slot % SAMPLES}"
