"""Real processes: restarted when they die, gone when the supervisor goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bowerbird.fleet.autoscale import Scale
from bowerbird.fleet.supervisor import Supervisor

TETHERED = """
import sys, os, pathlib, threading
from bowerbird.fleet.tether import tether
out = pathlib.Path(sys.argv[1])
(out / str(os.getpid())).touch()
tether(int(sys.argv[-1]), lambda: os._exit(3))
threading.Event().wait()
"""


def child(folder: Path) -> list[str]:
    return [sys.executable, "-c", TETHERED, str(folder)]


def alive(folder: Path) -> set[int]:
    """The children that said they are there and still are."""
    found = set()
    for entry in folder.iterdir():
        stat = Path("/proc") / entry.name / "stat"
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
            found.add(int(entry.name))
    return found


def until(condition: Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextmanager
def supervised(supervisor: Supervisor) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)


def test_as_many_workers_as_the_queue_deserves_and_none_left_behind(tmp_path: Path) -> None:
    depth = [0]
    with supervised(Supervisor(lambda: depth[0], Scale(1, 3), child(tmp_path))):
        until(lambda: len(alive(tmp_path)) == 1)
        depth[0] = 100
        until(lambda: len(alive(tmp_path)) == 3)
    assert alive(tmp_path) == set()


def test_a_killed_process_is_started_again(tmp_path: Path) -> None:
    with supervised(Supervisor(lambda: 0, Scale(1, 1), child(tmp_path))):
        until(lambda: len(alive(tmp_path)) == 1)
        (first,) = alive(tmp_path)
        os.kill(first, signal.SIGKILL)
        until(lambda: len(alive(tmp_path) - {first}) == 1)


def test_one_that_keeps_dying_is_started_ever_more_slowly(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys,pathlib,os; pathlib.Path(sys.argv[1],str(os.getpid())).touch()"]
    with supervised(Supervisor(lambda: 0, Scale(1, 1), [*command, str(tmp_path)])):
        time.sleep(5)
    assert 2 <= len(list(tmp_path.iterdir())) <= 4


def test_a_killed_supervisor_takes_its_processes_with_it(tmp_path: Path) -> None:
    code = (
        "import sys,threading,json;from bowerbird.fleet.supervisor import Supervisor;"
        "from bowerbird.fleet.autoscale import Scale;"
        "Supervisor(lambda: 9, Scale(2, 2), json.loads(sys.argv[1])).run(threading.Event())"
    )
    import json

    parent = subprocess.Popen([sys.executable, "-c", code, json.dumps(child(tmp_path))])
    until(lambda: len(alive(tmp_path)) == 2)
    parent.kill()
    parent.wait()
    until(lambda: not alive(tmp_path))


def test_one_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """As while no memory or no process is left."""
    program = tmp_path / "program"
    with supervised(Supervisor(lambda: 0, Scale(1, 1), [str(program), *child(tmp_path)[1:]])):
        time.sleep(1.5)
        made = tmp_path / "made"
        made.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        made.chmod(0o755)
        made.rename(program)
        until(lambda: len(alive(tmp_path)) == 1)
