"""Rate limits over the Cache port, and whose address a request comes from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from litestar.connection import ASGIConnection
from litestar.exceptions import TooManyRequestsException

from bowerbird.ports import Cache

QUARTER = 15 * 60.0
HOUR = 3600.0
SIGN_UPS_PER_HOUR = 20
SEARCHES_PER_MINUTE = 120
"""Picture searches by one address: each costs an embedding."""

Network = IPv4Network | IPv6Network


def allow(cache: Cache, key: str, most: int, window: float) -> None:
    """Count one more of `key`; raises 429 with Retry-After past `most` in `window` seconds."""
    if cache.hit(f"limit:{key}", window) > most:
        raise TooManyRequestsException(
            detail=f"Too many attempts: at most {most} in {_words(window)}. Try again later.",
            headers={"Retry-After": str(int(window))},
        )


def networks(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses or networks; raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def address(connection: ASGIConnection, trusted: Sequence[Network]) -> str:  # type: ignore[type-arg]
    """The client's address: the peer's, or behind trusted proxies the last one they vouch for.

    X-Forwarded-For is read from the right, because a client can write anything to its left.
    """
    client = connection.scope.get("client")
    peer = client[0] if client else ""
    forwarded = [part.strip() for part in connection.headers.get("x-forwarded-for", "").split(",") if part.strip()]
    while forwarded and _within(peer, trusted):
        peer = forwarded.pop()
    return _block(peer)


def _within(text: str, trusted: Sequence[Network]) -> bool:
    try:
        found = ip_address(text)
    except ValueError:
        return False
    return any(found in network for network in trusted)


def _block(text: str) -> str:
    """An IPv6 customer holds a whole /64, so that is what is counted."""
    try:
        found = ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)


def _words(window: float) -> str:
    return {60.0: "a minute", QUARTER: "15 minutes", HOUR: "an hour"}.get(window, f"{window:.0f} seconds")
