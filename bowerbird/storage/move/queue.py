"""Jobs that wait, and those that were parked."""

from __future__ import annotations

import time

from bowerbird.ports import Queue, Unavailable
from bowerbird.storage.move import Moved, Report

AT_ONCE = 10
HELD = 60.0
"""Seconds for which a job is taken; also how long one that a worker holds, or that waits for another try, is waited
for."""


def empty(target: Queue) -> bool:
    return target.depth() == target.parked_depth() == 0


def move(source: Queue, target: Queue, report: Report) -> list[Moved]:
    """Each job leaves the source once the target has it: killed in between, it is in both, which a job may be. Parked
    ones are tried again. Raises `Unavailable` for jobs that a worker holds."""
    source.retry()
    of, done = source.depth(), 0
    deadline = time.monotonic() + 2 * HELD
    while source.depth():
        taken = source.receive(AT_ONCE, HELD)
        if taken:
            target.send([each.job for each in taken])
            for each in taken:
                source.ack(each)
            done += len(taken)
            report("Jobs", done, max(of, done))
            deadline = time.monotonic() + 2 * HELD
        elif time.monotonic() > deadline:
            raise Unavailable(
                f"{source.depth()} jobs are held by workers. Stop them (`bowerbird work`, `serve`) and run this again."
            )
        else:
            time.sleep(0.2)
    return [Moved("jobs", done, "")]
