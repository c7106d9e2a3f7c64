"""What people keep who keep what someone keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bowerbird.feed.request import Asked, Feed, Proposal, Why
from bowerbird.model import EventKind

SEEDS = 60
MOST = 80
WEIGHT = {EventKind.SAVE: 1.0, EventKind.UPLOAD: 0.8, EventKind.CLICK: 0.6, EventKind.CLOSEUP: 0.35}


def propose(asked: Asked) -> list[Proposal]:
    weights = {action.pin_id: WEIGHT.get(EventKind(action.kind), 0.3) for action in asked.recent(SEEDS)}
    found = _speak_for(asked.feed, weights, MOST)
    top = found[0][1] if found else 1.0
    return [Proposal(Why("people"), score / top, pin_id) for pin_id, score in found]


def near(feed: Feed, pins: Sequence[int], most: int) -> list[tuple[int, float]]:
    """Pins that go with these, best first; empty while nothing is learned."""
    return _speak_for(feed, dict.fromkeys(pins, 1.0), most)


def _speak_for(feed: Feed, weights: dict[int, float], most: int) -> list[tuple[int, float]]:
    learned = feed.affinity
    if learned is None or not weights:
        return []
    columns = learned.columns(np.array(list(weights), np.int64))
    known = np.array([weights[pin] for pin in learned.pin_ids[columns].tolist()], np.float32)
    best, scores = learned.top_k(columns, most, known)
    return list(zip(learned.pin_ids[best].tolist(), scores.tolist(), strict=True))
