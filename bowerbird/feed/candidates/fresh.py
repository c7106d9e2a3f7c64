"""Fresh pins that need their first viewers: Thompson sampling (Chapelle and Li, NIPS 2011).

Each pin's rate of being liked has a Beta posterior from what happened to it so far. One draw from each ranks them:
what nobody has seen yet is uncertain and so is often drawn high, what many passed by seldom is.
"""

from __future__ import annotations

import msgspec
import numpy as np

from bowerbird.catalog import facts
from bowerbird.feed.request import Asked, Proposal, Why
from bowerbird.model import Counts

POOL = 160
"""Newest pins that are drawn from."""
MOST = 40
KNOWN = 60
"""Impressions from which a pin is on its own."""
PRIOR = (1.0, 19.0)
"""Of the Beta distribution: of twenty viewers one likes a picture that nothing is known of."""

_counts = msgspec.json.Decoder(Counts)


def propose(asked: Asked) -> list[Proposal]:
    pool = facts.newest(asked.conn, POOL)
    read(asked, pool)
    unseen = [pin_id for pin_id in pool if pin_id not in asked.shown.pins]
    young = [pin_id for pin_id in unseen if asked.counts[pin_id].impressions < KNOWN]
    if not young:
        return []
    liked = np.array([likes(asked.counts[pin_id]) for pin_id in young])
    seen = np.array([asked.counts[pin_id].impressions for pin_id in young])
    drawn = asked.dice.beta(PRIOR[0] + liked, PRIOR[1] + np.maximum(seen - liked, 0))
    best = np.argsort(-drawn, kind="stable")[:MOST]
    return [Proposal(Why("fresh"), float(drawn[at]), young[at]) for at in best]


def likes(counts: Counts) -> float:
    """Saves and half of the clicks, less what was hidden; a closeup alone says little."""
    return max(0.0, counts.saves + 0.5 * counts.clicks + 0.1 * counts.closeups - counts.hides)


def read(asked: Asked, pin_ids: list[int]) -> None:
    """Bring the counts of these pins into `asked.counts`; those that have none get zeros."""
    missing = [pin_id for pin_id in pin_ids if pin_id not in asked.counts]
    documents = asked.feed.engines.metadata.get_many([f"counts:{pin_id}" for pin_id in missing])
    for pin_id in missing:
        document = documents.get(f"counts:{pin_id}")
        asked.counts[pin_id] = _counts.decode(document) if document else Counts()
