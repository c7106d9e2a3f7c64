"""So many at a time, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A semaphore that lets in who has waited longest.

    Python's own lets a thread that comes along take the place of one that has just been woken, so that under load a few
    wait many times as long as the rest.
    """

    def __init__(self, many: int) -> None:
        self._free = many
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def take(self, seconds: float | None = None) -> bool:
        """Whether it is one's turn within so many seconds, None being as long as it takes; then it must be given
        back."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(seconds):
            return True
        with self._lock:
            if not mine.is_set():
                self._waiting.remove(mine)
            return mine.is_set()

    def give(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def __enter__(self) -> None:
        self.take()

    def __exit__(self, *_: object) -> None:
        self.give()
