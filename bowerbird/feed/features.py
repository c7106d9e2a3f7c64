"""What ranking knows of each candidate: one row of numbers a pin."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bowerbird.feed.candidates.fresh import PRIOR
from bowerbird.feed.recent import Rows
from bowerbird.feed.request import Asked
from bowerbird.model import Shown
from bowerbird.ports import Floats, Ints, Unavailable

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


def columns_of(names: Sequence[str]) -> str:
    """What names this list in the log: what was logged under another one is not learned from."""
    return hashlib.blake2b(",".join(names).encode(), digest_size=4).hexdigest()


COLUMNS = columns_of(NAMES)

INTERESTS, RECENT, HIDDEN = 12, 16, 200
"""How many of each are compared with."""
SHARP = 10.0
"""Of the bump: by a cosine of 0.4 less, as pictures of two styles have it in the demo's gallery, it is a fiftieth."""
FORGETS = 14 * 86400.0
"""Seconds after which having been shown counts half."""
WEEK = 7 * 86400.0


class Table(NamedTuple):
    """Candidates, a row each."""

    facts: Rows
    """(n,); see `recent.Lately`."""
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


def tabulate(asked: Asked, facts: Rows, proposed: Floats) -> Table:
    """`proposed` (n, sources). Without the vector engine its columns are zero; so is `rate`, until `rate` fills it."""
    interests = asked.taste.interests[:INTERESTS]
    recent = [action.image_id for action in asked.recent(RECENT)]
    hidden = [action.image_id for action in asked.taste.hidden[:HIDDEN]]
    compared = [*(interest.image_id for interest in interests), *recent, *hidden]
    vectors = looks_of(asked, [*facts["image_id"].tolist(), *compared])
    n, m, r = len(facts), len(interests), len(recent)
    looks = vectors[:n]
    cosines = np.maximum(looks @ vectors[n:].T, 0)
    to_interests, to_recent, alike = cosines[:, :m], cosines[:, m : m + r], cosines[:, m + r :]
    importance = np.array([interest.importance for interest in interests], np.float32)
    ages = np.maximum(asked.now - facts["created_at"], 0)
    columns = [
        np.maximum((proposed > 0).sum(axis=1) - 1, 0),
        _nearness(to_interests, importance),
        importance[to_interests.argmax(axis=1)] if m else 0.0,
        _greatest(to_recent),
        _greatest(alike),
        np.log1p(facts["saves"]),
        0.0,
        0.5 ** (ages / WEEK),
        _creators(asked, facts["user_id"]),
        tiredness(asked.shown, asked.now, facts["pin_id"]),
        np.log1p(len(asked.taste.actions)),
        time.gmtime(asked.now).tm_hour,
    ]
    features = np.empty((n, len(NAMES)), np.float32)
    features[:, : len(SOURCES)] = proposed
    for at, column in enumerate(columns, len(SOURCES)):
        features[:, at] = column
    return Table(facts, proposed, looks, features, to_interests, alike)


def looks_of(asked: Asked, image_ids: Sequence[int]) -> Floats:
    """(n, dim); zeros for what is not known, and while the engine is away."""
    looks = asked.feed.engines.looks
    known = np.maximum(np.array(image_ids, np.int64), 0)
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


def rate(asked: Asked, table: Table, rows: Ints) -> None:
    """Put the rates of these rows into their features: each costs a look into the metadata, so they come last. They
    stay zero while that is away."""
    try:
        liked, seen = asked.feed.lately.liking(asked.feed.engines, table.facts["pin_id"][rows])
    except Unavailable:
        asked.feed.missed["counts:failed"] += 1
        return
    prior = PRIOR[0] / sum(PRIOR)
    smoothed = (liked + PRIOR[0]) / (np.maximum(seen, liked) + sum(PRIOR))
    table.features[rows, NAMES.index("rate")] = np.log(smoothed / prior)


def tiredness(shown: Shown, now: float, pin_ids: Ints) -> Floats:
    """(n,): how often each was shown, half forgotten every `FORGETS` seconds."""
    met = [(row, *shown.pins[pin_id]) for row, pin_id in enumerate(pin_ids.tolist()) if pin_id in shown.pins]
    tired = np.zeros(len(pin_ids), np.float32)
    if met:
        rows, times, last = np.array(met).T
        tired[rows.astype(np.int64)] = times * 0.5 ** (np.maximum(now - last, 0) / FORGETS)
    return tired


def _creators(asked: Asked, user_ids: Ints) -> Floats:
    share: dict[int, float] = {}
    for creator in asked.creators:
        share[creator] = share.get(creator, 0.0) + 1 / len(asked.creators)
    return np.array([share.get(user_id, 0.0) for user_id in user_ids.tolist()], np.float32)
