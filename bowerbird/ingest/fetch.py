"""A picture from a URL that a stranger typed: only from public addresses, within limits of time and size.

A name is resolved once for each hop, every address of it is checked, and the connection goes to an
address that was checked. There is no second look-up for a hostile name server to answer differently.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx
import msgspec

from bowerbird.catalog import fetches, saves
from bowerbird.catalog.fetches import Fetch
from bowerbird.ingest.upload import MAX_BYTES, Refused
from bowerbird.model import Job
from bowerbird.ports import Engines

MAX_REDIRECTS = 5
MAX_URL = 2000
PORTS = (80, 443)
"""Pictures are rarely served elsewhere, and what answers elsewhere is rarely meant for strangers.
Where private addresses are allowed, so is every port."""

_HOST = re.compile(rb"[a-zA-Z0-9._-]+|[0-9a-fA-F:.]+")
_HEADERS = [(b"User-Agent", b"Bowerbird"), (b"Accept", b"image/*"), (b"Accept-Encoding", b"identity")]
_MOVED = (301, 302, 303, 307, 308)

# What of the global unicast space leads to other networks: Teredo and its like, 6to4, documentation.
_TUNNELS = [ipaddress.IPv6Network(text) for text in ("2001::/23", "2002::/16", "3fff::/20")]
_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")

Resolve = Callable[[str, int], list[str]]


class Limits(msgspec.Struct, frozen=True):
    seconds: float = 20.0
    """For everything together: names, redirects, the body."""
    max_bytes: int = MAX_BYTES
    private: bool = False
    """Fetch from addresses within one's own network as well."""


def addresses_of(host: str, port: int) -> list[str]:
    """Every address of a name. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def request(engines: Engines, user_id: int, url: str, *, board_id: int | None = None, **words: str) -> Fetch:
    """Have a picture fetched in the background, and pinned with these words. Raises `Refused`, and what
    `catalog.saves.writable` raises."""
    _parsed(url)
    with engines.database.write() as conn:
        if board_id is not None:
            saves.writable(conn, board_id, user_id)
        asked = fetches.create(conn, user_id, url, {**words, "board_id": board_id})
    engines.queue.send([Job("fetch", {"fetch_id": asked.id})])
    return asked


def fetch(url: str, limits: Limits | None = None, resolve: Resolve = addresses_of) -> bytes:
    """The bytes behind a URL; what they are is for others to see. Raises `Refused`."""
    limits = limits or Limits()
    deadline = time.monotonic() + limits.seconds
    where = _parsed(url)
    try:
        for _ in range(MAX_REDIRECTS + 1):
            answer = _get(where, limits, deadline, resolve)
            if isinstance(answer, bytes):
                return answer
            where = answer
    except (httpcore.TimeoutException, TimeoutError):
        raise Refused(f"{where.host} took longer than {limits.seconds:g} s.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise Refused(f"{where.host} could not be fetched from: {str(error)[:200] or 'it hung up'}.") from None
    raise Refused(f"{where.host} redirects more than {MAX_REDIRECTS} times.")


def _get(url: httpx.URL, limits: Limits, deadline: float, resolve: Resolve) -> bytes | httpx.URL:
    """The body, or where it has moved to."""
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    if port not in PORTS and not limits.private:
        raise Refused(f"Only ports {PORTS[0]} and {PORTS[1]} are fetched from, not {port}.")
    address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=port, target=url.raw_path)
    headers = [(b"Host", url.netloc), *_HEADERS]
    certificates = httpx.create_ssl_context() if url.scheme == "https" else None  # reading them takes 20 ms
    backend = _Guarded(limits.private, deadline, resolve)
    with (
        httpcore.ConnectionPool(ssl_context=certificates, network_backend=backend) as pool,
        pool.stream("GET", address, headers=headers) as response,
    ):
        facts = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _MOVED and b"location" in facts:
            return _parsed(facts[b"location"], url)
        if response.status != 200:
            raise Refused(f"{url.host} answered with status {response.status}.")
        if facts.get(b"content-encoding", "identity").lower() not in ("identity", ""):
            raise Refused(f"{url.host} sends its answer compressed, unasked.")
        return _body(response.iter_stream(), facts.get(b"content-length", ""), limits.max_bytes)


def _body(chunks: Iterable[bytes], announced: str, max_bytes: int) -> bytes:
    body = bytearray()
    too_large = announced.isdecimal() and int(announced[:20]) > max_bytes
    for chunk in () if too_large else chunks:
        body += chunk
        if len(body) > max_bytes:
            too_large = True
            break
    if too_large:
        raise Refused(f"The file is too large; at most {max_bytes / 2**20:g} MB are taken.")
    return bytes(body)


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """The URL, relative to `base`. Raises `Refused`."""
    if len(text) > MAX_URL:
        raise Refused(f"The address has over {MAX_URL} characters.")
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError):
        raise Refused("That is no web address.") from None
    if url.scheme not in ("http", "https"):
        raise Refused("Only http:// and https:// addresses are fetched.")
    if not _HOST.fullmatch(url.raw_host):
        raise Refused("The address names no host.")
    if (url.port or 80) > 65535:
        raise Refused("A port has a number up to 65535.")
    if url.userinfo:
        raise Refused("An address with a user name or password in it is not fetched.")
    return url


def is_public(address: str) -> bool:
    """Whether it is an address of the open internet, itself and not as a tunnel to somewhere else."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip not in _RELAYS
    # Global unicast is 2000::/3; mapped, NAT64, link-local, unique local and multicast lie outside it.
    return int(ip) >> 125 == 1 and ip.is_global and not any(ip in network for network in _TUNNELS)


class _Guarded(httpcore.NetworkBackend):
    """Connects to checked addresses only, and gives everything the time that is left."""

    def __init__(self, private: bool, deadline: float, resolve: Resolve) -> None:
        self._private = private
        self._deadline = deadline
        self._resolve = resolve

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        addresses = self._checked(host, port)
        for n, address in enumerate(addresses, 1):
            share = _left(self._deadline) / (len(addresses) - n + 1)
            try:
                stream = httpcore.SyncBackend().connect_tcp(address, port, timeout=share)
                return _Timed(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if n == len(addresses):
                    raise
        raise Refused(f"{host} could not be found.")

    def _checked(self, host: str, port: int) -> list[str]:
        addresses = _in_time(lambda: self._resolve(host, port), self._deadline)
        if isinstance(addresses, TimeoutError):
            raise addresses
        if isinstance(addresses, Exception):
            raise Refused(f"{host} could not be found.")
        if not self._private and not all(map(is_public, addresses)):
            raise Refused(f"{host} is not on the public internet.")
        return addresses


def _in_time(ask: Callable[[], list[str]], deadline: float) -> list[str] | Exception:
    """The system's resolver takes no time limit, so it is left behind in its thread."""
    answer: list[list[str] | Exception] = []

    def run() -> None:
        try:
            answer.append(ask())
        except Exception as error:
            answer.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_left(deadline))
    return answer[0] if answer else TimeoutError()


class _Timed(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Timed:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
