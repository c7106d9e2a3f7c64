"""Decides when what is learned from all saves is due to be made again. What that is, is passed in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from bowerbird.model import Event, EventKind

log = structlog.get_logger("bowerbird.events")

MANY = 500
"""Saves since the last time that are worth it at once."""
SHARE = 0.02
"""Of all saves that it was made of, likewise: a large site need not start anew for a few."""
PATIENCE = 600.0
"""Seconds after which fewer are worth it as well."""


class Rebuild:
    """`build()` makes it and says of how many saves; it runs in a thread, one at a time, while folding goes on."""

    def __init__(self, build: Callable[[], int], missing: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`missing`: nothing has been made yet, so it is due at once."""
        self._build = build
        self._clock = clock
        self._missing = missing
        self._changes = 0
        self._saves = 0
        self._last = clock()
        self._thread: threading.Thread | None = None

    def told(self, events: Sequence[Event]) -> None:
        """Of every batch; starts a build if one is due."""
        self._changes += sum(event.kind in (EventKind.SAVE, EventKind.UNSAVE) for event in events)
        if self.due() and not (self._thread and self._thread.is_alive()):
            self._missing, self._changes, self._last = False, 0, self._clock()
            self._thread = threading.Thread(target=self._run, name="rebuild", daemon=True)
            self._thread.start()

    def due(self) -> bool:
        if self._missing:
            return True
        waited = self._clock() - self._last
        return self._changes >= max(MANY, SHARE * self._saves) or (self._changes > 0 and waited >= PATIENCE)

    def wait(self) -> None:
        """Until the build under way, if there is one, has ended."""
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._saves = self._build()
        except Exception as error:  # folding must go on; the next time may go better
            log.warning("what saves teach could not be made anew", why=str(error), exc_info=True)
            self._last = self._clock()
            self._changes += 1
