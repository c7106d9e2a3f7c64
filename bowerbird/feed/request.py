"""What one request for a feed knows, and what the sources hand back."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection

from bowerbird.catalog.faces import Face
from bowerbird.feed.recent import Lately, Rows
from bowerbird.model import Action, Board, Event, EventKind, Shown, Taste, Trend
from bowerbird.ports import Engines, Floats

Fold = Callable[[Sequence[int], Floats, Callable[[Sequence[int]], Rows]], list[int]]
"""`search.duplicates.fold`: it asks for the `prints.PRINT` of the images that it has to tell apart."""


class Why(msgspec.Struct, frozen=True, array_like=True):
    """Why a pin was proposed, as ids; kept with the composed list."""

    kind: str
    """
    `saved`: because you saved `pin_id`. `liked`: because you liked `pin_id`. `board`: from `board_id`, which you
    follow. `person`: from `user_id`, whom you follow. `together`: people save it together with `pin_id`. `near`: it is
    not far from that on boards. `people`: people who save what you save, save this. `many`: many people save this now.
    `fresh`: new, and waiting for its first viewers. `words`: because you searched for `words`. `look`: it looks like
    `pin_id`, or like pictures you like. `topic`: it is about the same. `new`: it is new here."""
    pin_id: int = 0
    board_id: int = 0
    user_id: int = 0
    words: str = ""


class Reason(msgspec.Struct, frozen=True):
    """`Why`, ready to be told: whatever it names, this viewer may see."""

    kind: str
    pin: Face | None = None
    board: Board | None = None
    """Without counts and covers."""
    username: str = ""
    words: str = ""


class Placed(msgspec.Struct, frozen=True):
    """A pin on a page."""

    pin: Face
    source: str
    """`followed`, `interests`, `walk`, `affinity`, `trending`, `fresh`, `words`, `newest`; of related pins `visual`,
    `walk`, `affinity`, `words`, several joined by `+` where they agree."""
    reason: Reason
    position: int
    """From 0, over all pages of the request."""


class Page(msgspec.Struct, frozen=True):
    request: str
    """Names the composed list; events carry it."""
    placed: list[Placed]
    bookmark: str | None
    """Of the next page; None at the end."""


class Proposal(msgspec.Struct, frozen=True):
    """What a source proposes: a pin, or an image of which the viewer is then shown the oldest pin."""

    why: Why | Callable[[], Why]
    """Or how to find out: most proposals come to nothing."""
    score: float
    """From 0 to 1, comparable within its source."""
    pin_id: int = 0
    image_id: int = 0


@dataclass
class Feed:
    """What all requests of a process share. `graph`, `affinity`, `model` and `fusion` may be replaced at any time."""

    engines: Engines
    fold: Fold
    graph: Any = None
    """`feed.graph.SaveGraph`, if there is one."""
    affinity: Any = None
    """`feed.affinity.Affinity`, if there is one."""
    model: Any = None
    """`feed.rank.Model`, if there is one; else fixed weights rank."""
    fusion: Any = None
    """`feed.fusion.Fusion`, if there is one; else fixed weights fuse related pins."""
    lately: Lately = field(default_factory=Lately)
    clock: Callable[[], float] = time.time
    salt: int = 0
    """Makes two sites' dice differ; every request's dice are seeded by its name and this, so that tests can repeat."""
    budget: float = 0.15
    """Seconds that one source may take."""
    logged: float = 1.0
    """Share of the lists served whose features are logged for learning."""
    keep: Callable[[Callable[[], None]], None] = lambda work: work()
    """Does what a page leaves for its next ones, before it is out; `web.site.after_turn` where walls take turns."""
    untold: deque[Event] = field(default_factory=lambda: deque(maxlen=1000))
    """Events that the log is told in a moment; see `feed.served`."""
    missed: Counter[str] = field(default_factory=Counter)
    """How often each source was left out, by `<source>:failed`, `:slow` and `:resting`."""
    rest: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By source: how often it was slow in a row, and until when (monotonic) it rests."""


POSITIVE = (EventKind.SAVE, EventKind.CLOSEUP, EventKind.CLICK, EventKind.UPLOAD)


@dataclass
class Asked:
    """One request as the sources see it."""

    feed: Feed
    conn: Connection
    viewer: int
    now: float
    dice: np.random.Generator
    taste: Taste = field(default_factory=Taste)
    shown: Shown = field(default_factory=Shown)
    trend: Trend = field(default_factory=Trend)
    left_out: frozenset[int] = frozenset()
    """Pins that this chain of lists has shown already."""
    creators: list[int] = field(default_factory=list)
    """Of the pins of the latest actions, one for each."""

    def recent(self, most: int = 20) -> list[Action]:
        """The latest actions with a picture, each pin once."""
        once: dict[int, Action] = {}
        for action in self.taste.actions:
            if action.pin_id not in once:
                once[action.pin_id] = action
                if len(once) == most:
                    break
        return list(once.values())
