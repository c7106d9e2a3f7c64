"""Counting rows that are counted slowly, or not at all."""

from __future__ import annotations

import threading
import time

import pytest

from bowerbird.adapters.vectors import tally
from bowerbird.adapters.vectors.tally import Tally
from bowerbird.ports import Unavailable


class Table:
    def __init__(self) -> None:
        self.rows, self.counts, self.away, self.slow = 7, 0, False, threading.Event()
        self.slow.set()

    def count(self) -> int:
        self.counts += 1
        assert self.slow.wait(10)
        if self.away:
            raise Unavailable("it took too long")
        return self.rows


def test_what_was_counted_last_does_while_it_cannot_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "FRESH", 0.0)
    monkeypatch.setattr(tally, "SHARE", 1e9)
    table = Table()
    counted = Tally(table.count)
    assert counted.rows() == 7
    table.away = True
    assert [counted.rows() for _ in range(20)] == [7] * 20
    assert table.counts == 2, "and it is left alone for a while"
    counted.forget()
    with pytest.raises(Unavailable):
        counted.rows()


def test_one_counts_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "FRESH", 0.0)
    table = Table()
    counted = Tally(table.count)
    assert counted.rows() == 7
    table.slow.clear()
    time.sleep(0.1)
    counting = threading.Thread(target=counted.rows)
    counting.start()
    while table.counts < 2:
        time.sleep(0.01)
    assert counted.rows() == 7, "who comes meanwhile waits for nobody"
    counted.forget()
    table.slow.set()
    counting.join()
    table.rows = 8
    assert counted.rows() == 8, "what was being counted when something changed is not believed"
