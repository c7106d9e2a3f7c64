"""Ask every source in its turn, each with a budget of time.

The sources run one after the other in the caller's thread, for threads over SQLite and numpy only fight for the
interpreter's lock. So nothing that hangs is cut short: that is for the engines' own timeouts. What is promised
instead: a source that raises is left out of this page, no source is begun when the page's time is spent, and one
that was slow three times in a row rests, at first for seconds and then for longer, so that an engine that
crawls makes few pages slow and not all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from bowerbird.feed.candidates import affinity, followed, fresh, interests, trending, walk, words
from bowerbird.feed.request import Asked, Feed, Proposal

Source = Callable[[Asked], list[Proposal]]

SOURCES: dict[str, Source] = {
    "interests": interests.propose,
    "walk": walk.propose,
    "affinity": affinity.propose,
    "followed": followed.propose,
    "trending": trending.propose,
    "words": words.propose,
    "fresh": fresh.propose,
}
"""In the order in which they are asked; when two propose the same pin, the first that did gives the reason."""

STRIKES = 3
REST, LONGEST = 5.0, 300.0
"""Seconds; each further slow answer doubles the rest."""
PAGE = 4.0
"""Budgets of one source that all of them together may take."""


def ask(asked: Asked, sources: Mapping[str, Source] = SOURCES) -> dict[str, list[Proposal]]:
    """By source what it proposes; those that failed or rest are missing and counted in `feed.missed`."""
    feed, began = asked.feed, time.monotonic()
    found: dict[str, list[Proposal]] = {}
    for name, propose in sources.items():
        start = time.monotonic()
        if start - began > PAGE * feed.budget or start < feed.rest.get(name, (0, 0.0))[1]:
            feed.missed[f"{name}:resting"] += 1
            continue
        try:
            found[name] = propose(asked)
        except Exception:  # whatever is wrong with one source, the page comes with the others
            feed.missed[f"{name}:failed"] += 1
        _judge(feed, name, time.monotonic() - start)
    return found


def _judge(feed: Feed, name: str, took: float) -> None:
    if took <= feed.budget:
        feed.rest.pop(name, None)
        return
    feed.missed[f"{name}:slow"] += 1
    strikes = feed.rest.get(name, (0, 0.0))[0] + 1
    pause = min(LONGEST, REST * 2 ** (strikes - STRIKES)) if strikes >= STRIKES else 0.0
    feed.rest[name] = (strikes, time.monotonic() + pause)
