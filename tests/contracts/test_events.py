"""What every event log keeps: an order, and whatever was appended."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from bowerbird.model import Event
from bowerbird.ports import EventLog
from tests.contracts.logs import ENGINES, log, saves

__all__ = ["log"]


def test_an_empty_log(log: EventLog) -> None:
    assert log.end() == 0
    assert log.read(0) == []
    log.append([])
    assert log.end() == 0


def test_a_log_may_begin_where_another_ended(engine: str, tmp_path: Path) -> None:
    log = ENGINES[engine].open(tmp_path)
    log.begin(after=4_000_000_000)
    log.append(saves(1, 2))
    assert [each.offset for each in log.read(0)] == [4_000_000_001, 4_000_000_002]
    assert log.end() == 4_000_000_002
    with pytest.raises(ValueError, match="has had events"):
        log.begin(after=5_000_000_000)
    log.close()
    again = ENGINES[engine].open(tmp_path)
    again.append(saves(3))
    assert [each.offset for each in again.read(4_000_000_002)] == [4_000_000_003]
    again.close()


def test_an_event_comes_as_it_was_appended(log: EventLog) -> None:
    event = Event("ready", at=1234.5678, user_id=2**40, pin_id=3, data={"media": "ab", "tags": ["ü", None, 1.5]})
    log.append([event, Event("failed", at=2.0)])
    first, second = log.read(0)
    assert msgspec.structs.replace(first, offset=0) == event
    assert msgspec.structs.replace(second, offset=0) == Event("failed", at=2.0)
    assert 0 < first.offset < second.offset == log.end()


def test_ids_come_as_they_were_given(log: EventLog) -> None:
    given = ["", "first", "first", "ü🐦"]
    log.append([Event("click", at=1.0, id=each) for each in given])
    assert [each.id for each in log.read(0)] == given


@pytest.mark.able("trims")
def test_what_was_trimmed_is_gone_and_its_offsets_are_not_given_again(engine: str, tmp_path: Path) -> None:
    log = ENGINES[engine].open(tmp_path)
    log.append(saves(*range(5000)))
    large, offsets = log.bytes(), [each.offset for each in log.read(0, most=5000)]
    log.trim(offsets[4990])
    assert [each.offset for each in log.read(0)] == offsets[4990:]
    assert log.bytes() < large
    log.trim(log.end() + 1)
    assert log.read(0) == []
    assert log.end() == offsets[-1]
    log.close()
    log = ENGINES[engine].open(tmp_path)
    assert log.end() == offsets[-1]
    log.append(saves(1))
    assert log.read(offsets[-1])[0].offset == log.end() > offsets[-1]
    log.close()


def test_threads_that_append_at_once_keep_their_order(log: EventLog) -> None:
    def write(user: int) -> None:
        for n in range(50):
            log.append(saves(n, user=user))

    writers = [threading.Thread(target=write, args=(user,)) for user in range(32)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    events = log.read(0, most=10_000)
    assert len(events) == 1600
    assert [each.offset for each in events] == sorted({each.offset for each in events})
    for user in range(32):
        assert [each.pin_id for each in events if each.user_id == user] == list(range(50))


def test_data_that_is_no_json_is_refused(log: EventLog) -> None:
    with pytest.raises(ValueError, match="JSON"):
        log.append([*saves(1), Event("save", at=1.0, data={"x": object()})])
    assert log.read(0) == []


def test_readers_keep_their_own_offsets(log: EventLog) -> None:
    log.append(saves(*range(25)))
    seen: list[int] = []
    after = 0
    while events := log.read(after, most=10):
        assert len(events) <= 10
        seen += [each.pin_id for each in events]
        after = events[-1].offset
    assert seen == list(range(25))
    assert after == log.end()
    assert log.read(after) == []
    log.append(saves(25))
    assert [each.pin_id for each in log.read(after)] == [25]
    assert len(log.read(0)) == 26
    assert log.read(0, most=0) == []


def test_everything_is_there_after_a_restart(engine: str, tmp_path: Path) -> None:
    log = ENGINES[engine].open(tmp_path)
    log.append(saves(1, 2))
    end = log.end()
    log.close()
    log = ENGINES[engine].open(tmp_path)
    assert log.end() == end
    log.append(saves(3))
    assert [each.pin_id for each in log.read(0)] == [1, 2, 3]
    assert log.end() > end
    log.close()


def test_a_reader_that_follows_misses_nothing(log: EventLog) -> None:
    """Offsets become visible in their order: no event appears below one that was already read."""

    def write(user: int) -> None:
        for n in range(100):
            log.append(saves(n, n, user=user))

    writers = [threading.Thread(target=write, args=(user,)) for user in range(1, 7)]
    for thread in writers:
        thread.start()
    seen: list[Event] = []
    while any(thread.is_alive() for thread in writers) or log.end() > seen[-1].offset:
        seen += log.read(seen[-1].offset if seen else 0, most=50)
    assert len(seen) == 1200
    for user in range(1, 7):
        assert [each.pin_id for each in seen if each.user_id == user] == [n for n in range(100) for _ in range(2)]
