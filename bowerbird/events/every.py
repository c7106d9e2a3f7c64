"""Runs a command every hour or day, as a process of its own: what it needs for a few seconds is not kept meanwhile."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger("bowerbird.events")

HOUR, DAY = 3600.0, 86400.0
LATE = 60.0
"""Seconds past the full hour or day, for events that were under way."""


class Every:
    """`command` is started soon after each full `period` of seconds, and at once if it has not run in this one; one at
    a time. Used by one thread."""

    def __init__(
        self, period: float, command: Sequence[str], last: float = 0.0, clock: Callable[[], float] = time.time
    ) -> None:
        """`last`: when it ran, in seconds since the epoch."""
        self._period = period
        self._pause = max(LATE, period / 60)
        """Before one that failed is tried again."""
        self._command = [*command, "--parent", str(os.getpid())]
        self._clock = clock
        self._turn = (last - LATE) // period
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
                log.warning("a regular command failed", command=" ".join(self._command), code=code)
                self._again(now)
        turn = (now - LATE) // self._period
        # A clock that is set back is another turn as well, and must not hold it up for as long.
        if turn != self._turn and not 0 < self._not_before - now <= self._pause:
            self._turn = turn
            try:
                self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            except OSError as error:  # no memory or process to spare; folding must go on
                log.warning("a regular command cannot be started", why=str(error))
                self._again(now)

    def close(self) -> None:
        """End what runs."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait()

    def _again(self, now: float) -> None:
        self._turn, self._not_before = -1.0, now + self._pause
