"""What is found by the words of recent searches."""

from __future__ import annotations

import msgspec

from bowerbird.catalog import words
from bowerbird.feed.request import Asked, Proposal, Why

SEARCHES = 2
"""Latest ones that count."""
RECENT = 14 * 86400.0
"""Seconds after which nobody remembers what they searched for."""
MOST = 30
KEEP = 300.0
"""Seconds for which an answer is kept."""


def propose(asked: Asked) -> list[Proposal]:
    latest = [text for text, at in asked.taste.searches if 0 <= asked.now - at < RECENT][:SEARCHES]
    return [
        Proposal(Why("words", words=text), 1.0 - rank / MOST, pin_id)
        for text in latest
        for rank, pin_id in enumerate(_found(asked, text))
    ]


def _found(asked: Asked, text: str) -> list[int]:
    """Pin ids, best first, whoever may see them; the answer is shared by all who search for the same."""
    key = f"feed:words:{text.casefold()[:200]}"
    kept = asked.feed.engines.cache.get(key)
    if kept is not None:
        return msgspec.json.decode(kept, type=list[int])
    found = words.lately(asked.conn, text, MOST)
    asked.feed.engines.cache.put(key, msgspec.json.encode(found), KEEP)
    return found
