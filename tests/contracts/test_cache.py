"""What every cache keeps: never a wrong value, never an exception, no more memory than it may use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from bowerbird.adapters.cache.memory import MemoryCache
from bowerbird.ports import Cache
from tests.contracts.conftest import Clock

Timer = Callable[[], float]


class Kind(NamedTuple):
    open: Callable[[int, Timer], Cache]
    clock: bool
    """It takes its time from a clock of ours."""
    bounded: bool
    """It keeps to the bytes given, the least recently used leaving first."""


ENGINES = {
    "memory": Kind(MemoryCache, clock=True, bounded=True),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cache(engine: str) -> Cache:
    return ENGINES[engine].open(1_000_000, time.monotonic)


def test_what_is_put_is_got(cache: Cache) -> None:
    for key, value in {"a": b"one", "ключ": bytes(range(256)), "": b"x", "empty": b""}.items():
        assert cache.get(key) is None
        cache.put(key, value, 60)
        assert cache.get(key) == value
    cache.put("a", b"two", 60)
    assert cache.get("a") == b"two"


def test_deleted_is_gone(cache: Cache) -> None:
    cache.put("a", b"x", 60)
    cache.put("b", b"y", 60)
    cache.delete(key for key in ("a", "absent"))
    assert cache.get("a") is None
    assert cache.get("b") == b"y"


def test_what_has_expired_is_gone(cache: Cache) -> None:
    cache.put("a", b"x", 0.15)
    cache.put("b", b"y", 60)
    assert cache.get("a") == b"x"
    time.sleep(0.2)
    assert cache.get("a") is None
    assert cache.get("b") == b"y"


def test_a_put_without_time_leaves_nothing(cache: Cache) -> None:
    cache.put("a", b"old", 60)
    cache.put("a", b"new", 0)
    assert cache.get("a") is None


def test_what_is_too_large_is_not_kept_and_nothing_old_in_its_place(engine: str) -> None:
    if not ENGINES[engine].bounded:
        pytest.skip("its memory is its own affair")
    cache = ENGINES[engine].open(10_000, time.monotonic)
    cache.put("a", b"old", 60)
    cache.put("b", b"other", 60)
    cache.put("a", b"x" * 20_000, 60)
    assert cache.get("a") is None
    assert cache.get("b") == b"other"


def test_the_least_recently_used_leave_first(engine: str) -> None:
    if not ENGINES[engine].bounded:
        pytest.skip("its memory is its own affair")
    cache = ENGINES[engine].open(100_000, time.monotonic)
    for n in range(9):
        cache.put(f"key {n}", bytes(10_000), 60)
    assert cache.get("key 0") is not None
    for n in range(9, 13):
        cache.put(f"key {n}", bytes(10_000), 60)
    kept = {n for n in range(13) if cache.get(f"key {n}") is not None}
    assert kept == {0, 5, 6, 7, 8, 9, 10, 11, 12}


def test_small_and_replaced_entries_count_too(engine: str) -> None:
    if not ENGINES[engine].bounded:
        pytest.skip("its memory is its own affair")
    cache = ENGINES[engine].open(100_000, time.monotonic)
    for _ in range(100):
        cache.put("same", bytes(30_000), 60)
    cache.put("other", bytes(30_000), 60)
    assert cache.get("same") is not None, "what was replaced is still counted"
    for n in range(10_000):
        cache.put(f"tiny {n}", b"", 60)
    assert sum(cache.get(f"tiny {n}") is not None for n in range(10_000)) < 1000


def test_hits_are_counted_within_their_window(engine: str, clock: Clock) -> None:
    if not ENGINES[engine].clock:
        pytest.skip("its time cannot be turned")
    cache = ENGINES[engine].open(1_000_000, clock)
    assert [cache.hit("login:a", 900) for _ in range(3)] == [1, 2, 3]
    assert cache.hit("login:b", 900) == 1
    clock.now += 899
    assert cache.hit("login:a", 900) == 4
    clock.now += 1
    assert [cache.hit("login:a", 900) for _ in range(2)] == [1, 2]


def test_hits_and_values_do_not_meet(cache: Cache) -> None:
    cache.put("a", b"x", 60)
    assert cache.hit("a", 60) == 1
    assert cache.get("a") == b"x"
    cache.delete(["a"])
    assert cache.hit("a", 60) == 2


def test_a_flood_of_values_does_not_forget_hits(engine: str) -> None:
    cache = ENGINES[engine].open(10_000, time.monotonic)
    cache.hit("login:a", 60)
    for n in range(1000):
        cache.put(f"key {n}", b"x" * 1000, 60)
    assert cache.hit("login:a", 60) == 2


def test_threads_lose_no_hit_and_see_no_mixed_value(cache: Cache) -> None:
    wrong: list[bytes] = []

    def work(name: int) -> None:
        for n in range(500):
            cache.hit("all", 60)
            cache.put(f"key {n % 10}", f"{n % 10}".encode() * 5000, 60)
            value = cache.get(f"key {name}")
            if value is not None and value != f"{name}".encode() * 5000:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.hit("all", 60) == 4001
    assert not wrong
