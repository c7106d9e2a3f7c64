"""What ranking knows of each candidate: one row of numbers a pin."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bowerbird.catalog.facts import Fact
from bowerbird.feed.candidates.fresh import PRIOR, likes, read
from bowerbird.feed.request import Asked
from bowerbird.model import Shown
from bowerbird.ports import Floats, Unavailable

SOURCES = ("interests", "walk", "affinity", "followed", "trending", "words", "fresh", "newest")

NAMES = (
    *SOURCES,  # how much each source wants it, from 0 to 1
    "agreement",  # sources beyond the first that proposed it
    "taste",  # log of how near it is to the interests, each by its importance
    "importance",  # of the interest that it is nearest to
    "recent",  # greatest cosine to what was acted on last
    "hidden",  # greatest cosine to what was hidden
    "popular",  # log of its saves
    "rate",  # log of its smoothed rate of being liked, over the prior's
    "young",  # 1 for new, half after a week
    "creator",  # share of the latest actions that were with this creator's pins
    "tired",  # how often it was shown, forgotten with time
    "history",  # log of how many actions are known
    "hour",  # of the day, UTC
)
"""The columns, in their order. Models are kept with this list and are not used with another. One that comes to mean
something else gets another name: what was logged before is not like what is logged from then on."""
COLUMNS = hashlib.blake2b(",".join(NAMES).encode(), digest_size=4).hexdigest()
"""Names this list in the log: what was logged under another one is not learned from."""

INTERESTS, RECENT, HIDDEN = 12, 16, 200
"""How many of each are compared with."""
SHARP = 10.0
"""Of the bump: by a cosine of 0.4 less, as pictures of two styles have it in the demo's gallery, it is a fiftieth."""
FORGETS = 14 * 86400.0
"""Seconds after which having been shown counts half."""
WEEK = 7 * 86400.0


class Table(NamedTuple):
    """Candidates, a row each."""

    facts: list[Fact]
    proposed: Floats
    """(n, sources), how much each source wants it; 0 where it did not propose it."""
    looks: Floats
    """(n, dim); zeros where the picture is not known."""
    features: Floats
    """(n, features)."""
    interests: Floats
    """(n, interests): cosines to their medoids."""
    alike: Floats
    """(n, hidden actions): cosines to what was hidden."""


def tabulate(asked: Asked, facts: list[Fact], proposed: Floats) -> Table:
    """`proposed` (n, sources). Without the vector engine or the counts their columns are zero."""
    interests = asked.taste.interests[:INTERESTS]
    recent = [action.image_id for action in asked.recent(RECENT)]
    hidden = [action.image_id for action in asked.taste.hidden[:HIDDEN]]
    known = [fact.image_id for fact in facts]
    vectors = _looks(asked, [*known, *(interest.image_id for interest in interests), *recent, *hidden])
    n, m, r = len(facts), len(interests), len(recent)
    looks = vectors[:n]
    cosines = np.maximum(looks @ vectors[n:].T, 0)
    to_interests, to_recent, alike = cosines[:, :m], cosines[:, m : m + r], cosines[:, m + r :]
    importance = np.array([interest.importance for interest in interests], np.float32)
    rate, tired = _rates(asked, facts), tiredness(asked.shown, asked.now, facts)
    saves = np.array([fact.saves for fact in facts], np.float32)
    ages = np.array([max(0.0, asked.now - fact.created_at) for fact in facts], np.float32)
    columns = [
        np.maximum((proposed > 0).sum(axis=1) - 1, 0),
        _nearness(to_interests, importance),
        importance[to_interests.argmax(axis=1)] if m else np.zeros(n),
        _greatest(to_recent),
        _greatest(alike),
        np.log1p(saves),
        rate,
        0.5 ** (ages / WEEK),
        _creators(asked, facts),
        tired,
        np.full(n, np.log1p(len(asked.taste.actions))),
        np.full(n, time.gmtime(asked.now).tm_hour),
    ]
    features = np.concatenate([proposed, np.stack(columns, axis=1)], axis=1).astype(np.float32)
    return Table(facts, proposed, looks, features, to_interests, alike)


def _looks(asked: Asked, image_ids: Sequence[int]) -> Floats:
    """(n, dim); zeros for what is not known, and while the engine is away."""
    looks = asked.feed.engines.looks
    known = np.array([max(image_id, 0) for image_id in image_ids], np.int64)
    found = np.zeros((len(known), looks.dim), np.float32)
    try:
        found[known > 0] = looks.get(known[known > 0])
    except Unavailable:
        asked.feed.missed["looks:failed"] += 1
    return found


def _nearness(cosines: Floats, importance: Floats) -> Floats:
    """(n,) from `cosines` (n, interests): the log of a density with a bump at each medoid. A great interest counts more
    than a small one that happens to be as near, which a greatest cosine does not know."""
    if not cosines.shape[1]:
        return np.zeros(len(cosines), np.float32)
    density = np.exp(SHARP * (cosines - 1)) @ importance
    return np.asarray(np.log(np.maximum(density, np.exp(-SHARP))), np.float32)


def _greatest(cosines: Floats) -> Floats:
    return cosines.max(axis=1) if cosines.shape[1] else np.zeros(len(cosines), np.float32)


def _rates(asked: Asked, facts: list[Fact]) -> Floats:
    try:
        read(asked, [fact.pin_id for fact in facts])
    except Unavailable:
        asked.feed.missed["counts:failed"] += 1
        return np.zeros(len(facts), np.float32)
    counted = [asked.counts[fact.pin_id] for fact in facts]
    liked = np.array([likes(counts) for counts in counted], np.float32)
    seen = np.array([counts.impressions for counts in counted], np.float32)
    prior = PRIOR[0] / sum(PRIOR)
    return np.log((liked + PRIOR[0]) / (np.maximum(seen, liked) + sum(PRIOR)) / prior)


def tiredness(shown: Shown, now: float, facts: Sequence[Fact]) -> Floats:
    """(n,): how often each was shown, half forgotten every `FORGETS` seconds."""
    counted = [shown.pins.get(fact.pin_id, (0, now)) for fact in facts]
    times = np.array([number for number, _ in counted], np.float32)
    past = np.array([max(0.0, now - at) for _, at in counted], np.float32)
    return times * 0.5 ** (past / FORGETS)


def _creators(asked: Asked, facts: list[Fact]) -> Floats:
    share: dict[int, float] = {}
    for creator in asked.creators:
        share[creator] = share.get(creator, 0.0) + 1 / len(asked.creators)
    return np.array([share.get(fact.user_id, 0.0) for fact in facts], np.float32)
