"""What stands before an engine that may be away, so that callers do not queue up for one that does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bowerbird.ports import Unavailable

REST = 0.5
"""Seconds after a failure in which nobody is let through."""


class Away(Unavailable):
    """The engine itself, not only this call, fails."""


class Gate:
    """After a failure one caller at a time tries again; the others are told at once what the last one met."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._why = ""
        self._next = 0.0
        self._trying = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Raises `Unavailable` where it is shut; an `Away` raised within shuts it."""
        trial = self._enter()
        try:
            yield
            self._why = ""
        except Away as error:
            with self._lock:
                self._why, self._next = str(error), self._clock() + REST
            raise
        finally:
            if trial:
                self._trying = False

    def _enter(self) -> bool:
        with self._lock:
            if not self._why:
                return False
            if self._trying or self._clock() < self._next:
                raise Away(self._why)
            self._trying = True
            return True
