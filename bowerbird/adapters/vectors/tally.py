"""How many rows an engine holds, for callers that ask with every search."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bowerbird.ports import Unavailable

FRESH = 1.0
"""Seconds for which a count is believed."""
SHARE = 0.05
"""Of a process's time that counting may take: where it is slow it is done less often."""
AGAIN = 10.0
"""Seconds after which it is tried again where it took too long."""


class Tally:
    """What this process changes is counted at once, what others change within `FRESH` seconds or so."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._rows = 0
        self._known = False
        self._counting = 0
        """Threads that do."""
        self._until = 0.0
        self._changes = 0

    def rows(self) -> int:
        """Raises `Unavailable` if they were never counted, or not since a change of unknown size."""
        with self._lock:
            if time.monotonic() < self._until or (self._known and self._counting):
                return self._rows
            before = self._changes
            self._counting += 1
        start = time.monotonic()
        try:
            rows = self._count()
        except Unavailable:
            with self._lock:
                self._until = time.monotonic() + AGAIN if self._known else 0.0
                if self._known:
                    return self._rows
            raise
        finally:
            with self._lock:
                self._counting -= 1
        took = time.monotonic() - start
        with self._lock:
            if before == self._changes:  # else a change may or may not be in what was counted
                self._rows, self._known = rows, True
                self._until = time.monotonic() + max(FRESH, took / SHARE)
        return rows

    def changed(self, by: int) -> None:
        with self._lock:
            self._changes += 1
            self._rows = max(0, self._rows + by)  # others may have added what is removed here

    def forget(self) -> None:
        """Something changed, by how much is not known."""
        with self._lock:
            self._changes += 1
            self._known = False
            self._until = 0.0
