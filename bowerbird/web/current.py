"""What the feed of a process works with, kept current: the save graph, the newest saves, and all that was learned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog

from bowerbird.feed import served
from bowerbird.feed.affinity import Affinity
from bowerbird.feed.fusion import Fusion
from bowerbird.feed.generations import generations
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Feed
from bowerbird.feed.trees import Trees
from bowerbird.model import Event
from bowerbird.ports import Engines
from bowerbird.web.pulse import Pulse

log = structlog.get_logger("bowerbird.web")

T = TypeVar("T")

IDLE = 0.25
"""Seconds between two looks at a log in which nothing is new."""
AWAY = 5.0
"""Seconds before an engine that was away is asked again."""
LOOK = 2.0
"""Seconds between two looks for something newly learned."""
MOST = 1000
CHECKPOINT = "offset:events"
"""Where the processors note how far they are (`events`)."""


class Place(msgspec.Struct, frozen=True):
    offset: int = 0


_place = msgspec.json.Decoder(Place)


def folded(engines: Engines) -> int:
    """The offset up to which the processors have folded everything."""
    known = engines.metadata.get(CHECKPOINT)
    return _place.decode(known).offset if known else 0


class Learned:
    """What is made of all saves, opened anew when a newer one is there. Used by one thread."""

    def __init__(self, feed: Feed, folder: Path) -> None:
        self._feed, self._folder = feed, folder
        self._graph: Path | None = None
        self._affinity: Path | None = None
        self._ranking: Path | None = None
        self._fusion: Path | None = None
        self._spoilt: set[Path] = set()
        self._look_again = 0.0

    def follow(self, events: Sequence[Event]) -> None:
        """Raises `Unavailable`."""
        if time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + LOOK
            self._rank()
            self._open()
        if self._feed.graph is not None:
            self._feed.graph.follow(events)

    def _open(self) -> None:
        newest = self._readable("graph", SaveGraph.open, self._graph)
        if newest:
            opened: SaveGraph = newest[1]
            offset = opened.offset
            while later := self._feed.engines.events.read(offset, MOST):
                opened.follow(later)
                offset = later[-1].offset
            self._feed.graph, self._graph = opened, newest[0]
        newest = self._readable("affinity", Affinity.load, self._affinity)
        if newest:
            self._affinity, self._feed.affinity = newest

    def _readable(self, what: str, load: Callable[[Path], Any], known: Path | None) -> tuple[Path, Any] | None:
        """The newest version that can be read, unless it is the known one."""
        for folder in reversed(generations(self._folder / what)):
            if folder == known:
                break
            if folder not in self._spoilt:
                try:
                    return folder, load(folder)
                except (OSError, ValueError, EOFError, KeyError) as error:
                    self._spoilt.add(folder)
                    log.warning(f"{what} cannot be read", version=folder.name, why=str(error))
        return None

    def _rank(self) -> None:
        self._ranking, self._feed.model = self._newest("ranking", Trees.load, self._ranking, self._feed.model)
        self._fusion, self._feed.fusion = self._newest("fusion", Fusion.load, self._fusion, self._feed.fusion)

    def _newest(
        self, what: str, load: Callable[[Path], T], known: Path | None, used: T | None
    ) -> tuple[Path | None, T | None]:
        """Which version there is, and that, or none for fixed weights: where there is none, or it cannot be read."""
        newest = next(reversed(generations(self._folder / what)), None)
        if newest == known:
            return known, used
        try:
            used = load(newest) if newest else None
            log.info(f"{what} is taken up", by=f"version {newest.name}" if newest else "fixed weights")
        except ValueError as error:
            used = None
            self._feed.missed["model:failed"] += 1
            log.warning(f"{what} is by fixed weights", why=str(error))
        return newest, used


def follow(feed: Feed, folder: Path, closing: threading.Event) -> threading.Thread:
    """A daemon thread that reads what is new in the log and in `folder`, until `closing`."""
    thread = threading.Thread(target=_follow, args=(feed, folder, closing), name="follow", daemon=True)
    thread.start()
    return thread


def _follow(feed: Feed, folder: Path, closing: threading.Event) -> None:
    engines, learned = feed.engines, Learned(feed, folder)
    pulse, offset, wait = Pulse(), -1, 0.0
    while not closing.wait(wait):
        try:
            if offset < 0:
                offset = engines.events.end()
            served.flush(feed)
            events = engines.events.read(offset, MOST)
            learned.follow(events)
            pulse.fold(events)
            offset = events[-1].offset if events else offset
            pulse.beat(engines, folded(engines))
            wait = 0.0 if len(events) == MOST else IDLE
        except Exception as error:  # this thread must outlive whatever is wrong with an engine for a while
            if not closing.is_set():
                log.warning("the log cannot be followed", why=str(error))
            wait = AWAY
