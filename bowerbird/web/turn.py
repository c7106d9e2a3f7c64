"""Taking turns at work that the interpreter does one thread at a time anyway."""

from __future__ import annotations

import threading
from collections import deque


class Turn:
    """A semaphore that lets in who has waited longest.

    Python's own lets a thread that comes along take the place of one that has just been woken, so that under
    load a few requests wait many times as long as the rest.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until whoever leaves hands its place over

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
