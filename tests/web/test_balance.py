"""Which process closes connections, and when."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ANSWER = """
import json, pathlib, sys
from bowerbird.web.balance import Balance
balance = Balance(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    name, *given = json.loads(line)
    print(json.dumps(getattr(balance, name)(*given)), flush=True)
"""


class Other:
    """A web process; a lock on a byte is a process's own, so that it takes a real one."""

    def __init__(self, path: Path, processes: int) -> None:
        words = [sys.executable, "-c", ANSWER, str(path), str(processes)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._said() == "ready"

    def ask(self, *words: object) -> Any:
        assert self.process.stdin
        print(json.dumps(words), file=self.process.stdin, flush=True)
        return self._said()

    def _said(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


Begin = Callable[[Path, int], Other]


@pytest.fixture
def other() -> Iterator[Begin]:
    """`other(path, processes)` begins one."""
    begun: list[Other] = []

    def begin(path: Path, processes: int) -> Other:
        begun.append(Other(path, processes))
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()


def closed(asked: Other, answers: int) -> int:
    return sum(bool(asked.ask("crowded")) for _ in range(answers))


def test_who_goes_on_having_more_than_another_closes_connections(tmp_path: Path, other: Begin) -> None:
    one, two = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    one.ask("waiting", 11)
    two.ask("waiting", 5)
    assert 2 <= closed(one, 20) <= 10, "some, not each"
    assert closed(two, 20) == 0
    two.ask("waiting", 10)
    closed(one, 50)
    assert closed(one, 50) == 0, "a difference of one is none"


def test_a_moment_of_much_to_do_is_no_reason(tmp_path: Path, other: Begin) -> None:
    one, _ = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    for waiting in (3, 2, 1, 0, 0, 0):
        one.ask("waiting", waiting)
        assert closed(one, 1) == 0


def test_who_is_alone_closes_none(tmp_path: Path, other: Begin) -> None:
    one = other(tmp_path / "web", 1)
    one.ask("waiting", 200)
    assert closed(one, 50) == 0


def test_a_process_that_comes_takes_the_place_of_one_that_died(tmp_path: Path, other: Begin) -> None:
    one, two = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    one.ask("waiting", 9)
    two.ask("waiting", 9)
    third = other(tmp_path / "web", 2)
    assert third.ask("waiting", 0) is None
    assert closed(one, 50) == 0, "there was no place for the third"
    two.kill()
    fourth = other(tmp_path / "web", 2)
    assert fourth.ask("waiting", 1) is None
    assert closed(one, 20)


def test_one_that_came_too_early_takes_the_place_that_is_free_later(tmp_path: Path, other: Begin) -> None:
    one, two = other(tmp_path / "web", 2), other(tmp_path / "web", 2)
    two.ask("waiting", 0)
    third = other(tmp_path / "web", 2)
    two.kill()
    closed(third, 1)
    one.ask("waiting", 8)
    third.ask("waiting", 8)
    assert closed(one, 50) == closed(third, 50) == 0
    third.ask("waiting", 2)
    assert closed(one, 20)


def test_where_nothing_can_be_written_nothing_is_closed(tmp_path: Path, other: Begin) -> None:
    one = other(tmp_path / "no such folder" / "web", 2)
    one.ask("waiting", 200)
    assert closed(one, 50) == 0
