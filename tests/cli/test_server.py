"""The web processes keep out of their own way."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

import pytest

from bowerbird.cli.server import LONG, Tidy


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def searched(tidy: Tidy, generation: int, seconds: float) -> int:
    """How many objects are left out of further searches after one that took so long."""
    tidy("start", {"generation": generation})
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass
    tidy("stop", {"generation": generation, "collected": 0, "uncollectable": 0})
    return gc.get_freeze_count()


def test_what_is_left_of_a_long_full_search_is_left_out_of_the_next() -> None:
    gc.unfreeze()
    tidy = Tidy()
    assert searched(tidy, 2, 0) == 0
    assert searched(tidy, 1, LONG * 2) == 0, "what is young may be garbage soon"
    assert searched(tidy, 2, LONG * 2) > 0
