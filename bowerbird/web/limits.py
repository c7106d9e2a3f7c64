"""Rate limits over the Cache port, and whose address a request comes from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import anyio.to_thread
from litestar.connection import ASGIConnection
from litestar.exceptions import TooManyRequestsException
from litestar.handlers import BaseRouteHandler

from bowerbird.ports import Cache

QUARTER = 15 * 60.0
HOUR = 3600.0
SIGN_UPS_PER_HOUR = 20
ACTS_PER_MINUTE = 3000
"""Saves, hides, follows and the like of one person; who does more is no person."""
LOOKS_PER_MINUTE = 120
"""Pictures and parts of them that one viewer or address searches by: each costs an embedding."""

Network = IPv4Network | IPv6Network


def allow(cache: Cache, key: str, most: int, window: float) -> None:
    """Count one more of `key`; raises 429 with Retry-After past `most` in `window` seconds."""
    if cache.hit(f"limit:{key}", window) > most:
        raise TooManyRequestsException(
            detail=f"Too many attempts: at most {most} in {_words(window)}. Try again later.",
            headers={"Retry-After": str(int(window))},
        )


def allow_look(connection: ASGIConnection[Any, Any, Any, Any], viewer: int | None) -> None:
    """Count one more picture, or part of one, that is looked at for this viewer or address. Raises 429."""
    site = connection.app.state.site
    who = f"user-{viewer}" if viewer else address(connection, site.rules.trusted_proxies)
    allow(site.engines.cache, f"look:{who}", LOOKS_PER_MINUTE, 60.0)


async def acting(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The guard of routes by which people say what they like: everybody's walls hear of it."""
    key = f"acts:{connection.scope['user'].known().id}"
    cache = connection.app.state.site.engines.cache
    await anyio.to_thread.run_sync(allow, cache, key, ACTS_PER_MINUTE, 60.0)


async def part_looked_at(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The guard of routes that take a `box`."""
    if connection.query_params.get("box"):
        await anyio.to_thread.run_sync(allow_look, connection, connection.scope["user"].id)


def networks(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses or networks; raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def address(connection: ASGIConnection[Any, Any, Any, Any], trusted: Sequence[Network]) -> str:
    """The client's address: the peer's, or behind trusted proxies the last one they vouch for.

    X-Forwarded-For is read from the right, because a client can write anything to its left.
    """
    client = connection.scope.get("client")
    peer = client[0] if client else ""
    lines = ",".join(connection.headers.getall("x-forwarded-for", []))  # some proxies add a line of their own
    forwarded = [part.strip() for part in lines.split(",") if part.strip()]
    while forwarded and _within(peer, trusted):
        peer = forwarded.pop()
    return _block(peer)


def _within(text: str, trusted: Sequence[Network]) -> bool:
    found = _parsed(text)
    return found is not None and any(found in network for network in trusted)


def _block(text: str) -> str:
    """An IPv6 customer holds a whole /64, so that is what is counted."""
    found = _parsed(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return str(found or "unknown")


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """A server that listens on IPv6 too sees `::ffff:10.0.0.1` for 10.0.0.1."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _words(window: float) -> str:
    return {60.0: "a minute", QUARTER: "15 minutes", HOUR: "an hour"}.get(window, f"{window:.0f} seconds")
