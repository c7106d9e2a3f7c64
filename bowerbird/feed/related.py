"""What belongs with a pin or on a board: what looks like it, what people keep with it, what is about the same.

The kinds are fused by their ranks (Cormack, Clarke and Buettcher, SIGIR 2009), each with a weight. The list is kept
in the cache for its further pages; where it is gone it is made again and comes out alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import facts, pins, words
from bowerbird.catalog.facts import Fact
from bowerbird.feed.candidates import affinity, walk
from bowerbird.feed.compose import folded
from bowerbird.feed.placing import Item, bookmark_of, place
from bowerbird.feed.request import Feed, Page, Why
from bowerbird.feed.spread import farthest
from bowerbird.model import Pin, Taste
from bowerbird.ports import Unavailable

WEIGHTS = {"visual": 1.0, "walk": 0.9, "affinity": 0.7, "words": 0.35}
"""Of each kind, in the order in which they are asked. `learn.fusion` sets others where there is data."""
SMOOTH = 60
"""Of reciprocal rank fusion; the paper's value."""
DEEP = 150
"""Pins that each kind brings."""
MOST = 300
"""Pins on one list."""
KEEP = 900.0
"""Seconds for which it is kept."""
SEEDS, STYLES = 20, 4
"""Latest pins of a board that are walked from, and the most unlike of them that are looked alike."""


class Near(NamedTuple):
    """What belongs with some pins, of one kind, best first."""

    why: Why
    pin_ids: Sequence[int] = ()
    image_ids: Sequence[int] = ()
    """Instead of pins: of each the viewer is shown the oldest."""


class Seeds(NamedTuple):
    """What others are to belong with."""

    pins: list[Pin]
    text: str
    board_id: int = 0
    """What is on it does not belong with it any more."""


_items = msgspec.msgpack.Decoder(list[Item])
_taste = msgspec.json.Decoder(Taste)


def related(
    feed: Feed, conn: Connection, viewer: int | None, pin: Pin, bookmark: str | None = None, limit: int = 25
) -> Page:
    """A page of what belongs with a pin that the viewer sees. Raises ValueError for what is no bookmark."""
    name = f"related:{viewer or 0}:{pin.id}"
    return _page(feed, conn, viewer, name, bookmark, limit, lambda: Seeds([pin], pin.title))


def more_for_board(
    feed: Feed, conn: Connection, viewer: int, board_id: int, bookmark: str | None = None, limit: int = 25
) -> Page:
    """*More ideas*: a page of pins that would fit on a board and are not on it; empty for a board that is empty or
    that the viewer does not see. Raises ValueError for what is no bookmark."""

    def seeds() -> Seeds:
        board = facts.named_boards(conn, [board_id], viewer).get(board_id)
        latest = pins.of_board(conn, board_id, viewer, limit=SEEDS) if board else []
        return Seeds(latest, board.name if board else "", board_id)

    return _page(feed, conn, viewer, f"more:{viewer}:{board_id}", bookmark, limit, seeds)


def _page(
    feed: Feed,
    conn: Connection,
    viewer: int | None,
    name: str,
    bookmark: str | None,
    limit: int,
    seeds: Callable[[], Seeds],
) -> Page:
    position = min(bookmark_of(bookmark)[1], MOST)
    request = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
    kept = feed.engines.cache.get(f"feed:{request}") if position else None
    if kept is None:
        items = _compose(feed, conn, viewer, seeds())
        feed.engines.cache.put(f"feed:{request}", msgspec.msgpack.encode(items), KEEP)
    else:
        items = _items.decode(kept)
    following = position + limit
    shown = dict(enumerate(items[position:following], position))
    placed = place(feed, conn, viewer, _taste_of(feed, viewer), shown)
    return Page(request, placed, f"{request}.{following}" if following < len(items) else None)


def _taste_of(feed: Feed, viewer: int | None) -> Taste:
    try:
        document = feed.engines.metadata.get(f"taste:{viewer}") if viewer else None
        return _taste.decode(document) if document else Taste()
    except (Unavailable, msgspec.DecodeError):
        feed.missed["taste:failed"] += 1
        return Taste()


def _compose(feed: Feed, conn: Connection, viewer: int | None, seeds: Seeds) -> list[Item]:
    """Each pin with the kinds that found it, joined by `+`, and why the first of them did."""
    found: dict[str, list[Near]] = {}
    for kind, ask in KINDS.items():
        try:
            found[kind] = ask(feed, conn, seeds)
        except Exception:  # as in `sources.ask`: the others still come
            feed.missed[f"{kind}:failed"] += 1
    by_pin = {f.pin_id: f for f in facts.of_pins(conn, _every(found, "pin_ids"), viewer)}
    by_image = {f.image_id: f for f in facts.of_images(conn, _every(found, "image_ids"), viewer)}
    without = {pin.image.id for pin in seeds.pins}
    if seeds.board_id:
        images = {fact.image_id for fact in (*by_pin.values(), *by_image.values())}
        without |= facts.held(conn, seeds.board_id, images)
    sums: dict[int, float] = {}
    kinds: dict[int, dict[str, Why]] = {}
    chosen: dict[int, Fact] = {}
    for kind, lists in found.items():
        for near in lists:
            ranked = [by_pin.get(i) for i in near.pin_ids] or [by_image.get(i) for i in near.image_ids]
            shown = [fact for fact in ranked if fact is not None and fact.image_id not in without]
            for rank, fact in enumerate(shown, 1):
                chosen.setdefault(fact.image_id, fact)
                sums[fact.image_id] = sums.get(fact.image_id, 0.0) + WEIGHTS[kind] / (SMOOTH + rank) / len(lists)
                kinds.setdefault(fact.image_id, {}).setdefault(kind, near.why)
    best = sorted(sums, key=lambda image_id: -sums[image_id])[:MOST]
    ranking = [chosen[image_id] for image_id in best]
    rows = folded(feed, ranking, np.arange(len(best)), [pin.image.id for pin in seeds.pins])
    items = []
    for image_id in (best[row] for row in rows):
        by = kinds[image_id]
        items.append(Item(chosen[image_id].pin_id, image_id, "+".join(by), next(iter(by.values())), b""))
    return items


def _every(found: dict[str, list[Near]], what: str) -> set[int]:
    return {each for lists in found.values() for near in lists for each in getattr(near, what)}


def _visual(feed: Feed, conn: Connection, seeds: Seeds) -> list[Near]:
    looks = feed.engines.looks
    vectors = looks.get(np.array([pin.image.id for pin in seeds.pins], np.int64))
    chosen = farthest(vectors, STYLES)
    if not len(chosen):
        return []
    ids = looks.search(vectors[chosen], min(DEEP + len(seeds.pins), len(looks))).ids
    own = {pin.image.id for pin in seeds.pins}
    return [
        Near(Why("alike", seeds.pins[row].id), image_ids=[int(i) for i in ids[n] if i > 0 and i not in own])
        for n, row in enumerate(chosen.tolist())
    ]


def _walk(feed: Feed, conn: Connection, seeds: Seeds) -> list[Near]:
    found = walk.near(feed, {pin.id: 1.0 for pin in seeds.pins}, DEEP)
    return [Near(Why("together", seeds.pins[0].id), [pin_id for pin_id, *_ in found])] if found else []


def _affinity(feed: Feed, conn: Connection, seeds: Seeds) -> list[Near]:
    found = affinity.near(feed, [pin.id for pin in seeds.pins], DEEP)
    return [Near(Why("together", seeds.pins[0].id), [pin_id for pin_id, *_ in found])] if found else []


def _words(feed: Feed, conn: Connection, seeds: Seeds) -> list[Near]:
    """By title or board name."""
    found = words.lately(conn, " ".join(seeds.text.split()[:6]), DEEP // 3)
    return [Near(Why("topic", seeds.pins[0].id), found)] if found else []


Kind = Callable[[Feed, Connection, Seeds], list[Near]]
KINDS: dict[str, Kind] = {"visual": _visual, "walk": _walk, "affinity": _affinity, "words": _words}
