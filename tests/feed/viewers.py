"""People whose liking and whose eyes are known: what a log would hold of their feeds, and what is true of them.

The old ranking shows what it thinks best first. How far each person scrolls, how active they are and how little they
look at what is far down have nothing to do with what they like.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowerbird.feed import rank
from bowerbird.feed.features import COLUMNS, NAMES, SOURCES
from bowerbird.feed.learn import DAY
from bowerbird.feed.lesson import WORTH, Lesson
from bowerbird.feed.served import SERVED
from bowerbird.model import Event
from bowerbird.ports import Floats, Ints

START = 1_800_000_000.0
LIKED = {"taste": 0.3, "walk": 1.6, "affinity": 0.2, "popular": -0.1, "young": 0.9, "creator": 1.5, "rate": 0.4}
"""What people like."""
FAVOURED = {
    name: weight
    for weight, names in {
        1.2: "taste",
        0.8: "affinity recent",
        0.6: "words interests importance",
        0.4: "walk followed creator rate agreement trending",
        0.15: "young popular fresh",
        -0.5: "tired",
        -1.0: "hidden",
    }.items()
    for name in names.split()
}
"""What they were shown first."""


class Old:
    """The ranking that these people's feeds were made by; a `rank.Model`."""

    version = "old"

    def predict(self, features: Floats) -> Floats:
        return np.asarray(features @ [FAVOURED.get(name, 0.0) for name in NAMES], np.float32)


class World(NamedTuple):
    """What was seen, a row a pin, list by list."""

    features: Floats
    depths: Ints
    liking: NDArray[np.float64]
    """Chance to be chosen if it is looked at."""
    worth: Floats
    lists: Ints
    people: Ints
    at: NDArray[np.float64]

    def lesson(self) -> Lesson:
        """As `lesson.lesson` gives it: lists that something was done with."""
        given = Lesson(self.features, self.depths, self.worth, self.lists, self.people, self.at)
        return given.only(np.bincount(self.lists, self.worth != 0) > 0)

    def rightly(self, scores: Floats) -> float:
        """How well these scores order what people like: NDCG with what is true of them, whatever was looked at."""
        places = np.arange(len(self.lists)) - np.searchsorted(self.lists, self.lists)

        def gain(by: Floats | NDArray[np.float64]) -> float:
            return float((self.liking[np.lexsort((-by, self.lists))] / np.log2(2 + places)).sum())

        return gain(scores) / gain(self.liking)


def looked_at(depths: Ints) -> NDArray[np.float64]:
    """The chance, by how far down it is."""
    return np.asarray((1 + depths) ** -0.6)


def world(
    seed: int, people: int = 60, days: int = 10, each: int = 3, pins: int = 160, listed: int = 100, active: float = -3.5
) -> World:
    """`each` lists a person and day, of the best `listed` of `pins` by the old ranking."""
    dice = np.random.default_rng(seed)
    likes = np.array([LIKED.get(name, 0.0) for name in NAMES])
    rows: list[tuple[NDArray[np.float64], ...]] = []
    habits = dice.normal(0, 0.5, people)
    whose = np.tile(np.repeat(np.arange(people), each), days)
    for person in whose.tolist():
        features = _candidates(dice, pins)
        order = np.argsort(-(rank.scores(features, Old()) + dice.normal(0, 0.4, pins)))
        scrolled = min(listed, 8 + int(dice.exponential(20 + 40 * (habits[person] < 0))))
        features, depths = features[order[:scrolled]], np.arange(scrolled)
        liking = 1 / (1 + np.exp(-(active + habits[person] + features @ likes)))
        chosen = dice.random(scrolled) < liking * looked_at(depths)
        worth = chosen * np.where(dice.random(scrolled) < 0.4, WORTH["saved"], WORTH["opened"])
        rows.append((features, depths, liking, worth))
    columns = [np.concatenate(part) for part in zip(*rows, strict=True)]
    lists = np.repeat(np.arange(len(rows)), [len(row[1]) for row in rows])
    at = START + np.repeat(np.arange(days), people * each) * DAY + np.tile(np.arange(people * each), days)
    return World(columns[0], columns[1], columns[2], columns[3].astype(np.float32), lists, whose + 1, at)


def _candidates(dice: np.random.Generator, pins: int) -> Floats:
    """Features of pins that have something to do with each other, as they are logged."""
    proposed = np.where(dice.random((pins, len(SOURCES))) < 0.25, dice.random((pins, len(SOURCES))), 0)
    found = dict(zip(SOURCES, proposed.T, strict=True))
    found["agreement"] = np.maximum((proposed > 0).sum(axis=1) - 1, 0)
    found["taste"] = 0.4 * found["interests"] + 0.6 * dice.beta(2, 3, pins)
    found["importance"] = dice.beta(1, 5, pins)
    found["recent"] = 0.5 * found["taste"] + 0.5 * dice.beta(2, 3, pins)
    found["hidden"] = 0.6 * dice.beta(1, 4, pins)
    found["popular"] = dice.exponential(1.2, pins)
    found["rate"] = dice.normal(0, 0.5, pins)
    found["young"] = dice.random(pins)
    found["creator"] = np.where(dice.random(pins) < 0.2, dice.random(pins) / 2, 0)
    found["tired"] = dice.exponential(0.4, pins)
    found["history"] = np.full(pins, dice.uniform(1, 5))
    found["hour"] = np.full(pins, dice.integers(24))
    return np.stack([found[name] for name in NAMES], axis=1).astype(np.float16).astype(np.float32)


def events(
    told: World | Lesson, later: float = 0.0, page: str = "home", columns: str = COLUMNS, first: int = 1
) -> Iterator[Event]:
    """What the log would hold of it, `later` seconds later, in order; pins and lists have numbers of their own, from
    `first` on."""
    for number, (person, at) in enumerate(zip(told.people.tolist(), (told.at + later).tolist(), strict=True)):
        rows = np.flatnonzero(told.lists == number)
        request, pins = f"{first + number:024x}", (rows + first).tolist()
        features = base64.b64encode(told.features[rows].astype(np.float16).tobytes()).decode()
        where = {"page": page, "request": request}
        data = where | {"pins": pins, "depths": told.depths[rows].tolist()}
        yield Event(SERVED, at, person, data={**data, "columns": columns, "features": features})
        for pin, worth in zip(pins, told.worth[rows].tolist(), strict=True):
            yield Event("impression", at + 1, person, pin, where, id=f"seen-{pin}")
            kind = {WORTH["saved"]: "save", WORTH["opened"]: "closeup", WORTH["hidden"]: "hide"}.get(worth)
            if kind:
                yield Event(kind, at + 5, person, pin, where)
