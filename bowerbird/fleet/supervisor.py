"""Keeps the processes of a service alive: web, events, and as many workers as the queue deserves."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bowerbird.fleet.autoscale import Scale
from bowerbird.ports import Unavailable

log = structlog.get_logger("fleet")

BEAT = 0.5
"""Seconds between two looks at the processes."""

GRACE = 15.0
"""Seconds a process has to finish what it holds before it is killed."""

LONGEST_PAUSE = 30.0
"""Seconds, at most, before a process that keeps dying is started again."""


@dataclass
class Seat:
    """A place for one process of a role; what dies in it is started again, ever more slowly."""

    role: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    born: float = 0.0
    not_before: float = 0.0
    leaving: bool = False

    def start(self) -> None:
        self.process = subprocess.Popen([*self.command, "--parent", str(os.getpid())], start_new_session=True)
        self.born = time.monotonic()

    def look(self) -> None:
        """Start the process if there is none; note a death."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None and not self.leaving:
            self.deaths = 1 if now - self.born > LONGEST_PAUSE else self.deaths + 1
            code, self.process = self.process.returncode, None
            log.warning("process died", role=self.role, code=code, again_in=self._pause(now))
        if self.process is None and now >= self.not_before:
            try:
                self.start()
            except OSError as error:  # no memory or no process is left, for the moment
                self.deaths += 1
                log.warning("process not started", role=self.role, why=str(error), again_in=self._pause(now))

    def _pause(self, now: float) -> float:
        """Seconds until the next start, which is not before."""
        pause = 0.0 if self.deaths == 1 else min(LONGEST_PAUSE, 0.5 * 2**self.deaths)
        self.not_before = now + pause
        return pause

    def leave(self) -> None:
        """Ask the process to finish."""
        self.leaving = True
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    @property
    def gone(self) -> bool:
        return self.process is None or self.process.poll() is not None


@dataclass
class Supervisor:
    """Runs until `stop` is set.

    `worker` and those of `always` (role and command of what there is one of) are commands; each takes `--parent PID`
    and ends when that process is gone.
    """

    depth: Callable[[], int]
    scale: Scale
    worker: Sequence[str]
    always: Sequence[tuple[str, Sequence[str]]] = ()
    seats: list[Seat] = field(default_factory=list)
    leaving: list[Seat] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        self.seats += [Seat(role, words) for role, words in self.always]
        try:
            for beat in itertools.count():
                if beat % 2 == 0:
                    self._rescale()
                for seat in self.seats:
                    seat.look()
                self.leaving = [seat for seat in self.leaving if not seat.gone]
                if stop.wait(BEAT):
                    break
        finally:
            self._close()

    def _rescale(self) -> None:
        workers = [seat for seat in self.seats if seat.role == "worker"]
        try:
            wanted = self.scale.wanted(self.depth(), len(workers), time.monotonic())
        except Unavailable as error:
            log.warning("queue away", error=str(error))
            return
        for _ in range(wanted - len(workers)):
            self.seats.append(Seat("worker", self.worker))
        for seat in workers[wanted:]:
            self.seats.remove(seat)
            self.leaving.append(seat)
            seat.leave()

    def _close(self) -> None:
        everyone = [*self.seats, *self.leaving]
        for seat in everyone:
            seat.leave()
        deadline = time.monotonic() + GRACE
        for seat in everyone:
            if seat.process is None:
                continue
            try:
                seat.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("process killed", role=seat.role)
                seat.process.kill()
                seat.process.wait()


def command(*words: str) -> list[str]:
    """This program again, with other words."""
    return [sys.executable, "-m", "bowerbird", *words]
