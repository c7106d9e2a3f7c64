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
PAUSE = 20.0
"""Seconds from one to the next at least, however much happens."""


class Rebuild:
    """`build()` makes it and says of how many saves; it runs in a thread, one at a time, while folding goes on."""

    def __init__(self, build: Callable[[], int], missing: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`missing`: nothing has been made yet, so it is due at once."""
        self._build = build
        self._clock = clock
        self._missing = missing
        self._at_once = False
        self._changes = 0
        self._saves = 0
        self._last = clock()
        self._thread: threading.Thread | None = None

    def told(self, events: Sequence[Event]) -> None:
        """Of every batch; starts a build if one is due."""
        self._changes += sum(event.kind in (EventKind.SAVE, EventKind.UNSAVE) and _counts(event) for event in events)
        # What a board taught must not be told on once it is secret.
        self._at_once |= any(event.kind == EventKind.BOARD for event in events)
        if self.due() and not (self._thread and self._thread.is_alive()):
            self._missing, self._at_once, self._changes, self._last = False, False, 0, self._clock()
            self._thread = threading.Thread(target=self._run, name="rebuild", daemon=True)
            self._thread.start()

    def due(self) -> bool:
        if self._missing:
            return True
        waited = self._clock() - self._last
        if waited < PAUSE:
            return False
        many = self._changes >= max(MANY, SHARE * self._saves)
        return self._at_once or many or (self._changes > 0 and waited >= PATIENCE)

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


def _counts(event: Event) -> bool:
    """Whether it changes what is learned: a choice of someone new is on no board, and what is secret teaches nobody."""
    return not (event.data.get("choice") or event.data.get("secret"))
