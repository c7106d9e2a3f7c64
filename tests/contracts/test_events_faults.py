"""An event log to which many append at once, whose leader dies, and whose server is away, slow or full."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bowerbird.fleet.server import Server, freeze, send
from bowerbird.model import Event
from bowerbird.ports import EventLog, Lead, Unavailable
from tests.contracts.faults import SmallDisk, Tell, killed, together
from tests.contracts.logs import ENGINES, log, saves
from tests.proxy import Proxy

__all__ = ["log"]


def _append(tell: Tell, engine: str, folder: Path, user: int) -> None:
    log = ENGINES[engine].open(folder)
    for n in range(100):
        log.append(saves(n, user=user))
    tell(log.end())


def test_processes_append_to_one_log(engine: str, tmp_path: Path, log: EventLog) -> None:
    together(_append, [(engine, tmp_path, user) for user in (1, 2, 3)])
    events = log.read(0)
    assert len({each.offset for each in events}) == 300
    for user in (1, 2, 3):
        assert [each.pin_id for each in events if each.user_id == user] == list(range(100))


def _append_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    log = ENGINES[engine].open(folder)
    n = 0
    while True:
        log.append(saves(n, n))
        tell(n)
        n += 1


def test_a_killed_writer_loses_nothing_it_was_promised(engine: str, tmp_path: Path) -> None:
    told = killed(_append_for_ever, engine, tmp_path, after=60)
    log = ENGINES[engine].open(tmp_path)
    pins = [each.pin_id for each in log.read(0, most=100_000)]
    assert 2 * len(told) <= len(pins) <= 2 * len(told) + 2
    assert pins == [n for n in range(len(told) + 1) for _ in range(2)][: len(pins)]
    assert not ENGINES[engine].whole or len(pins) % 2 == 0, "half of one append was kept"
    log.close()


def test_a_full_disk_is_told_and_loses_nothing(engine: str, small_disk: SmallDisk) -> None:
    log = ENGINES[engine].open(small_disk.path)
    kept = 0
    with pytest.raises(Unavailable, match=str(small_disk.path)):
        for n in range(10_000):
            log.append([Event("save", at=1.0, pin_id=n, data={"filling": "x" * 2000})])
            kept += 1
    assert [each.pin_id for each in log.read(0, most=10_000)] == list(range(kept))
    small_disk.grow()
    log.append(saves(kept))
    assert log.read(0, most=10_000)[-1].pin_id == kept
    log.close()


def soon(lead: Lead, seconds: float) -> bool:
    """Whether it is held within so many seconds."""
    until = time.monotonic() + seconds
    while not lead.held() and time.monotonic() < until:
        time.sleep(0.05)
    return lead.held()


def test_one_leads_and_another_follows(engine: str, log: EventLog) -> None:
    within = ENGINES[engine].takeover
    first, second, other = log.lead("events"), log.lead("events"), log.lead("something else")
    assert soon(other, within)
    deadline = time.monotonic() + within
    while not (first.held() or second.held()) and time.monotonic() < deadline:
        time.sleep(0.05)
    leading, waiting = (first, second) if first.held() else (second, first)
    for _ in range(20):
        assert not (first.held() and second.held())
        time.sleep(0.05)
    assert leading.held()
    leading.done(log.end())
    leading.close()
    assert not leading.held()
    assert soon(waiting, within)
    waiting.close()
    other.close()


def _lead_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    lead = ENGINES[engine].open(folder).lead("events")
    while True:
        if lead.held():
            tell(os.getpid())
        time.sleep(0.02)


def test_the_dead_are_followed(engine: str, tmp_path: Path, log: EventLog) -> None:
    killed(_lead_for_ever, engine, tmp_path, after=20)
    lead = log.lead("events")
    assert soon(lead, ENGINES[engine].takeover)
    lead.close()


def _lead_till_told(tell: Tell, engine: str, folder: Path) -> None:
    """Tells if it still thinks so when another was seen to lead."""
    lead = ENGINES[engine].open(folder).lead("events")
    assert soon(lead, ENGINES[engine].takeover)
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "pid").rename(folder / "leads")
    while not (folder / "over").exists():
        if (folder / "followed").exists() and lead.held():
            tell("still leads")
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.able("follows_frozen")
def test_who_slept_too_long_knows_that_another_leads(engine: str, tmp_path: Path, log: EventLog) -> None:
    within = ENGINES[engine].takeover

    def watch() -> None:
        until = time.monotonic() + 2 * within
        while not (tmp_path / "leads").exists() and time.monotonic() < until:
            time.sleep(0.05)
        pid = int((tmp_path / "leads").read_text())
        freeze([pid])
        lead = log.lead("events")
        followed = soon(lead, within)
        if followed:
            (tmp_path / "followed").touch()
        send([pid], signal.SIGCONT)
        time.sleep(2)
        kept.append(followed and lead.held())
        (tmp_path / "over").touch()
        lead.close()

    kept: list[bool] = []
    watching = threading.Thread(target=watch)
    watching.start()
    (told,) = together(_lead_till_told, [(engine, tmp_path)])
    watching.join()
    assert kept == [True]
    assert told == []


def away(log: EventLog) -> None:
    """Every call says so, and soon, also when many are made at once."""
    calls: list[Callable[[], object]] = [lambda: log.append(saves(1)), lambda: log.read(0), log.end, log.bytes]
    start = time.monotonic()
    with ThreadPoolExecutor(2 * len(calls)) as threads:
        for done in [threads.submit(call) for call in 2 * calls]:
            assert isinstance(done.exception(), Unavailable)
    assert time.monotonic() - start < 8


def test_a_frozen_engine_holds_nobody_up(engine: str, tmp_path: Path, place: Server, log: EventLog) -> None:
    open_hasty = ENGINES[engine].hasty
    assert open_hasty is not None
    log.append(saves(1))
    hasty = open_hasty(tmp_path)
    with contextlib.suppress(Unavailable):  # a busy machine may take longer than it waits
        hasty.append(saves(1))
    place.freeze()
    try:
        away(hasty)
    finally:
        place.thaw()
    log.append(saves(2))
    # What was on its way when it froze may have come, or not.
    assert [each.pin_id for each in log.read(0) if each.pin_id == 2] == [2]
    hasty.close()


@pytest.fixture
def behind(engine: str, tmp_path: Path, place: Server) -> Iterator[tuple[Proxy, EventLog]]:
    """A proxy, and the log that is reached through it."""
    open_behind = ENGINES[engine].behind
    assert open_behind is not None
    proxy, log = open_behind(tmp_path)
    yield proxy, log
    log.close()
    proxy.close()


def test_a_slow_engine_answers_late_or_not_at_all(behind: tuple[Proxy, EventLog]) -> None:
    proxy, log = behind
    log.append(saves(1))
    proxy.delay = 2.0
    start = time.monotonic()
    with contextlib.suppress(Unavailable):
        log.append(saves(2))
    with contextlib.suppress(Unavailable):
        assert log.read(0)
    assert time.monotonic() - start < 15
    proxy.delay = 0.0
    log.append(saves(3))
    assert [each.pin_id for each in log.read(0)] in ([1, 3], [1, 2, 3])


def test_a_broken_line_is_mended(behind: tuple[Proxy, EventLog]) -> None:
    proxy, log = behind
    log.append(saves(1))
    proxy.refuse()
    with pytest.raises(Unavailable):
        log.append(saves(2))
    with pytest.raises(Unavailable):
        log.read(0)
    proxy.accept()
    log.append(saves(3))
    assert [each.pin_id for each in log.read(0)] in ([1, 3], [1, 2, 3])
