"""Redis 7 or later, or Valkey, as a cache for all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool, parse_url
from redis.retry import Retry

from bowerbird.adapters.cache.breaker import Breaker
from bowerbird.adapters.cache.memory import MemoryCache

TIMEOUT = 0.25
"""Seconds for which a page waits for a connection, and then for an answer."""


class RedisCache:
    """`redis://user:password@host:port/number`, or `rediss://` for TLS; `?prefix=` before each key, where several sites
    share a server; `?timeout=` in seconds; `?ca=` the file of an authority of one's own.

    How much is kept, and what leaves first, is the server's setting (`maxmemory`, `maxmemory-policy`). Raises
    ValueError for a URL that cannot be used; whether the server answers is only seen later.
    """

    def __init__(self, url: str) -> None:
        where, options = _parsed(url)
        self._prefix = options.get("prefix", "bowerbird")
        timeout = float(options.get("timeout", TIMEOUT))
        self._pool = ConnectionPool(
            **where,
            protocol=2,
            socket_connect_timeout=timeout,
            socket_timeout=timeout,
            # Once and at once: an idle connection that the server has closed is no outage. A late answer is.
            retry=Retry(NoBackoff(), 1, (redis.ConnectionError,)),
        )
        self._redis: Any = redis.Redis(connection_pool=self._pool)
        drop = partial(self._pool.disconnect, inuse_connections=False)
        self._breaker = Breaker(f"{where['host']}:{where.get('port', 6379)}", drop)
        self._meanwhile = MemoryCache(0)
        """Counts hits while the server is away."""

    @property
    def errors(self) -> int:
        return self._breaker.errors

    def get(self, key: str) -> bytes | None:
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        asked = list(keys)
        if not asked:
            return {}
        found: list[bytes | None] = self._breaker.ask(
            partial(self._redis.mget, [self._value(key) for key in asked]), []
        )
        return {key: value for key, value in zip(asked, found, strict=False) if value is not None}

    def put(self, key: str, value: bytes, ttl: float) -> None:
        self.put_many({key: value}, ttl)

    def put_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        milliseconds = round(ttl * 1000)
        if milliseconds < 1:
            self.delete(values)
            return

        def fill(line: Any) -> None:
            for key, value in values.items():
                line.set(self._value(key), value, px=milliseconds)

        self._together(fill)

    def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        put = partial(self._redis.set, self._value(key), value, px=max(1, round(ttl * 1000)), nx=True)
        return bool(self._breaker.ask(put, True))

    def delete(self, keys: Iterable[str]) -> None:
        names = [self._value(key) for key in keys]
        if names:
            self._breaker.ask(partial(self._redis.delete, *names), 0)

    def hit(self, key: str, window: float) -> int:
        name = f"{self._prefix}:hits:{key}".encode("utf-8", "surrogatepass")

        def count(line: Any) -> None:
            line.incr(name)
            line.pexpire(name, max(1, round(window * 1000)), nx=True)

        counted = self._together(count)
        return int(counted[0]) if counted else self._meanwhile.hit(key, window)

    def ping(self) -> None:
        self._breaker.ping(self._redis.ping)

    def close(self) -> None:
        self._pool.disconnect()

    def _together(self, fill: Callable[[Any], None]) -> list[Any]:
        """The answers to several commands in one round trip; none where the server is away."""

        def send() -> list[Any]:
            with self._redis.pipeline(transaction=False) as line:
                fill(line)
                answers: list[Any] = line.execute()
                return answers

        return self._breaker.ask(send, [])

    def _value(self, key: str) -> bytes:
        return f"{self._prefix}:value:{key}".encode("utf-8", "surrogatepass")


def _parsed(url: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Where the server is, as its client takes it, and our own options. Raises ValueError."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        where: dict[str, Any] = parse_url(parts._replace(query="").geturl())  # type: ignore[no-untyped-call]
        float(options.get("timeout", TIMEOUT))
        known = {"prefix", "timeout"} | ({"ca"} if parts.scheme == "rediss" else set())
        if (
            "host" not in where
            or options.keys() - known
            or parts.path.removeprefix("/") not in ("", str(where.get("db")))
        ):
            raise ValueError
    except ValueError:  # its words may hold a part of a password
        raise ValueError(
            "it is to be redis://host:port/0 or rediss://, with ?prefix=, ?timeout= or ?ca= where wanted; "
            "in a password, write %2F for a slash and so on"
        ) from None
    return where | ({"ssl_ca_certs": options["ca"]} if "ca" in options else {}), options
