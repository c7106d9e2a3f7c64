"""Pictures that look like a person's interests (PinnerSage, Pal et al., KDD 2020, section 5).

Three interests are drawn by their importance for each request, so that a day of requests shows all of them, the
great ones more often; the neighbours of each one's medoid are proposed.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np

from bowerbird.feed.request import Asked, Proposal, Why
from bowerbird.model import CHOICE, EventKind, Interest

SAMPLED = 3
NEAREST = 40


def propose(asked: Asked) -> list[Proposal]:
    looks = asked.feed.engines.looks
    chosen = _drawn(asked)
    if not chosen:
        return []
    medoids = looks.get(np.array([interest.image_id for interest in chosen], np.int64))
    there = np.flatnonzero(medoids.any(axis=1))
    if not len(there):
        return []
    chosen = [chosen[at] for at in there]
    found = looks.search(medoids[there], min(NEAREST, len(looks)))
    acts = asked.taste.actions
    saved = {action.pin_id for action in acts if action.kind == EventKind.SAVE and action.source != CHOICE}
    whys = [_why(saved, interest) for interest in chosen]
    return [
        Proposal(why, score, image_id=image_id)
        for why, ids, scores in zip(whys, found.ids.tolist(), found.scores.tolist(), strict=True)
        for image_id, score in zip(ids, scores, strict=True)
        if image_id > 0
    ]


def _drawn(asked: Asked) -> list[Interest]:
    """Some interests; before there are any, the latest actions stand in for them."""
    known = list(asked.taste.interests) or [
        Interest(action.image_id, 1.0, (action.pin_id,)) for action in asked.recent(SAMPLED) if action.image_id
    ]
    if len(known) <= SAMPLED:
        return known
    weights = np.array([max(interest.importance, 1e-9) for interest in known])
    drawn = asked.dice.choice(len(known), SAMPLED, replace=False, p=weights / weights.sum())
    return [known[at] for at in drawn]


def _why(saved: Set[int], interest: Interest) -> Why:
    """By the latest pin of the interest that was saved, else by the latest at all."""
    for pin_id in interest.pins:
        if pin_id in saved:
            return Why("saved", pin_id)
    return Why("liked", interest.pins[0]) if interest.pins else Why("look")
