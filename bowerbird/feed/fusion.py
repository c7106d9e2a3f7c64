"""How much each kind of related pins counts, learned from what people did with the pages that showed them.

A pin is taken to be chosen from its page in proportion to exp(w · x + b): x is how high each kind ranks it, as related
pins are fused by, and b how much its place is looked at: a conditional logit (McFadden 1974). Both are found at once,
for the likelihood is concave. The weights are judged as a learned ranking is (`feed.learn`), on days that they were
not learned from, and the places are left out when pins are fused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bowerbird.feed import learn as ranking
from bowerbird.feed.generations import whole
from bowerbird.feed.learn import Learned, Reals, Report, step
from bowerbird.feed.lesson import Lesson
from bowerbird.feed.related import NAMES, WEIGHTS
from bowerbird.ports import Floats

LEAST = 0.05
"""Of the greatest weight: a kind that is worth nothing today is still seen now and then, or nobody would know when it
comes to be worth something."""
RIDGE = 1.0
"""Half of this times the square of each weight and place is taken off the likelihood."""


class Fusion:
    """A `rank.Model` over `related.NAMES`."""

    def __init__(self, weights: Mapping[str, float] = WEIGHTS, version: str = "") -> None:
        """Raises `ValueError` for other kinds than those of today, and for weights that are not above zero."""
        numbers = [float(weights.get(name, 0.0)) for name in NAMES]
        if set(weights) != set(NAMES) or not all(0 < each <= 1 for each in numbers):
            raise ValueError(f"these are no weights of {', '.join(NAMES)}")
        self.weights, self.version = dict(zip(NAMES, numbers, strict=True)), version
        self._row = np.array(numbers, np.float32)

    def predict(self, features: Floats) -> Floats:
        """(n, kinds) to (n,)."""
        return np.asarray(features @ self._row, np.float32)

    def save(self, folder: Path, **about: Any) -> None:
        """Whole or not at all; `about` is kept beside it."""
        with whole(folder) as made:
            (made / "fusion.json").write_text(json.dumps({"weights": self.weights, **about}, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Fusion:
        """Raises `ValueError` for what cannot be read, or is of other kinds."""
        try:
            return cls(json.loads((folder / "fusion.json").read_text())["weights"], folder.name)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder} cannot be read: {error!r}") from error


def learn(given: Lesson, before: Fusion | None = None, report: Report = lambda *_: None) -> Learned[Fusion]:
    """Weigh the kinds anew, and compare with what is in use. Raises `ValueError` where there is too little."""
    taught, asked, days = ranking.parted(given, "beside related pins or ideas for a board")
    fusion, chances = fit(taught)
    report(1, 2)
    verdict = ranking.judge(asked, ranking.weights(asked, chances), before or Fusion(), fusion)
    report(2, 2)
    return Learned(fusion, chances, verdict._replace(days=days))


def fit(given: Lesson) -> tuple[Fusion, Reals]:
    """The weights, the greatest of them 1, and by `step` how much a place is looked at, 1 where it is most. What was
    hidden is chosen as well, but for what the kinds do not say."""
    from scipy.optimize import minimize

    kinds, places = len(NAMES), step(given.depths)
    count = int(places.max()) + 1
    features = given.features.astype(np.float64)
    liked, hidden = (np.maximum(sign * given.worth, 0).astype(np.float64) for sign in (1, -1))
    most, least = (ranking.summed(each, given) for each in (liked, hidden))

    def lost(found: Reals) -> tuple[float, Reals]:
        """What the likelihood lacks, and its slope."""
        scores, looked_at = features @ found[:kinds], found[kinds:][places]
        up, down = (ranking.softmax(looked_at + sign * scores, given) for sign in (1, -1))
        likely = liked @ np.log(np.maximum(up, 1e-12)) + hidden @ np.log(np.maximum(down, 1e-12))
        of_liked, of_hidden = most * up - liked, least * down - hidden
        slope = np.r_[features.T @ (of_liked - of_hidden), np.bincount(places, of_liked + of_hidden, count)]
        return float(RIDGE / 2 * found @ found - likely), slope + RIDGE * found

    bounds = [(0.0, None)] * kinds + [(None, None)] * count
    found = minimize(lost, np.r_[np.ones(kinds), np.zeros(count)], jac=True, method="L-BFGS-B", bounds=bounds).x
    weights, log = found[:kinds], found[kinds:]
    # Nothing that the kinds say is of use: then as it is without data.
    told = np.clip(weights / weights.max(), LEAST, 1).round(4).tolist() if weights.max() > 0 else WEIGHTS.values()
    return Fusion(dict(zip(NAMES, told, strict=True))), np.exp(log - log.max())
