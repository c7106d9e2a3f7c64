"""One writer and its replicas: who is asked, and what a session sees of what it wrote."""

from __future__ import annotations

import contextvars
import time
from importlib import import_module

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bowerbird.adapters.database.replicated import Position, parsed
from bowerbird.ports import Unavailable
from bowerbird.web.edge import WRITTEN as COOKIE
from tests.contracts.pairs import Kind, Pair, Readers, answered, at, within, write
from tests.contracts.test_database import texts


@pytest.mark.usefixtures("patient")
def test_reads_are_the_readers_and_writes_the_writers(pair: Pair) -> None:
    database = pair.process()
    assert {pair.answers(database) for _ in range(20)} == {pair.ports[1]}
    with database.write() as conn:
        assert conn.scalar(sa.text(pair.kind.port)) == pair.ports[0]


@pytest.mark.usefixtures("patient")
def test_a_session_reads_its_own_writes_from_whichever_process(pair: Pair) -> None:
    mine, other = pair.process(), pair.process()
    pair.kind.pause(pair.url, pair.ports[1])
    try:
        write(mine, "new")
        started = time.monotonic()
        assert texts(mine) == ["new"]
        assert time.monotonic() - started < 3
        assert texts(other) == []  # another session may be a little behind

        def request(position: str) -> list[str]:
            other.catch_up(position)
            return texts(other)

        position = mine.position()
        assert position
        assert contextvars.copy_context().run(request, position) == ["new"]
        for wrong in ("", "x", "1_0.2_", position + "_", "9" * 300):
            assert contextvars.copy_context().run(request, wrong) == []
        assert texts(other) == []
    finally:
        pair.kind.resume(pair.url, pair.ports[1])
    within(5, lambda: texts(other) == ["new"])
    within(10, lambda: pair.answers(mine) == pair.ports[1])


@pytest.mark.usefixtures("patient")
@pytest.mark.able("hush")
def test_of_servers_that_tell_no_positions_the_writer_answers_whoever_has_just_written(pair: Pair) -> None:
    assert pair.kind.hush is not None
    url = pair.kind.hush(pair.url, pair.ports[0])
    mine, other = (pair.process(url, [at(url, pair.ports[1])]) for _ in range(2))
    assert pair.answers(mine) == pair.ports[1]
    pair.kind.pause(pair.url, pair.ports[1])
    try:
        write(mine, "new")
        assert texts(mine) == ["new"]
        assert texts(other) == []

        def request() -> list[str]:
            other.catch_up(mine.position())
            return texts(other)

        assert contextvars.copy_context().run(request) == ["new"]
        within(4, lambda: pair.answers(mine) == pair.ports[1])
    finally:
        pair.kind.resume(pair.url, pair.ports[1])


@given(
    marks=st.dictionaries(st.from_regex(r"[0-9a-f-]{1,36}", fullmatch=True), st.integers(0, 2**63 - 1), max_size=8),
    at=st.integers(0, 10**14),
)
def test_a_position_is_read_as_it_was_told(marks: dict[str, int], at: int) -> None:
    told = Position(at / 1000, marks)
    assert parsed(str(told)) == told
    assert COOKIE.search(b"a=b; bowerbird_written=" + str(told).encode() + b"; c=d")


@given(st.text(alphabet="0123456789._-abcxé ", max_size=60))
def test_no_word_is_too_strange_for_a_position(text: str) -> None:
    found = parsed(text)
    assert found is None or parsed(str(found)) == found


def test_a_reader_that_is_too_far_behind_is_left_out(pair: Pair) -> None:
    mine, other = pair.process(), pair.process()
    pair.kind.pause(pair.url, pair.ports[1])
    try:
        write(mine, "new")
        assert pair.answers(other) == pair.ports[1]
        within(8, lambda: pair.answers(other) == pair.ports[0])
        assert texts(other) == ["new"]
    finally:
        pair.kind.resume(pair.url, pair.ports[1])
    within(5, lambda: pair.answers(other) == pair.ports[1])


@pytest.mark.slow
def test_readers_move_over_when_a_replica_freezes_and_back_when_it_thaws(pair: Pair) -> None:
    database = pair.process()
    write(database, "kept")
    with Readers(database) as readers:
        time.sleep(1)
        pair.replica.freeze()
        frozen = time.monotonic()
        try:
            within(2, lambda: answered(pair, database) == pair.ports[0])
            time.sleep(2)
            worst, failed = readers.worst_after(frozen)
            assert worst < 2
            assert readers.worst_after(frozen + 2)[1] == 0
            print(f"slowest read while the replica froze {worst:.2f} s, {failed} failed")
        finally:
            pair.replica.thaw()
        within(10, lambda: pair.answers(database) == pair.ports[1])


@pytest.mark.slow
def test_readers_move_over_when_a_replica_stops_and_back_when_it_starts(pair: Pair) -> None:
    database = pair.process()
    with Readers(database) as readers:
        time.sleep(0.5)
        stopped = time.monotonic()
        pair.replica.stop()
        within(2, lambda: answered(pair, database) == pair.ports[0])
        assert readers.worst_after(stopped)[0] < 2
        pair.replica.start()
        pair.replica.wait()
        within(5, lambda: pair.answers(database) == pair.ports[1])
        moment = time.monotonic()
        time.sleep(0.5)
        assert readers.worst_after(moment)[1] == 0


def test_a_page_may_not_ask_for_long(kind: Kind, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module(f"bowerbird.adapters.database.{kind.server.partition('_')[0]}"), "PAGE", 1)
    database = pair.process(pages=True)
    started = time.monotonic()
    # Its replica answers, or its writer where the machine is busy and the replica a moment behind.
    with pytest.raises(Unavailable, match="|".join(map(str, pair.ports))), database.read() as conn:
        conn.execute(sa.text(kind.long))
    assert time.monotonic() - started < 4
    assert texts(database) == []
    with database.write() as conn:  # a migration may
        conn.execute(sa.text(kind.long))
