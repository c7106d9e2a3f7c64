"""Memcached, one server or several, as a cache for all processes."""

from __future__ import annotations

import hashlib
import math
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from functools import partial
from urllib.parse import parse_qsl, urlsplit

from pymemcache.client.base import PooledClient, normalize_server_spec

from bowerbird.adapters.cache.breaker import Breaker
from bowerbird.adapters.cache.memory import MemoryCache

TIMEOUT = 0.25
"""Seconds for which a page waits for a connection, and then for an answer."""
MOST = 2**20 - 1024
"""Bytes of a value; the server's own limit is a megabyte with the key and its bookkeeping."""
MONTH = 30 * 86400
"""Seconds from which Memcached takes a time for a date."""

_fit = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII).fullmatch


class Server:
    def __init__(self, address: str, timeout: float, tls: ssl.SSLContext | None) -> None:
        self.name = address
        self.client = PooledClient(address, connect_timeout=timeout, timeout=timeout, no_delay=True, tls_context=tls)
        self.breaker = Breaker(address, self._drop)

    def _drop(self) -> None:
        """Close the idle connections; those in use are other threads' to close."""
        pool = self.client.client_pool
        while pool.free:
            pool.destroy(pool.get())


class MemcachedCache:
    """`memcached://host:port,host:port`; `?prefix=` before each key, where several sites share servers; `?timeout=` in
    seconds; `?tls=true`, and `?ca=` the file of an authority of one's own.

    A key belongs to one server for as long as the list is the same, and a server that joins or leaves moves its own
    share only. What belongs to a server that is away is not kept meanwhile: elsewhere it would outlive its deletion.
    Times are whole seconds, rounded up. Raises ValueError for a URL that cannot be used; whether the servers answer is
    only seen later.
    """

    def __init__(self, url: str) -> None:
        addresses, options = _parsed(url)
        timeout = float(options.get("timeout", TIMEOUT))
        tls = ssl.create_default_context(cafile=options.get("ca")) if options.get("tls") == "true" else None
        self._prefix = options.get("prefix", "bowerbird")
        self._servers = [Server(address, timeout, tls) for address in addresses]
        self._meanwhile = MemoryCache(0)
        """Counts hits while a server is away."""

    @property
    def errors(self) -> int:
        return sum(server.breaker.errors for server in self._servers)

    def get(self, key: str) -> bytes | None:
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for server, names in self._by_server(keys).items():
            values: dict[str, bytes] = server.breaker.ask(partial(server.client.get_many, list(names)), {})
            found |= {names[name]: value for name, value in values.items()}
        return found

    def put(self, key: str, value: bytes, ttl: float) -> None:
        self.put_many({key: value}, ttl)

    def put_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        fit = {key: value for key, value in values.items() if ttl > 0 and len(value) <= MOST}
        self.delete(values.keys() - fit.keys())
        for server, names in self._by_server(fit).items():
            named = {name: fit[key] for name, key in names.items()}
            server.breaker.ask(partial(server.client.set_many, named, _expiry(ttl), noreply=False), [])

    def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        server, name = self._place(f"value:{key}")
        return server.breaker.ask(partial(server.client.add, name, value, _expiry(ttl), noreply=False), True)

    def delete(self, keys: Iterable[str]) -> None:
        for server, names in self._by_server(keys).items():
            server.breaker.ask(partial(server.client.delete_many, list(names), noreply=False), True)

    def hit(self, key: str, window: float) -> int:
        server, name = self._place(f"hits:{key}")

        def count() -> int | None:
            counted: int | None = server.client.incr(name, 1)
            if counted is None and server.client.add(name, b"1", _expiry(window), noreply=False):
                return 1
            if counted is None:  # another process has just begun the window
                counted = server.client.incr(name, 1)
            return counted

        return server.breaker.ask(count, None) or self._meanwhile.hit(key, window)

    def ping(self) -> None:
        for server in self._servers:
            server.breaker.ping(server.client.version)

    def close(self) -> None:
        for server in self._servers:
            server.client.close()

    def _by_server(self, keys: Iterable[str]) -> dict[Server, dict[str, str]]:
        """Keys by the names under which each server has them."""
        asked: dict[Server, dict[str, str]] = {}
        for key in keys:
            server, name = self._place(f"value:{key}")
            asked.setdefault(server, {})[name] = key
        return asked

    def _place(self, key: str) -> tuple[Server, str]:
        """Of several servers the one whose name goes best with the key (rendezvous hashing, Thaler and Ravishankar)."""
        name = f"{self._prefix}:{key}"
        if not _fit(name):
            name = f"{self._prefix}:#{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"
        if len(self._servers) == 1:
            return self._servers[0], name
        return max(self._servers, key=lambda server: hashlib.blake2b(f"{server.name} {name}".encode()).digest()), name


def _expiry(seconds: float) -> int:
    whole = max(1, math.ceil(seconds))
    return whole if whole <= MONTH else int(time.time()) + whole


def _parsed(url: str) -> tuple[list[str], dict[str, str]]:
    """The servers' addresses, and our own options. Raises ValueError."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        addresses = [address for address in parts.netloc.split(",") if address]
        for address in addresses:
            normalize_server_spec(address)  # raises for a port that is no number
        float(options.get("timeout", TIMEOUT))
        strange = options.keys() - {"prefix", "timeout", "tls", "ca"} or "@" in parts.netloc or parts.path.strip("/")
        if strange or not addresses:
            raise ValueError
    except ValueError:  # its words may hold a password
        raise ValueError(
            "it is to be memcached://host:port,host:port, with ?prefix=, ?timeout=, ?tls=true or ?ca= where wanted, "
            "and without a password"
        ) from None
    return addresses, options
