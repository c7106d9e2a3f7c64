"""Fresh pins that need their first viewers: Thompson sampling (Chapelle and Li, NIPS 2011).

Each pin's rate of being liked has a Beta posterior from what happened to it so far. One draw from each ranks them:
what nobody has seen yet is uncertain and so is often drawn high, what many passed by seldom is.
"""

from __future__ import annotations

from functools import partial

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import facts
from bowerbird.catalog.cached import cached
from bowerbird.feed.request import Asked, Feed, Proposal, Why

POOL = 160
"""Newest pins that are drawn from."""
MOST = 40
KNOWN = 60
"""Impressions from which a pin is on its own."""
PRIOR = (1.0, 19.0)
"""Of the Beta distribution: of twenty viewers one likes a picture that nothing is known of."""


class Young(msgspec.Struct, frozen=True, array_like=True):
    """One of the newest pins."""

    pin_id: int
    liked: float
    seen: int
    """Impressions."""


_pool = msgspec.msgpack.Decoder(list[Young])


def propose(asked: Asked) -> list[Proposal]:
    feed = asked.feed
    pool = cached(feed.engines, "fresh", "pool", partial(_newest, feed, asked.conn), partial(_newest_again, feed))
    young = [pin for pin in _pool.decode(pool) if pin.pin_id not in asked.shown.pins] if pool else []
    if not young:
        return []
    liked, seen = np.array([pin.liked for pin in young]), np.array([pin.seen for pin in young])
    drawn = asked.dice.beta(PRIOR[0] + liked, PRIOR[1] + np.maximum(seen - liked, 0))
    best = np.argsort(-drawn, kind="stable")[:MOST]
    return [Proposal(Why("fresh"), float(drawn[at]), young[at].pin_id) for at in best]


def _newest(feed: Feed, conn: Connection) -> bytes:
    """The same for everyone, so it is made once for all."""
    pool = facts.newest(conn, POOL)
    liked, seen = feed.lately.liking(feed.engines, np.array(pool, np.int64))
    known = zip(pool, liked.tolist(), seen.tolist(), strict=True)
    young = [Young(pin_id, likes, int(times)) for pin_id, likes, times in known if times < KNOWN]
    return msgspec.msgpack.encode(young) if young else b""


def _newest_again(feed: Feed) -> bytes:
    with feed.engines.database.read() as conn:
        return _newest(feed, conn)
