"""What many people like right now."""

from __future__ import annotations

from bowerbird.feed.request import Asked, Proposal, Why

MOST = 40


def propose(asked: Asked) -> list[Proposal]:
    best = asked.trend.pins[:MOST]
    top = max((score for _, score in best), default=0.0)
    return [Proposal(Why("many"), score / top, pin_id) for pin_id, score in best if score > 0]
