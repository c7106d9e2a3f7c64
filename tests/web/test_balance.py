"""Which process closes connections, and when."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from bowerbird.web.balance import Balance


class Other(NamedTuple):
    """A web process; a lock on a byte is a process's own, so that it takes a real one."""

    process: multiprocessing.Process
    line: Connection

    def ask(self, *words: object) -> object:
        self.line.send(words)
        return self.line.recv()


def other(path: Path, processes: int) -> Other:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=answer, args=(there, path, processes), daemon=True)
    process.start()
    return Other(process, here)  # type: ignore[arg-type]


def answer(line: Connection, path: Path, processes: int) -> None:
    balance = Balance(path, processes)
    while True:
        name, *given = line.recv()
        line.send(getattr(balance, name)(*given))


def closed(asked: Other, answers: int) -> int:
    return sum(bool(asked.ask("crowded")) for _ in range(answers))


def test_who_goes_on_having_more_than_another_closes_connections(tmp_path: Path) -> None:
    one, two = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    one.ask("waiting", 11)
    two.ask("waiting", 5)
    assert 2 <= closed(one, 20) <= 10, "some, not each"
    assert closed(two, 20) == 0
    two.ask("waiting", 10)
    closed(one, 50)
    assert closed(one, 50) == 0, "a difference of one is none"


def test_a_moment_of_much_to_do_is_no_reason(tmp_path: Path) -> None:
    one, _ = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    for waiting in (3, 2, 1, 0, 0, 0):
        one.ask("waiting", waiting)
        assert closed(one, 1) == 0


def test_who_is_alone_closes_none(tmp_path: Path) -> None:
    one = other(tmp_path / "web", 1)
    one.ask("waiting", 200)
    assert closed(one, 50) == 0


def test_a_process_that_comes_takes_the_place_of_one_that_died(tmp_path: Path) -> None:
    one, two = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    one.ask("waiting", 9)
    two.ask("waiting", 9)
    third = other(tmp_path / "web", 2)
    assert third.ask("waiting", 0) is None
    assert closed(one, 50) == 0, "there was no place for the third"
    two.process.kill()
    two.process.join()
    fourth = other(tmp_path / "web", 2)
    assert fourth.ask("waiting", 1) is None
    assert closed(one, 20)


def test_one_that_came_too_early_takes_the_place_that_is_free_later(tmp_path: Path) -> None:
    one, two = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    two.ask("waiting", 0)
    third = other(tmp_path / "web", 2)
    two.process.kill()
    two.process.join()
    closed(third, 1)
    one.ask("waiting", 8)
    third.ask("waiting", 8)
    assert closed(one, 50) == closed(third, 50) == 0
    third.ask("waiting", 2)
    assert closed(one, 20)


def test_where_nothing_can_be_written_nothing_is_closed(tmp_path: Path) -> None:
    one = other(tmp_path / "no such folder" / "web", 2)
    one.ask("waiting", 200)
    assert closed(one, 50) == 0
