"""The one door to search: words, a colour, a picture, a part of one, or any of these together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog import pins, words
from bowerbird.catalog.faces import Face, faces
from bowerbird.catalog.prints import of_faces
from bowerbird.model import Hit, State
from bowerbird.ports import Engines, Floats, Vectors
from bowerbird.search import colour as colours
from bowerbird.search import similar
from bowerbird.search.duplicates import fold
from bowerbird.search.fuse import fuse

POOL = 400
"""Pictures that each part of a mixed query brings. Fixed, for a ranking that grew with the page would shuffle
pictures between pages."""

DEEPEST = 2000
"""Where paging ends."""


class Query(msgspec.Struct, frozen=True):
    """What is asked for; any of these, at least one."""

    words: str = ""
    colour: str = ""
    """`#rrggbb`."""
    image_id: int | None = None
    """A stored picture: it is not in its own answer."""
    vector: Floats | None = None
    """(dim,) of a picture that is not kept (`similar.glance`), or of a part of `image_id` (`similar.part`)."""


def answer(
    engines: Engines, conn: Connection, query: Query, viewer: int | None, k: int = 25, skip: int = 0
) -> list[Face]:
    """Pins `skip` to `skip + k` of the answer, best first: what the viewer sees, near-duplicates folded into one.

    Every page is a part of one list, so long as nothing is added: go on with `skip` grown by the number of
    pins that came. An answer shorter than `k` is the end. Raises `ValueError` for what is no colour.
    """
    wanted = skip + k
    depth = wanted + wanted // 4 + 4  # a few are folded or hidden; where it is more, the loop goes deeper
    while True:
        ranking = _ranked(engines, conn, query, viewer, depth)
        seen = _seen(engines, conn, ranking, viewer)
        images = [hit.image_id for hit in ranking.hits if hit.image_id in seen]
        looks = engines.looks.get(np.array(images, np.int64))
        kept = [images[rank] for rank in fold(images, looks, partial(of_faces, seen))[:wanted]]
        if len(kept) >= wanted or ranking.whole or depth >= DEEPEST:
            return [seen[image_id] for image_id in kept[skip:]]
        depth = min(4 * depth, DEEPEST)


class Ranking(NamedTuple):
    hits: list[Hit]
    """Best first, each picture once."""
    pins: dict[int, int]
    """By picture, the pin whose words matched, where they did."""
    whole: bool
    """Whether a deeper look would bring no more."""


def _ranked(engines: Engines, conn: Connection, query: Query, viewer: int | None, depth: int) -> Ranking:
    sides = _sides(engines, query)
    if not query.words.strip():
        hits = _by_sight(sides, query.image_id, depth)
        return Ranking(hits, {}, whole=len(hits) < depth or len(sides) > 1)
    named = None if query.colour.strip() else colours.named(query.words)
    if named is not None:
        sides.append((engines.colours, named.vector))
    matched: dict[int, int] = {}
    found = words.find(conn, query.words, viewer, POOL if sides else depth)
    said = [_matching(found, query.image_id, matched)]
    if named is not None and named.rest:  # few who show a blue vase say that it is blue
        said.append(_matching(words.find(conn, named.rest, viewer, POOL), query.image_id, matched))
    elif named is not None:
        said.append(_by_sight(sides, query.image_id, POOL))
    if not sides:
        return Ranking(said[0], matched, whole=len(found) < depth)
    # Words say what, the rest only in which order; that counts as much as they do together.
    pool = list({hit.image_id: hit for hits in said for hit in hits}.values())
    order = [_order(index, vector, pool) for index, vector in sides]
    weights = [float(len(said))] * len(order) + [1.0] * len(said)
    return Ranking(fuse([*order, *said], weights), matched, whole=True)


def _matching(found: Sequence[words.Hit], own: int | None, matched: dict[int, int]) -> list[Hit]:
    """The pictures of these pins, each once; into `matched` goes the pin of each that is not there yet."""
    scores: dict[int, float] = {}
    for pin_id, image_id, score in found:
        if image_id != own:
            matched.setdefault(image_id, pin_id)
            scores.setdefault(image_id, score)
    return [Hit(image_id, score) for image_id, score in scores.items()]


def _sides(engines: Engines, query: Query) -> list[tuple[Vectors, Floats]]:
    """The parts of the query that are vectors, each with its index."""
    sides: list[tuple[Vectors, Floats]] = []
    if query.vector is not None:
        sides.append((engines.looks, query.vector))
    elif query.image_id is not None:
        sides.append((engines.looks, engines.looks.get(np.array([query.image_id], np.int64))[0]))
    if query.colour.strip():
        sides.append((engines.colours, colours.vector_of(query.colour)))
    return sides


def _by_sight(sides: Sequence[tuple[Vectors, Floats]], own: int | None, depth: int) -> list[Hit]:
    if len(sides) == 1:
        return _without(own, similar.hits_of(*sides[0], depth + 1))[:depth]
    pool = fuse([_without(own, similar.hits_of(index, vector, POOL)) for index, vector in sides])
    return fuse([_order(index, vector, pool) for index, vector in sides])


def _without(image_id: int | None, hits: list[Hit]) -> list[Hit]:
    return [hit for hit in hits if hit.image_id != image_id]


def _order(index: Vectors, vector: Floats, hits: Sequence[Hit]) -> list[Hit]:
    """These pictures as `index` ranks them, exactly."""
    if not hits:
        return []
    ids = np.array([hit.image_id for hit in hits], np.int64)
    scores = index.get(ids) @ vector
    return [Hit(int(ids[i]), float(scores[i])) for i in np.argsort(-scores, kind="stable")]


def _seen(engines: Engines, conn: Connection, ranking: Ranking, viewer: int | None) -> dict[int, Face]:
    """By image id, the ready pin that this viewer is shown: the one whose words matched, else the oldest."""
    matched = pins.seen(conn, ranking.pins.values(), viewer) if ranking.pins else {}
    chosen = {pin_id: secret for pin_id, (_, secret) in matched.items()}
    rest = [hit.image_id for hit in ranking.hits if hit.image_id not in ranking.pins]
    if rest:
        chosen |= dict(pins.shown(conn, rest, viewer).values())
    found = faces(engines, conn, chosen)
    return {face.image_id: face for face in found.values() if face.state is State.READY}
