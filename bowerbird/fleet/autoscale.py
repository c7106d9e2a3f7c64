"""How many workers the queue deserves."""

from __future__ import annotations

from dataclasses import dataclass

JOBS_EACH = 4
"""Waiting jobs that are worth one more worker: starting one costs about as much as four pictures."""

PATIENCE = 60.0
"""Seconds of too many workers before one is let go, so that a pause in an import costs nothing."""


@dataclass
class Scale:
    """Target tracking on jobs a worker: up at once, down slowly."""

    least: int
    most: int
    _idle_since: float | None = None

    def wanted(self, depth: int, running: int, now: float) -> int:
        """Workers wanted for `depth` jobs, of which `running` workers exist; `now` in seconds."""
        target = min(self.most, max(self.least, -(-depth // JOBS_EACH)))
        if target >= running:
            self._idle_since = None
            return target
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < PATIENCE:
            return running
        self._idle_since = now
        return running - 1
