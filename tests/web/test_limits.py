"""Whose address a request comes from."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.connection import ASGIConnection
from litestar.exceptions import TooManyRequestsException

from bowerbird.adapters.cache.memory import MemoryCache
from bowerbird.web import limits


def asked(peer: str, *forwarded: str) -> ASGIConnection[Any, Any, Any, Any]:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded if line]
    return ASGIConnection({"type": "http", "client": (peer, 1), "headers": headers})  # type: ignore[arg-type,typeddict-item]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "192.0.2.1", "198.51.100.7"),  # not a proxy of ours: what it says is worth nothing
        ("10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "1.2.3.4, 192.0.2.1", "192.0.2.1"),  # a client can write anything to the left
        ("10.0.0.1", "1.2.3.4, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1", "10.0.0.9", "10.0.0.9"),
        ("10.0.0.1", "nonsense", "unknown"),
        ("2001:db8::1", "", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::2", "", "2001:db8::/64"),
        ("::ffff:198.51.100.7", "", "198.51.100.7"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),  # a server that listens on IPv6 too
    ],
)
def test_address(peer: str, forwarded: str, found: str) -> None:
    assert limits.address(asked(peer, forwarded), limits.networks("10.0.0.0/8")) == found


def test_a_proxy_that_adds_a_line_of_its_own_is_believed_and_not_the_client() -> None:
    connection = asked("10.0.0.1", "1.2.3.4", "192.0.2.1")
    assert limits.address(connection, limits.networks("10.0.0.0/8")) == "192.0.2.1"


def test_without_trusted_proxies_nobody_vouches() -> None:
    assert limits.address(asked("10.0.0.1", "192.0.2.1"), limits.networks("")) == "10.0.0.1"


def test_a_limit_opens_again_after_its_window() -> None:
    now = [0.0]
    cache = MemoryCache(1000, clock=lambda: now[0])
    for _ in range(3):
        limits.allow(cache, "key", 3, 60.0)
    with pytest.raises(TooManyRequestsException) as refused:
        limits.allow(cache, "key", 3, 60.0)
    assert refused.value.headers == {"Retry-After": "60"}
    limits.allow(cache, "another", 3, 60.0)
    now[0] = 61.0
    limits.allow(cache, "key", 3, 60.0)
