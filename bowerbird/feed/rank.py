"""Scores for candidates: by fixed weights, or by a model once there is one."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bowerbird.feed.features import NAMES
from bowerbird.ports import Floats

WEIGHTS = {
    "interests": 0.6,
    "walk": 0.5,
    "affinity": 0.9,
    "followed": 0.5,
    "trending": 0.3,
    "words": 0.7,
    "fresh": 0.1,
    "newest": 0.0,
    "agreement": 0.35,
    "taste": 0.8,
    "importance": 0.6,
    "recent": 0.8,
    "hidden": -1.0,
    "popular": 0.12,
    "rate": 0.4,
    "young": 0.2,
    "creator": 0.5,
    "tired": -4.0,
    "history": 0.0,
    "hour": 0.0,
}
"""Before there is anything to learn from. What is near to someone's own taste counts most, what is liked by all breaks
ties, and what was passed by comes after what was not seen yet. `bench/replay.py` measures them: on the demo's gallery
`taste` as it is and `tired` make the most of the difference, and the others little."""

_WEIGHTS = np.array([WEIGHTS[name] for name in NAMES], np.float32)


class Model(Protocol):
    """A learned ranking; `feed.learn` makes them."""

    version: str

    def predict(self, features: Floats) -> Floats:
        """(n, features) to (n,)."""
        ...


def scores(features: Floats, model: Model | None = None) -> Floats:
    """(n,) of (n, features): higher is better, spread of about 1. By fixed weights without a model. Raises
    `ValueError` for scores that are no numbers, and whatever the model raises."""
    raw = features @ _WEIGHTS if model is None else model.predict(features)
    if not np.isfinite(raw).all():
        raise ValueError("some scores are no numbers")
    spread = float(raw.std()) if len(raw) else 0.0
    return np.asarray((raw - raw.mean()) / spread if spread > 1e-6 else np.zeros(len(raw)), np.float32)
