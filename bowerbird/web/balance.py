"""Connections are spread over the web processes of a port by how busy these are.

The kernel deals new connections out by chance, and clients keep them: of 16 connections to two processes one gets 10 or
more nearly every second time, and whoever is among them waits the longer. So a process that goes on having more
requests than the least busy one closes a connection with an answer now and then; its client connects anew and may meet
the other. (Envoy's `exact_balance` does so as connections come in, which Granian does not let us.)
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

MOST = 255
"""Requests that a byte can tell of, and processes."""
SHARE = 0.1
"""Of the last answer in the running mean."""
MORE = 1.5
"""Requests more than the least busy process has, in the mean, from which a connection is closed."""


class Balance:
    """What each of `processes` has to answer, a byte each in a file at `path` that they share. Where that cannot be
    opened or written, nothing is closed."""

    def __init__(self, path: Path, processes: int) -> None:
        self._slots = range(min(processes, MOST))
        self._mine = -1
        self._excess = 0.0
        self._file = -1
        if processes > 1:
            with suppress(OSError):
                self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                self._claim()

    def _claim(self) -> None:
        """The first byte that no living process has: its lock ends with it. None where one takes over from another that
        lives still."""
        for slot in self._slots:
            with suppress(OSError):
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
                self._mine = slot
                return

    def waiting(self, requests: int) -> None:
        """So many are to be answered now."""
        if self._mine >= 0:
            with suppress(OSError):
                os.pwrite(self._file, bytes([min(requests, MOST)]), self._mine)

    def crowded(self) -> bool:
        """Asked once an answer: whether its client had better connect anew."""
        if self._file < 0:
            return False
        if self._mine < 0:
            self._claim()
            return False
        try:
            told = os.pread(self._file, len(self._slots), 0).ljust(len(self._slots), b"\0")
        except OSError:
            return False
        least = min((told[slot] for slot in self._slots if slot != self._mine), default=0)
        self._excess += (told[self._mine] - least - self._excess) * SHARE
        if self._excess < MORE:
            return False
        self._excess = 0.0
        return True
