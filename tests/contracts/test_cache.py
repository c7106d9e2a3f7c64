"""What every cache keeps: never a wrong value, never an exception, no more memory than it may use."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from bowerbird.fleet.server import Server
from bowerbird.ports import Cache
from tests.contracts.caches import ENGINES, Open, cache, opened
from tests.contracts.conftest import Clock
from tests.contracts.faults import Tell, together

__all__ = ["cache", "opened"]


def test_what_is_put_is_got(cache: Cache) -> None:
    strange = {"two words": b"y", "line\r\nline": b"z", "\ud800": b"half", "long" * 200: b"w", "nul\0": b"v"}
    for key, value in {"a": b"one", "ключ": bytes(range(256)), "": b"x", "empty": b"", **strange}.items():
        assert cache.get(key) is None
        cache.put(key, value, 60)
        assert cache.get(key) == value
    cache.put("a", b"two", 60)
    assert cache.get("a") == b"two"


def test_many_at_once(cache: Cache) -> None:
    values = {f"face:{n}": f"{n}".encode() * n for n in range(100)}
    cache.put("face:1", b"old", 60)
    cache.put_many(values, 60)
    assert cache.get_many([*values, "absent", "face:2"]) == values
    assert cache.get_many(key for key in ("face:3", "absent")) == {"face:3": b"333"}
    assert cache.get_many([]) == {}
    cache.put_many({}, 60)
    cache.delete([])
    cache.delete(values)
    assert cache.get_many(values) == {}


def test_only_the_first_puts_what_is_new(cache: Cache) -> None:
    assert cache.put_new("lease", b"mine", 60)
    assert not cache.put_new("lease", b"theirs", 60)
    assert cache.get("lease") == b"mine"
    cache.delete(["lease"])
    assert cache.put_new("lease", b"theirs", 60)


def test_of_many_at_once_one_puts_what_is_new(cache: Cache) -> None:
    won: list[int] = []
    ready = threading.Barrier(8)

    def work(name: int) -> None:
        ready.wait()
        if cache.put_new("lease", b"x", 60):
            won.append(name)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_deleted_is_gone(cache: Cache) -> None:
    cache.put("a", b"x", 60)
    cache.put("b", b"y", 60)
    cache.delete(key for key in ("a", "absent"))
    assert cache.get("a") is None
    assert cache.get("b") == b"y"


def test_what_has_expired_is_gone(engine: str, cache: Cache) -> None:
    tick = ENGINES[engine].tick
    short = 0.15 + tick
    cache.put("a", b"x", short)
    cache.put_new("c", b"z", short)
    cache.put_many({"b": b"y"}, 60)
    assert cache.get_many("abc") == {"a": b"x", "b": b"y", "c": b"z"}
    time.sleep(short + tick + 0.1)
    assert cache.get_many("abc") == {"b": b"y"}
    assert cache.put_new("c", b"again", 60)


def test_what_is_kept_for_more_than_a_month_is_there(cache: Cache) -> None:
    cache.put("a", b"x", 90 * 86400)
    assert cache.get("a") == b"x"


def test_a_large_value_is_kept_whole_or_not_at_all(engine: str, cache: Cache) -> None:
    largest = ENGINES[engine].largest or 900_000
    cache.put("a", b"x" * largest, 60)
    assert cache.get("a") == b"x" * largest
    if ENGINES[engine].largest:
        cache.put_many({"a": b"y" * (largest + 1), "b": b"small"}, 60)
        assert cache.get_many("ab") == {"b": b"small"}, "nothing old in the place of what is too large"
    assert cache.errors == 0


def test_a_put_without_time_leaves_nothing(cache: Cache) -> None:
    cache.put("a", b"old", 60)
    cache.put("a", b"new", 0)
    assert cache.get("a") is None


@pytest.mark.able("bounded")
def test_what_is_too_large_is_not_kept_and_nothing_old_in_its_place(opened: Open) -> None:
    cache = opened(10_000)
    cache.put("a", b"old", 60)
    cache.put("b", b"other", 60)
    cache.put("a", b"x" * 20_000, 60)
    assert cache.get("a") is None
    assert cache.get("b") == b"other"


@pytest.mark.able("bounded")
def test_the_least_recently_used_leave_first(opened: Open) -> None:
    cache = opened(100_000)
    for n in range(9):
        cache.put(f"key {n}", bytes(10_000), 60)
    assert cache.get("key 0") is not None
    for n in range(9, 13):
        cache.put(f"key {n}", bytes(10_000), 60)
    kept = {n for n in range(13) if cache.get(f"key {n}") is not None}
    assert kept == {0, 5, 6, 7, 8, 9, 10, 11, 12}


@pytest.mark.able("bounded")
def test_small_and_replaced_entries_count_too(opened: Open) -> None:
    cache = opened(100_000)
    for _ in range(100):
        cache.put("same", bytes(30_000), 60)
    cache.put("other", bytes(30_000), 60)
    assert cache.get("same") is not None, "what was replaced is still counted"
    for n in range(10_000):
        cache.put(f"tiny {n}", b"", 60)
    assert sum(cache.get(f"tiny {n}") is not None for n in range(10_000)) < 1000


@pytest.mark.able("clock")
def test_hits_are_counted_within_their_window(opened: Open, clock: Clock) -> None:
    cache = opened(clock=clock)
    assert [cache.hit("login:a", 900) for _ in range(3)] == [1, 2, 3]
    assert cache.hit("login:b", 900) == 1
    clock.now += 899
    assert cache.hit("login:a", 900) == 4
    clock.now += 1
    assert [cache.hit("login:a", 900) for _ in range(2)] == [1, 2]


def test_a_window_ends_by_itself(engine: str, cache: Cache) -> None:
    """Whenever its later hits come, it ends with the time of its first."""
    tick = ENGINES[engine].tick
    window = 0.6 + tick
    assert cache.hit("login:a", window) == 1
    time.sleep(0.4)
    assert cache.hit("login:a", window) == 2
    time.sleep(0.3 + 2 * tick)
    assert cache.hit("login:a", window) == 1


def test_hits_and_values_do_not_meet(cache: Cache) -> None:
    cache.put("a", b"x", 60)
    assert cache.hit("a", 60) == 1
    assert cache.get("a") == b"x"
    cache.delete(["a"])
    assert cache.hit("a", 60) == 2


def test_a_flood_of_values_does_not_forget_hits(opened: Open) -> None:
    cache = opened(10_000)
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


def _busy(tell: Tell, engine: str, folder: Path) -> None:
    cache = ENGINES[engine].open(folder, 1_000_000, time.monotonic)
    for _ in range(100):
        cache.hit("all", 600)
    tell(cache.get("from the parent"))


def test_processes_share_it(engine: str, cache: Cache, tmp_path: Path, places: list[Server]) -> None:
    cache.put("from the parent", b"hello", 600)
    assert together(_busy, [(engine, tmp_path)] * 3) == [[b"hello"]] * 3
    assert cache.hit("all", 600) == 301
