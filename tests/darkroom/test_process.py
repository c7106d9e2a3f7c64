from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bowerbird.darkroom.process import Darkroom, Spoiled
from bowerbird.ports import Unavailable
from tests.darkroom import works


def gone(pid: int) -> bool:
    """Neither running nor a zombie."""
    return not Path(f"/proc/{pid}").exists()


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_work_runs_in_another_process_that_stays(room: Darkroom) -> None:
    first = room.run(works.pid)
    assert first != os.getpid()
    assert room.run(works.pid) == first == room.pid
    assert room.run(works.dims) == (256, 16)
    assert room.run(works.array, 5).tolist() == [0, 1, 2, 3, 4]


def test_nothing_starts_before_it_is_needed_and_nothing_stays_when_idle() -> None:
    with Darkroom(works.Mosaic, idle=0.2) as room:
        assert room.pid is None
        pid = room.run(works.pid)
        wait_until_gone(pid)
        deadline = time.monotonic() + 5
        while room.pid is not None and time.monotonic() < deadline:  # the process goes a moment before its name does
            time.sleep(0.01)
        assert room.pid is None
        assert room.run(works.pid) != pid


def test_close_leaves_no_process() -> None:
    room = Darkroom(works.Mosaic)
    pid = room.run(works.pid)
    room.close()
    assert gone(pid)


@pytest.mark.parametrize(
    ("work", "args", "step", "reason"),
    [
        (works.crash, (), "render", "made its decoder crash"),
        (works.hoard, (4096,), "decode", "more than 2048 MB of memory"),
        (works.spoil, (), "sniff", "a teapot"),
        (works.blunder, (), "palette", "of ours"),
    ],
)
def test_what_goes_wrong_is_told_with_its_step(room: Darkroom, work, args, step: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Spoiled) as caught:
        room.run(work, *args)
    assert caught.value.step == step
    assert reason in caught.value.reason
    assert room.run(works.add, 1, 2) == 3


def test_work_that_hangs_is_stopped_in_time() -> None:
    with Darkroom(works.Mosaic, timeout=0.5) as room:
        pid = room.run(works.pid)
        start = time.monotonic()
        with pytest.raises(Spoiled) as caught:
            room.run(works.hang, 60.0)
        assert time.monotonic() - start < 5
        assert (caught.value.step, caught.value.reason) == ("animate", "It took longer than 0.5 seconds.")
        assert gone(pid)
        assert room.run(works.add, 1, 2) == 3


def test_a_child_killed_from_outside_costs_no_picture() -> None:
    with Darkroom(works.Mosaic) as room:
        pid = room.run(works.pid)
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        room.run(works.hang, 0.5)
        assert room.run(works.pid) != pid


def test_a_child_that_somebody_keeps_killing_is_not_the_pictures_fault() -> None:
    with Darkroom(works.Mosaic) as room:
        assert room.run(works.add, 1, 2) == 3
        with pytest.raises(Unavailable, match="was killed"):
            room.run(works.be_killed)
        assert room.run(works.add, 1, 2) == 3


def test_a_broken_encoder_is_not_the_pictures_fault() -> None:
    with Darkroom(works.broken_encoder) as room, pytest.raises(Unavailable, match="no weights here"):
        room.run(works.add, 1, 2)


def test_an_answer_cannot_run_code_in_the_parent(room: Darkroom, tmp_path: Path) -> None:
    with pytest.raises(Spoiled):
        room.run(works.trap, str(tmp_path / "owned"))
    assert not (tmp_path / "owned").exists()


def test_foreign_bytes_cannot_have_files_written(room: Darkroom, tmp_path: Path) -> None:
    with pytest.raises(Spoiled):
        room.run(works.write_file, str(tmp_path / "dropped"))
    assert not (tmp_path / "dropped").exists() or (tmp_path / "dropped").stat().st_size == 0


def test_many_threads_share_one_child(room: Darkroom) -> None:
    pids: list[int] = []
    sums: list[int] = []

    def ask(n: int) -> None:
        pids.append(room.run(works.pid))
        sums.append(room.run(works.add, n, 1000))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(pids)) == 1
    assert sorted(sums) == [1000 + n for n in range(12)]


PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
from bowerbird.darkroom.process import Darkroom
from tests.darkroom import works
room = Darkroom(works.Mosaic, timeout=60)
print(room.run(works.pid), flush=True)
if sys.argv[1] == "busy":
    room.run(works.hang, 50.0)
time.sleep(50)
"""


@pytest.mark.parametrize("mood", ["idle", "busy"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_child_goes_with_its_parent(mood: str, how: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, mood],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(0.1)
    parent.send_signal(how)
    _, errors = parent.communicate(timeout=20)
    wait_until_gone(child)
    assert errors.count("Traceback") <= 1, errors  # the parent's own, never the child's


def test_results_are_arrays_as_they_were(room: Darkroom) -> None:
    assert room.run(works.array, 100_000).dtype == np.float32


def test_who_comes_to_a_busy_darkroom_is_told_in_time() -> None:
    with Darkroom(works.Mosaic, patience=0.2) as room:
        room.run(works.add, 1, 2)
        busy = threading.Thread(target=room.run, args=(works.hang, 3.0))
        busy.start()
        time.sleep(0.5)
        with pytest.raises(Unavailable, match="busy"):
            room.run(works.add, 1, 2)
        busy.join()
        assert room.run(works.add, 1, 2) == 3


def test_no_process_left_for_the_moment_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with Darkroom(works.Mosaic) as room:
        with monkeypatch.context() as patch:
            patch.setattr(subprocess, "Popen", full)
            with pytest.raises(Unavailable, match="temporarily unavailable"):
                room.run(works.add, 1, 2)
        assert room.run(works.add, 1, 2) == 3
