"""What `Metadata` does when many write at once or are killed, and when its server is away, slow or full."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bowerbird.fleet.server import Server
from bowerbird.ports import Metadata, Unavailable
from tests.contracts.documents import ENGINES, metadata, wait
from tests.contracts.faults import SmallDisk, Tell, killed, together
from tests.proxy import Proxy
from tests.servers import need

__all__ = ["metadata", "wait"]


def test_threads_lose_no_count_and_one_wins(metadata: Metadata) -> None:
    won: list[bytes] = []

    def work(name: bytes) -> None:
        if metadata.put_new("winner", name):
            won.append(name)
        for _ in range(50):
            metadata.add("counter", {"n": 1, "m": 2})

    threads = [threading.Thread(target=work, args=(str(n).encode(),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metadata.add("counter", {"n": 0, "m": 0}) == {"n": 400, "m": 800}
    assert [metadata.get("winner")] == won


def _count(tell: Tell, engine: str, folder: Path, name: str) -> None:
    metadata = ENGINES[engine].open(folder, time.time)
    for _ in range(ENGINES[engine].many):
        tell(metadata.add("counter", {"n": 1})["n"])
    tell(metadata.put_new("winner", name.encode()))
    metadata.close()


def test_processes_lose_no_count_and_one_wins(engine: str, tmp_path: Path) -> None:
    told = together(_count, [(engine, tmp_path, "a"), (engine, tmp_path, "b"), (engine, tmp_path, "c")])
    assert sorted(n for each in told for n in each[:-1]) == list(range(1, 3 * ENGINES[engine].many + 1))
    assert sorted(each[-1] for each in told) == [False, False, True]


def _write_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    metadata = ENGINES[engine].open(folder, time.time)
    n = 0
    while True:
        metadata.put(f"key:{n % 20}", str(n).encode() * 500)
        tell((n, metadata.add("counter", {"n": 1})["n"]))
        n += 1


def test_a_killed_writer_loses_nothing_it_was_promised(engine: str, tmp_path: Path) -> None:
    told = killed(_write_for_ever, engine, tmp_path, after=40)
    metadata = ENGINES[engine].open(tmp_path, time.time)
    last, count = told[-1]
    assert metadata.add("counter", {"n": 0})["n"] in (count, count + 1)
    for n in range(last - 18, last + 1):
        # The write in flight may have come to be, and may have replaced the oldest of these.
        assert metadata.get(f"key:{n % 20}") in (str(n).encode() * 500, str(n + 20).encode() * 500)
    metadata.close()


def test_a_full_disk_is_told_and_loses_nothing(engine: str, small_disk: SmallDisk) -> None:
    metadata = ENGINES[engine].open(small_disk.path, time.time)
    kept = {}
    with pytest.raises(Unavailable, match=str(small_disk.path)):
        for n in range(1000):
            metadata.put(f"key:{n}", str(n).encode() * 1000)
            kept[f"key:{n}"] = str(n).encode() * 1000
    assert metadata.get_many([f"key:{n}" for n in range(1000)]) == kept
    small_disk.grow()
    metadata.put("more", b"x")
    assert metadata.get("more") == b"x"
    metadata.close()


def away(metadata: Metadata) -> None:
    """Every call says so, and soon, also when many are made at once."""
    calls: list[Callable[[], object]] = [
        lambda: metadata.get("key"),
        lambda: metadata.get_many([f"key:{n}" for n in range(300)]),
        lambda: metadata.put("other", b"new"),
        lambda: metadata.put_many({f"other:{n}": b"new" for n in range(60)}),
        lambda: metadata.put_new("another", b"new"),
        lambda: metadata.add("counter", {"n": 0}),
        lambda: metadata.delete(["other"]),
    ]
    start = time.monotonic()
    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call) for call in calls]:
            assert isinstance(done.exception(), Unavailable)
    assert time.monotonic() - start < 6


def test_an_engine_that_died_is_found_again(place: Server, metadata: Metadata) -> None:
    metadata.put("key", b"value")
    metadata.add("counter", {"n": 7})
    place.kill()
    away(metadata)
    place.start()
    place.wait()
    assert metadata.get("key") == b"value"
    assert metadata.add("counter", {"n": 1}) == {"n": 8}


def test_a_frozen_engine_holds_nobody_up(engine: str, place: Server, metadata: Metadata, tmp_path: Path) -> None:
    behind = ENGINES[engine].behind
    assert behind is not None
    metadata.put("key", b"value")
    hasty = behind(tmp_path, _port(engine))
    place.freeze()
    try:
        away(hasty)
    finally:
        place.thaw()
        hasty.close()
    assert metadata.get("key") == b"value"
    metadata.put("key", b"after")
    assert metadata.get("key") == b"after"


def test_a_slow_engine_answers_late_or_not_at_all(engine: str, place: Server, tmp_path: Path) -> None:
    behind = ENGINES[engine].behind
    assert behind is not None
    proxy = Proxy(_port(engine))
    metadata = behind(tmp_path, proxy.port)
    metadata.put("key", b"value")
    proxy.delay = 2.0
    start = time.monotonic()
    with contextlib.suppress(Unavailable):
        assert metadata.get("key") == b"value"
    with contextlib.suppress(Unavailable):
        metadata.put("key", b"late")
    assert time.monotonic() - start < 10
    proxy.delay = 0.0
    assert metadata.get("key") in (b"value", b"late")
    metadata.close()
    proxy.close()


def test_a_broken_line_is_mended(engine: str, place: Server, tmp_path: Path) -> None:
    behind = ENGINES[engine].behind
    assert behind is not None
    proxy = Proxy(_port(engine))
    metadata = behind(tmp_path, proxy.port)
    metadata.put("key", b"value")
    proxy.refuse()
    with pytest.raises(Unavailable, match=str(proxy.port)):
        metadata.get("key")
    proxy.accept()
    assert metadata.get("key") == b"value"
    assert metadata.add("counter", {"n": 1}) == {"n": 1}
    metadata.close()
    proxy.close()


def _port(engine: str) -> int:
    port = urlsplit(need(ENGINES[engine].server)).port
    assert port is not None
    return port
