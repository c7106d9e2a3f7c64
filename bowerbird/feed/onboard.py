"""Pictures for someone new to choose from."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import facts, pins
from bowerbird.feed.request import Feed
from bowerbird.feed.spread import farthest
from bowerbird.model import Pin, State, Trend
from bowerbird.ports import Floats, Ints, Unavailable

DRAWN, NEW, TRENDING = 600, 60, 100
"""Pins drawn from all there are, newest pins, and trending ones, that are chosen from."""
LIKED = 240
"""Most saved ones of these that are spread over."""

_trend = msgspec.json.Decoder(Trend)


def starters(feed: Feed, conn: Connection, viewer: int, seen: Collection[int] = (), limit: int = 24) -> list[Pin]:
    """A spread of well-liked and fresh pictures, as unlike each other and `seen` as there are.

    `seen`: ids of pins shown in earlier rounds, which do not come again. Each call draws anew from a large site.
    """
    dice = np.random.default_rng()
    pool = {fact.image_id: fact for fact in facts.of_pins(conn, _drawn(feed, conn, dice), viewer)}
    found = [fact for fact in pool.values() if fact.pin_id not in seen]
    new = set(facts.newest(conn, NEW))
    # Among the liked ones chance decides, and a few are new: else everyone would begin with the same.
    dice.shuffle(found)
    found.sort(key=lambda fact: -(fact.saves + (3 if fact.pin_id in new else 0)))
    found = found[: max(LIKED, 2 * limit)]
    before = [fact.image_id for fact in facts.of_pins(conn, list(seen)[-500:], viewer)]
    vectors, centres = _looks(feed, [fact.image_id for fact in found]), _looks(feed, before)
    rows = farthest(vectors, limit, centres).tolist()
    rows += [row for row in range(len(found)) if row not in set(rows) and not vectors[row].any()]
    chosen = [found[row].pin_id for row in rows[:limit]]
    known = pins.get_many(conn, chosen, viewer)
    return [known[pin_id] for pin_id in chosen if pin_id in known and known[pin_id].image.state is State.READY]


def _drawn(feed: Feed, conn: Connection, dice: np.random.Generator) -> list[int]:
    newest = facts.newest(conn, NEW)
    if not newest:
        return []
    drawn: Ints = dice.integers(1, newest[0], DRAWN, endpoint=True) if newest[0] > DRAWN else np.arange(1, newest[0])
    trending: list[int] = []
    try:
        known = feed.engines.metadata.get("trend:")
        trending = [pin_id for pin_id, _ in _trend.decode(known).pins[:TRENDING]] if known else []
    except (Unavailable, msgspec.DecodeError):
        feed.missed["starters:failed"] += 1
    return list({*newest, *drawn.tolist(), *trending})


def _looks(feed: Feed, image_ids: list[int]) -> Floats:
    try:
        return feed.engines.looks.get(np.array(image_ids, np.int64))
    except Unavailable:
        feed.missed["looks:failed"] += 1
        return np.zeros((len(image_ids), feed.engines.looks.dim), np.float32)
