"""Runs a command every hour, as a process of its own: what it needs for a few seconds is not kept for the hour."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger("bowerbird.events")

HOUR = 3600.0
LATE = 60.0
"""Seconds past the hour, for events that were under way; and before one that failed is tried again."""


class Hourly:
    """`command` is started soon after each full hour, and at once the first time; one at a time. Used by one thread."""

    def __init__(self, command: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self._command = [*command, "--parent", str(os.getpid())]
        self._clock = clock
        self._hour = -1.0
        self._not_before = 0.0
        self._child: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Start it if it is time."""
        now = self._clock()
        if self._child is not None:
            if (code := self._child.poll()) is None:
                return
            self._child = None
            if code:
                log.warning("an hourly command failed", command=" ".join(self._command), code=code)
                self._hour, self._not_before = -1.0, now + LATE
        hour = (now - LATE) // HOUR
        # A clock that is set back is another hour as well, and must not hold it up for as long.
        if hour != self._hour and not 0 < self._not_before - now <= LATE:
            self._hour = hour
            try:
                self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            except OSError as error:  # no memory or process to spare; folding must go on
                log.warning("an hourly command cannot be started", why=str(error))
                self._hour, self._not_before = -1.0, now + LATE

    def close(self) -> None:
        """End what runs."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait()
