"""What stands before a cache server that may be away: it is left alone for a moment, then tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from bowerbird.ports import Unavailable

log = structlog.get_logger("bowerbird.cache")

T = TypeVar("T")

REST = 0.5
"""Seconds for which a server that failed is left alone; doubled by each trial that fails too."""
LONGEST = 4.0


class Breaker:
    """A frozen server costs the calls that are under way one timeout each, and then one call in `LONGEST` seconds.

    `drop` closes its idle connections, so that a trial begins with a new one. Each outage is told once in the log.
    """

    def __init__(self, server: str, drop: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self.server = server
        self.errors = 0
        self._drop = drop
        self._clock = clock
        self._rest = 0.0
        """0: it is in use."""
        self._until = 0.0
        self._lock = threading.Lock()

    def ask(self, call: Callable[[], T], otherwise: T) -> T:
        """`otherwise` where the server rests or fails. Never raises."""
        trial = self._rest > 0
        if trial and not self._turn():
            return otherwise
        try:
            answer = call()
        except Exception as error:  # a client's own faults, too, are no reason to have no page
            self._failed(error, trial)
            return otherwise
        self._worked()
        return answer

    def ping(self, call: Callable[[], object]) -> None:
        """Asks it even while it rests. Raises `Unavailable`."""
        try:
            call()
        except Exception as error:
            self._failed(error, trial=False)
            raise Unavailable(f"the cache at {self.server} is not in use: {_words(error)}") from error
        self._worked()

    def _turn(self) -> bool:
        """Whether the caller is the one that tries; the others go on without."""
        with self._lock:
            now = self._clock()
            if now < self._until:
                self.errors += 1
                return False
            self._until = now + self._rest
            return True

    def _failed(self, error: Exception, trial: bool) -> None:
        with self._lock:
            self.errors += 1
            first = not self._rest
            if first:
                self._rest = REST
            elif trial:
                self._rest = min(2 * self._rest, LONGEST)
            self._until = self._clock() + self._rest
        self._drop()
        if first:
            log.warning("cache away", server=self.server, why=_words(error))

    def _worked(self) -> None:
        if self._rest:
            with self._lock:
                self._rest = 0.0
            log.info("cache back", server=self.server)


def _words(error: Exception) -> str:
    return str(error).rstrip(". ") or type(error).__name__
