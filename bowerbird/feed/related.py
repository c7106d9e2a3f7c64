"""What belongs with a pin or on a board: what looks like it, what people keep with it, what is about the same.

The kinds are fused by their ranks (Cormack, Clarke and Buettcher, SIGIR 2009), each with a weight. Most people look at
the first page only, so that takes a shallow look; the list behind it is kept in the cache for its further pages, and
where it is gone it is made again and comes out alike.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from itertools import compress
from typing import NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import facts, pins
from bowerbird.catalog.cached import cached
from bowerbird.catalog.faces import Face, faces
from bowerbird.catalog.prints import of_faces
from bowerbird.feed import served
from bowerbird.feed.candidates import affinity, walk, words
from bowerbird.feed.features import columns_of
from bowerbird.feed.placing import Item, bookmark_of, place
from bowerbird.feed.request import Feed, Page, Why
from bowerbird.feed.spread import farthest
from bowerbird.model import Pin, State, Taste
from bowerbird.ports import Unavailable

WEIGHTS = {"visual": 1.0, "walk": 0.9, "affinity": 0.7, "words": 0.35}
"""Of each kind, in the order in which they are asked. `feed.fusion` learns others where there is data."""
NAMES = tuple(WEIGHTS)
"""Features of an item: how high each kind ranks it, 1 at the top and 0 where it is not."""
COLUMNS = columns_of(NAMES)
SMOOTH = 60
"""Of reciprocal rank fusion; the paper's value."""
DEEP = 150
"""Pins that a deep look brings of what looks alike; half and a third as many of the other kinds."""
MOST = 300
"""Pins on one list."""
SEEDS, STYLES = 20, 4
"""Latest pins of a board that are walked from, and the most unlike of them that are looked alike."""


class Near(NamedTuple):
    """What belongs with some pins, of one kind, best first."""

    why: Why | Callable[[int], Why]
    """Or why each does, by its pin's id."""
    pin_ids: Sequence[int] = ()
    image_ids: Sequence[int] = ()
    """Instead of pins: of each the viewer is shown the oldest."""


class Composed(NamedTuple):
    items: list[Item]
    more: bool
    """Whether a deeper look might bring more."""
    met: dict[int, Face]
    """By pin id, what the viewer was found to see."""


class Seeds(NamedTuple):
    """What others are to belong with."""

    pins: list[Pin]
    text: str
    board_id: int = 0
    """What is on it does not belong with it any more."""


_halves = struct.Struct(f"<{len(NAMES)}e").pack
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
    """The first page comes from a shallow look; the list is what that found and then what a deep one adds."""
    position = min(bookmark_of(bookmark)[1], MOST)
    request = hashlib.blake2b(name.encode(), digest_size=12).hexdigest()
    following = position + limit
    met: dict[int, Face] = {}

    def compose() -> tuple[list[Item], bool]:
        around = seeds()
        shallow = limit + limit // 4 + 6
        items, more, found = _compose(feed, conn, viewer, around, shallow, shallow)
        met.update(found)
        if more and (position or following > len(items)):
            known = {item.image_id for item in items}
            deep, _, others = _compose(feed, conn, viewer, around, DEEP, MOST)
            items, more = [*items, *(item for item in deep if item.image_id not in known)][:MOST], False
            met.update(others)
        return items, more

    def whole() -> bytes:
        items, _ = compose()
        return msgspec.msgpack.encode(items) if items else b""

    if position:
        kept = cached(feed.engines, "list", f"{request}:{limit}", whole)
        items, more = (_items.decode(kept) if kept else []), False
    else:
        items, more = compose()
    shown = dict(enumerate(items[position:following], position))
    placed = place(feed, conn, viewer, taste_of(feed, viewer), shown, met)
    if viewer:
        where, rows = name.partition(":")[0], b"".join(shown[each.position].features for each in placed)
        ids, depths = [each.pin.id for each in placed], [each.position for each in placed]
        served.note(feed, viewer, where, request, ids, depths, COLUMNS, rows)
    return Page(request, placed, f"{request}.{following}" if more or following < len(items) else None)


def taste_of(feed: Feed, viewer: int | None) -> Taste:
    """Nothing for nobody, and while the metadata is away."""
    try:
        document = feed.engines.metadata.get(f"taste:{viewer}") if viewer else None
        return _taste.decode(document) if document else Taste()
    except (Unavailable, msgspec.DecodeError):
        feed.missed["taste:failed"] += 1
        return Taste()


def _compose(feed: Feed, conn: Connection, viewer: int | None, seeds: Seeds, depth: int, most: int) -> Composed:
    """Each pin with the kinds that found it, joined by `+`, and why the one that counts most for it did."""
    found: dict[str, list[Near]] = {}
    for kind, ask in KINDS.items():
        try:
            found[kind] = ask(feed, conn, seeds, depth)
        except Exception:  # as in `sources.ask`: the others still come
            feed.missed[f"{kind}:failed"] += 1
    every = [near for lists in found.values() for near in lists]
    sight = _sight(conn, viewer, every, seeds.pins)
    own = [pin.image.id for pin in seeds.pins]
    without = {*own, *(facts.held(conn, seeds.board_id, sight.pin_of.keys()) if seeds.board_id else ())}
    weights = feed.fusion.weights if feed.fusion else WEIGHTS
    fused = _fused(found, sight.image_of, sight.pin_of.keys() - without, [weights[name] for name in NAMES])
    best = sorted(fused, key=lambda image: -sum(fused[image].shares))
    shown = [sight.pin_of[image] for image in (*best[:most], *own) if image in sight.pin_of]
    met = faces(feed.engines, conn, {pin: sight.secret[pin] for pin in shown})
    known = {face.image_id: face for face in met.values()}
    ready = [image for image in best[:most] if image in known and known[image].state is State.READY]
    kept = _folded(feed, ready, known, own)
    known_as = {image: sight.pin_of[image] for image in kept}
    items = [Item(pin, i, fused[i].source, fused[i].why(pin), fused[i].features) for i, pin in known_as.items()]
    more = len(best) > most or any(len(near.image_ids) + len(near.pin_ids) >= depth // 2 for near in every)
    return Composed(items, more, met)


class Sight(NamedTuple):
    """What the viewer sees of what was found, and of the seeds, as reasons name them."""

    pin_of: dict[int, int]
    """By image id."""
    image_of: dict[int, int]
    """By pin id, of the seeds and of what was found as pins."""
    secret: dict[int, bool]
    """By pin id."""


def _sight(conn: Connection, viewer: int | None, every: Sequence[Near], seeds: Sequence[Pin]) -> Sight:
    of_pin = {pin.id: (pin.image.id, pin.secret) for pin in seeds}
    if found := {pin for near in every for pin in near.pin_ids} - of_pin.keys():
        of_pin |= pins.seen(conn, found, viewer)
    of_image = pins.shown(conn, {image for near in every for image in near.image_ids}, viewer)
    image_of = {pin: image for pin, (image, _) in of_pin.items()}
    pin_of = {image: pin for pin, image in image_of.items()} | {image: pin for image, (pin, _) in of_image.items()}
    return Sight(pin_of, image_of, {pin: secret for pin, (_, secret) in of_pin.items()} | dict(of_image.values()))


class Fused(NamedTuple):
    """What the kinds together say of an image, each as `NAMES` orders them."""

    ranked: list[float]
    """How high."""
    shares: list[float]
    """Of its score."""
    whys: list[Why | Callable[[int], Why]]

    @property
    def source(self) -> str:
        return "+".join(compress(NAMES, self.ranked))

    def why(self, pin_id: int) -> Why:
        """Of the kind that counts most for it; `pin_id` shows it."""
        why = self.whys[self.shares.index(max(self.shares))]
        return why if isinstance(why, Why) else why(pin_id)

    @property
    def features(self) -> bytes:
        """float16."""
        return _halves(*self.ranked)


def _fused(
    found: Mapping[str, Sequence[Near]], image_of: Mapping[int, int], fit: Set[int], weights: Sequence[float]
) -> dict[int, Fused]:
    """By image id, of those that are `fit`."""
    fused: dict[int, Fused] = {}
    none = [0.0] * len(NAMES)
    for kind, (name, weight) in enumerate(zip(NAMES, weights, strict=True)):
        lists = found.get(name, ())
        for near in lists:
            images = near.image_ids or [image_of[pin] for pin in near.pin_ids if pin in image_of]
            for rank, image in enumerate(filter(fit.__contains__, images), 1):
                known = fused.get(image)
                if known is None:
                    known = fused[image] = Fused(none[:], none[:], [near.why] * len(NAMES))
                if not known.ranked[kind]:
                    known.whys[kind] = near.why
                known.ranked[kind] += (SMOOTH + 1) / (SMOOTH + rank) / len(lists)
                known.shares[kind] = weight * known.ranked[kind]
    return fused


def _folded(feed: Feed, best: Sequence[int], known: Mapping[int, Face], before: Sequence[int]) -> list[int]:
    """These images without near-duplicates of better ones and of the images `before` them."""
    images = [*before, *best]
    try:
        looks = feed.engines.looks.get(np.array(images, np.int64))
        kept = {images[rank] for rank in feed.fold(images, looks, partial(of_faces, known))}
    except Unavailable:
        feed.missed["fold:failed"] += 1
        return list(best)
    return [image_id for image_id in best if image_id in kept]


def _visual(feed: Feed, conn: Connection, seeds: Seeds, depth: int) -> list[Near]:
    looks = feed.engines.looks
    vectors = looks.get(np.array([pin.image.id for pin in seeds.pins], np.int64))
    chosen = farthest(vectors, STYLES)
    if not len(chosen):
        return []
    ids = looks.search(vectors[chosen], depth + len(seeds.pins)).ids
    own = {pin.image.id for pin in seeds.pins}
    return [
        Near(Why("alike", seeds.pins[row].id), image_ids=[i for i in ids[n].tolist() if i > 0 and i not in own])
        for n, row in enumerate(chosen.tolist())
    ]


def _walk(feed: Feed, conn: Connection, seeds: Seeds, depth: int) -> list[Near]:
    found = walk.near(feed, {pin.id: 1.0 for pin in seeds.pins}, depth // 2)
    return [Near(_together(feed, seeds), [pin_id for pin_id, *_ in found])] if found else []


def _affinity(feed: Feed, conn: Connection, seeds: Seeds, depth: int) -> list[Near]:
    found = affinity.near(feed, [pin.id for pin in seeds.pins], depth // 2)
    return [Near(_together(feed, seeds), [pin_id for pin_id, *_ in found])] if found else []


def _together(feed: Feed, seeds: Seeds) -> Why | Callable[[int], Why]:
    """What is on one board with a seed is saved together with it; what is further away is not said to be."""
    near = Why("near", seeds.pins[0].id)
    return walk.whys_by(feed.graph, [pin.id for pin in seeds.pins], near) if feed.graph else near


def _words(feed: Feed, conn: Connection, seeds: Seeds, depth: int) -> list[Near]:
    """By title or board name."""
    found = words.near(feed, conn, " ".join(seeds.text.split()[:6]), depth // 3)
    return [Near(Why("topic", seeds.pins[0].id), found)] if found else []


Kind = Callable[[Feed, Connection, Seeds, int], list[Near]]
KINDS: dict[str, Kind] = {"visual": _visual, "walk": _walk, "affinity": _affinity, "words": _words}
