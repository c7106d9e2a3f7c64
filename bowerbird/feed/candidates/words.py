"""What is found by the words of recent searches."""

from __future__ import annotations

from functools import partial

import msgspec
from sqlalchemy import Connection

from bowerbird.catalog import words
from bowerbird.catalog.cached import cached
from bowerbird.feed.request import Asked, Feed, Proposal, Why
from bowerbird.ports import Engines

SEARCHES = 2
"""Latest ones that count."""
RECENT = 14 * 86400.0
"""Seconds after which nobody remembers what they searched for."""
MOST = 30
DEEPEST = 50


def propose(asked: Asked) -> list[Proposal]:
    latest = [text for text, at in asked.taste.searches if 0 <= asked.now - at < RECENT][:SEARCHES]
    return [
        Proposal(Why("words", words=text), 1.0 - rank / MOST, pin_id)
        for text in latest
        for rank, pin_id in enumerate(near(asked.feed, asked.conn, text, MOST))
    ]


def near(feed: Feed, conn: Connection, text: str, most: int) -> list[int]:
    """Pin ids, `DEEPEST` of them at most, best first, whoever may see them; shared by all who ask for the same."""
    engines, name = feed.engines, text.casefold()[:200]
    found = cached(engines, "words", name, partial(_find, conn, text), partial(_find_again, engines, text))
    return msgspec.json.decode(found, type=list[int])[:most] if found else []


def _find(conn: Connection, text: str) -> bytes:
    found = words.lately(conn, text, DEEPEST)
    return msgspec.json.encode(found) if found else b""


def _find_again(engines: Engines, text: str) -> bytes:
    with engines.database.read() as conn:
        return _find(conn, text)
