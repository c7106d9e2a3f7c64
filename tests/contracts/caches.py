"""The `Cache` engines that the suites run on, and what the suites share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bowerbird.adapters.cache.memory import MemoryCache
from bowerbird.ports import Cache
from tests.servers import namespace

Timer = Callable[[], float]


class Kind(NamedTuple):
    open: Callable[[Path, int, Timer], Cache]
    clock: bool = False
    """It takes its time from a clock of ours."""
    bounded: bool = False
    """It keeps to the bytes given, the least recently used leaving first."""
    tick: float = 0.0
    """The seconds in which it counts time; what is kept for `ttl` may leave so much earlier or later."""
    largest: int = 0
    """Bytes of the largest value it keeps, where it has such a limit of its own."""
    server: str = ""
    """What `servers.need` knows it by; empty where it is no server."""
    several: bool = False
    """Keys are shared out among several servers."""
    password: bool = False
    """It may ask for one."""
    behind: Callable[[Path, list[int]], Cache] | None = None
    """The same by other ports of this machine, with the time limits of a real site."""
    tls: Callable[[Path, list[int], Path], Cache] | None = None
    """The same by ports that speak TLS, with the certificate of their authority."""


def _redis(folder: Path, port: int = 0, more: str = "", scheme: str = "redis") -> Cache:
    from bowerbird.adapters.cache.redis import RedisCache

    url = f"{scheme}://127.0.0.1:{port}/0" if port else os.environ["BOWERBIRD_TEST_REDIS"]
    return RedisCache(f"{url}?prefix={namespace(folder)}{more}")


def _memcached(folder: Path, ports: list[int], more: str = "") -> Cache:
    from bowerbird.adapters.cache.memcached import MemcachedCache

    url = "memcached://" + ",".join(f"127.0.0.1:{port}" for port in ports)
    return MemcachedCache(
        f"{url if ports else os.environ['BOWERBIRD_TEST_MEMCACHED']}?prefix={namespace(folder)}{more}"
    )


ENGINES = {
    "memory": Kind(lambda folder, most, clock: MemoryCache(most, clock), clock=True, bounded=True),
    # Semantics are tried with more patience than a page has, for machines that run many tests at once.
    "redis": Kind(
        lambda folder, most, clock: _redis(folder, more="&timeout=5"),
        tick=0.001,
        server="redis",
        password=True,
        behind=lambda folder, ports: _redis(folder, ports[0]),
        tls=lambda folder, ports, ca: _redis(folder, ports[0], f"&timeout=5&ca={ca}", scheme="rediss"),
    ),
    "memcached": Kind(
        lambda folder, most, clock: _memcached(folder, [], "&timeout=5"),
        tick=1.0,
        largest=2**20 - 1024,
        server="memcached",
        several=True,
        behind=_memcached,
        tls=lambda folder, ports, ca: _memcached(folder, ports, f"&timeout=5&tls=true&ca={ca}"),
    ),
}


Open = Callable[..., Cache]


@pytest.fixture
def opened(engine: str, tmp_path: Path) -> Open:
    """Opens the engine's part of this test."""
    return lambda most=1_000_000, clock=time.monotonic: ENGINES[engine].open(tmp_path, most, clock)


@pytest.fixture
def cache(opened: Open) -> Cache:
    return opened()
