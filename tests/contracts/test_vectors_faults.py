"""What a `Vectors` engine does when processes write at once or are killed, and when its server is away or slow."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from bowerbird import wiring
from bowerbird.adapters.vectors.rows import PAGE
from bowerbird.ports import Floats, Unavailable, Vectors
from bowerbird.settings import BadSetting, Settings
from tests import servers
from tests.contracts import vectors as contract
from tests.contracts.vectors import DIM, ENGINES, Engine, compiled_once, engine, eventually, ids, unit, up_to
from tests.proxy import Proxy

__all__ = ["ENGINES", "compiled_once", "engine"]

LONG = 7.0
"""Seconds within which every call to a server that is away, silent or slow has ended."""


@pytest.mark.able("writers")
def test_many_processes_add_what_is_theirs_and_what_is_not(engine: Engine) -> None:
    code = """
part = int(sys.argv[3])
for i in range(100 + part, 200, 3):
    vectors.add(np.array([i + 1]), unit(200)[i : i + 1])
order = np.random.default_rng(part).permutation(100)
for _ in range(10):
    vectors.add(order + 1, unit(200)[order])
    vectors.remove(order[:10] + 1)
vectors.add(order + 1, unit(200)[order])
"""
    vectors = engine.open()
    for writer in [engine.process(code, part) for part in range(3)]:
        assert writer.wait() == 0
    eventually(lambda: len(vectors) == 200, 5)
    assert sorted(vectors.search(unit(1), 250).ids[0, :201].tolist()) == [-1, *up_to(200)]
    assert np.array_equal(vectors.get(up_to(200)), unit(200))


def test_a_writer_killed_at_any_moment_loses_nothing_it_confirmed(engine: Engine) -> None:
    code = """
for i in range(100_000):
    vectors.add(np.arange(i * 20 + 1, i * 20 + 21) + int(sys.argv[3]), unit(20, i))
    print(i, flush=True)
"""
    confirmed = {}
    for turn in range(3):
        writer = engine.process(code, turn * 10_000_000)
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.05 * turn)
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]
        confirmed[turn * 10_000_000] = int(rest[-1]) if rest else 0
        writer.wait()
    vectors = engine.open()
    for start, last in confirmed.items():
        for i in range(last + 1):
            assert np.array_equal(vectors.get(np.arange(i * 20 + 1, i * 20 + 21) + start), unit(20, i))


@pytest.mark.able("processes")
def test_another_dimension_is_refused(engine: Engine) -> None:
    engine.open()
    with pytest.raises(ValueError, match="32"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(contract, "DIM", DIM + 1)
        engine.open()


@pytest.mark.able("behind")
def test_a_server_that_is_away_is_told_soon_and_found_again(engine: Engine) -> None:
    assert engine.kind.behind
    proxy, rows = Proxy(port_of(engine)), unit(50)
    vectors = engine.also(engine.kind.behind(engine.folder, proxy.port))
    vectors.add(up_to(50), rows)
    for _ in range(2):
        proxy.refuse()
        for call in calls(vectors, rows):
            start = time.monotonic()
            with pytest.raises(Unavailable):
                call()
            assert time.monotonic() - start < LONG
        proxy.accept()
        eventually(lambda: works(vectors, rows), 10)
    proxy.close()


@pytest.mark.able("behind")
def test_a_server_that_falls_silent_holds_up_nobody(engine: Engine) -> None:
    assert engine.kind.behind
    proxy, rows = Proxy(port_of(engine)), unit(50)
    vectors = engine.also(engine.kind.behind(engine.folder, proxy.port))
    vectors.add(up_to(50), rows)
    proxy.silent = True
    took: list[float] = []

    def ask() -> None:
        start = time.monotonic()
        with pytest.raises(Unavailable):
            vectors.search(rows[:1], 3)
        took.append(time.monotonic() - start)

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 30
    assert max(took) < LONG
    start = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unavailable):
            vectors.search(rows[:1], 3)
    assert time.monotonic() - start < 2 * LONG, "each was held up as if it were the first"
    start = time.monotonic()
    with pytest.raises(Unavailable):
        engine.kind.behind(engine.folder, proxy.port)
    assert time.monotonic() - start < LONG
    proxy.silent = False
    eventually(lambda: works(vectors, rows), 10)
    proxy.close()


@pytest.mark.able("behind")
def test_a_slow_server_still_answers(engine: Engine) -> None:
    assert engine.kind.behind
    proxy, rows = Proxy(port_of(engine)), unit(50)
    vectors = engine.also(engine.kind.behind(engine.folder, proxy.port))
    vectors.add(up_to(50), rows)
    engine.settle()
    assert works(vectors, rows)
    proxy.delay = 2.0
    start = time.monotonic()
    assert works(vectors, rows)
    assert 2 <= time.monotonic() - start < LONG
    proxy.close()


@pytest.mark.able("behind")
def test_a_page_does_not_wait_for_a_slow_server(engine: Engine) -> None:
    assert engine.kind.behind
    proxy, rows = Proxy(port_of(engine)), unit(50)
    vectors = engine.also(engine.kind.behind(engine.folder, proxy.port, pages=True))
    vectors.add(up_to(50), rows)
    assert works(vectors, rows)
    proxy.delay = 3.0
    start = time.monotonic()
    for call in (lambda: vectors.search(rows[:1], 3), lambda: vectors.get(up_to(1))):
        with pytest.raises(Unavailable):
            call()
    assert time.monotonic() - start < PAGE + 0.5, "both were waited for"
    proxy.delay = 0.0
    eventually(lambda: works(vectors, rows), 10)
    proxy.close()


@pytest.mark.able("server")
def test_a_server_killed_and_started_again_has_lost_nothing(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(300)
    vectors.add(up_to(300), rows)
    engine.settle()
    vectors.remove(ids(7))
    server = servers.server(engine.kind.server)
    server.kill()
    with pytest.raises(Unavailable):
        vectors.search(rows[:1], 3)
    server.start()
    server.wait()
    eventually(lambda: works(vectors, rows), 20)
    assert len(vectors) == 299
    assert np.array_equal(vectors.get(up_to(6)), rows[:6])
    assert not (vectors.search(rows[6:7], 299).ids == 7).any()


@pytest.mark.able("password")
def test_a_wrong_password_is_told_and_not_shown(engine: Engine) -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1.*password") as told:
        contract.on_postgres(engine.folder, password="not-this-one")
    assert "not-this-one" not in str(told.value)


def port_of(engine: Engine) -> int:
    return urlsplit(os.environ[f"BOWERBIRD_TEST_{engine.kind.server.upper()}"]).port or 0


def calls(vectors: Vectors, rows: Floats) -> list[Callable[[], object]]:
    return [
        lambda: vectors.search(rows[:1], 3),
        lambda: vectors.get(ids(1)),
        lambda: vectors.add(ids(1), rows[:1]),
        lambda: vectors.remove(ids(1)),
    ]


def works(vectors: Vectors, rows: Floats) -> bool:
    try:
        return bool(vectors.search(rows[:1], 3).ids[0, 0] == 1)
    except Unavailable:
        return False


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://user:hush@/pins", "cannot be used: it is to be postgresql://"),
        ("postgresql://user:hush@host", "cannot be used: it is to be postgresql://"),
        ("postgresql://user:hu/sh@host:5432/pins", "cannot be used: it is to be postgresql://"),
        ("milvus://user:hush@host:port/pins", "cannot be used: it is to be milvus://"),
        ("milvus://host:19530/pins?tocken=hush", "cannot be used: it is to be milvus://"),
        ("milvus:///folder/file.sqlite", "cannot be used: it is to be milvus://"),
        ("qdrant://host:6333", "has the scheme 'qdrant'"),
    ],
)
def test_a_wrong_url_is_told_by_its_setting(url: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=f"BOWERBIRD_VECTORS {says}") as told:
        wiring.vectors(Settings(data=tmp_path, vectors=url), "looks", DIM)
    assert "hush" not in str(told.value)


@pytest.mark.parametrize("url", ["postgresql://user:hush@127.0.0.1:1/pins", "milvus://user:hush@127.0.0.1:1/pins"])
def test_a_server_that_is_not_there_is_told_by_its_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"BOWERBIRD_VECTORS: .* at 127\.0\.0\.1") as told:
        wiring.vectors(Settings(data=tmp_path, vectors=url), "looks", DIM)
    assert "hush" not in str(told.value)


@pytest.mark.able("alone")
def test_what_one_process_may_open_is_no_engine_of_a_service(engine: Engine) -> None:
    vectors = engine.open()
    vectors.add(ids(1), unit(1))
    other = engine.process("", stderr=True)
    _, words = other.communicate()
    assert other.returncode == 1
    assert "serves one process only" in words
    with pytest.raises(BadSetting, match=r"BOWERBIRD_VECTORS.*one process"):
        wiring.check_shared(Settings(vectors=f"milvus://{engine.folder}/milvus.db"))
