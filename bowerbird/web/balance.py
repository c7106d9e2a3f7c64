"""Connections are spread over the web processes of a port by how busy these are.

The kernel deals new connections out by chance, and clients keep them: of 16 connections to two processes one gets 10 or
more nearly every second time, and whoever is among them waits the longer. So a process that goes on having more
requests than the least busy one closes a connection with an answer now and then; its client connects anew and may meet
the other. (Envoy's `exact_balance` does so as connections come in, which Granian does not let us.)
"""

from __future__ import annotations

import fcntl
import mmap
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

MOST = 255
"""Requests that a byte can tell of, and processes."""
SHARE = 0.1
"""Of the last answer in the running mean."""
MORE = 1.5
"""Requests more than the least busy process has, in the mean, from which a connection is closed."""


class Balance:
    """What each of `processes` has to answer, a byte each in a file at `path` that they share."""

    def __init__(self, path: Path, processes: int) -> None:
        self._file = path.open("a+b")
        self._file.truncate(MOST)
        self._waiting = mmap.mmap(self._file.fileno(), MOST)
        slots = range(min(processes, MOST))
        self._mine = self._claimed(slots)
        self._others = [slot for slot in slots if slot != self._mine]
        self._excess = 0.0
        self.waiting(0)

    def _claimed(self, slots: Sequence[int]) -> int:
        """The first byte that no living process has: its lock ends with it. -1 where there is none, as in the moment in
        which one takes over from another."""
        for slot in slots:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                return slot
        return -1

    def waiting(self, requests: int) -> None:
        """So many are to be answered now."""
        if self._mine >= 0:
            self._waiting[self._mine] = min(requests, MOST)

    def crowded(self) -> bool:
        """Asked once an answer: whether its client had better connect anew."""
        if self._mine < 0 or not self._others:
            return False
        least = min(self._waiting[slot] for slot in self._others)
        self._excess += (self._waiting[self._mine] - least - self._excess) * SHARE
        if self._excess < MORE:
            return False
        self._excess = 0.0
        return True
