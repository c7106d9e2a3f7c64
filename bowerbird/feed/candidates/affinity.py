"""What people keep together with what someone saved: walks on the save graph."""

from __future__ import annotations

from bowerbird.feed.request import Asked, Proposal


def propose(asked: Asked) -> list[Proposal]:
    return []


def near(feed: object, pins: list[int], most: int) -> list[tuple[int, float, int]]:
    return []
