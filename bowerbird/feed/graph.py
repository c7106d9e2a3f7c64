"""The save graph, pins on one side and boards on the other: compressed sparse rows from disk, newest saves in memory.

A generation is a folder of arrays, written whole and then named, and mapped by every process. What was saved since is
kept beside it in memory, in rows of the same shape; what was taken off is taken out of this process's copy of the
mapped pages. Both are a web process's own and come from the event log.

The pins of a board are ordered by what they are about (`feed.topics`), so that a walk can draw one of a topic (Pixie,
section 3.1, PersonalizedNeighbor). Of newer pins and saves no topic is known.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowerbird.feed.generations import renewed, whole
from bowerbird.feed.topics import NONE, Topics
from bowerbird.model import Event, EventKind
from bowerbird.ports import Ints

Int32 = NDArray[np.int32]

ARRAYS = ("pin_ids", "board_ids", "pin_ends", "pin_boards", "board_ends", "board_pins")
TOPICS = ("pin_topics", "board_topics")
WIDTH = 1 << 24
"""More than any degree."""
MOST_BOARDS = 2000
"""Boards of one pin that are kept. A pin on more of them leads everywhere, and a random part of them leads there as
well. Pixie (section 3.2) prunes boards of many topics too; on the demo's that only took away what walks find."""
MOST_PINS = 20_000
"""Pins of one board that are kept: a board of everything says nothing."""


class Rows(NamedTuple):
    """One direction: neighbours of node `i` are `to[start:start + degree]`, both of them in one number, so that a walk
    waits for memory once."""

    place: Ints
    """`start << 24 | degree`"""
    to: Int32

    def of(self, node: int) -> Int32:
        start, degree = divmod(int(self.place[node]), WIDTH)
        return self.to[start : start + degree]

    def degrees(self, nodes: Ints) -> Ints:
        return self.place[nodes] & (WIDTH - 1)


class Both(NamedTuple):
    """The graph as walks see it: nodes are numbers from 0, base first, then those of the newest saves."""

    boards_of: Rows
    pins_of: Rows
    newer_boards_of: Rows
    newer_pins_of: Rows


class About(NamedTuple):
    """What pins of the base are about."""

    pins: Topics
    """By their nodes."""
    on_boards: Topics
    """Of the pins of boards, in the order of `Both.pins_of.to`: a walk that looks for one need not look at the pins."""


class SaveGraph:
    """May be walked by many threads while one adds to it."""

    def __init__(
        self, pin_ids: Ints, board_ids: Ints, boards_of: Rows, pins_of: Rows, offset: int, about: About
    ) -> None:
        self.offset = offset
        """Of the last event that it includes."""
        self.about = about
        self._ids = {"pin": pin_ids, "board": board_ids}
        self._new: dict[str, dict[int, int]] = {"pin": {}, "board": {}}
        """Numbers of nodes that the base lacks."""
        self._edges: dict[tuple[int, int], None] = {}
        self._lock = threading.Lock()
        self._base = (boards_of, pins_of)
        self.rows = Both(boards_of, pins_of, _none(len(pin_ids)), _none(len(board_ids)))
        self.spare: list[Any] = []
        """Buffers of walks that ended, for the next ones: as many as were ever under way together."""

    @classmethod
    def empty(cls) -> SaveGraph:
        nothing = np.empty(0, np.int64)
        return cls(nothing, nothing, _none(0), _none(0), 0, About(np.empty(0, np.uint8), np.empty(0, np.uint8)))

    @classmethod
    def open(cls, folder: Path) -> SaveGraph:
        """Raises `FileNotFoundError` for a folder that holds none."""
        kept = {name: _mapped(folder / f"{name}.npy") for name in ARRAYS}
        boards_of = _rows(kept["pin_ends"], kept["pin_boards"])
        pins_of = _rows(kept["board_ends"], kept["board_pins"])
        told = json.loads((folder / "graph.json").read_text())
        try:
            about = About(*(_mapped(folder / f"{name}.npy") for name in TOPICS))
        except FileNotFoundError:  # from before there were any
            about = About(*(np.full(count, NONE, np.uint8) for count in (len(kept["pin_ids"]), len(pins_of.to))))
        return cls(kept["pin_ids"], kept["board_ids"], boards_of, pins_of, int(told["offset"]), about)

    @staticmethod
    def build(pin_ids: Ints, board_ids: Ints, offset: int, folder: Path, topics: Topics | None = None) -> None:
        """Write a generation of these saves (arrays of one length, `topics` of the pins) that includes the log up to
        `offset`."""
        pins, pin_at = np.unique(pin_ids, return_inverse=True)
        boards, board_at = np.unique(board_ids, return_inverse=True)
        about = np.full(len(pins), NONE, np.uint8)
        if topics is not None:
            about[pin_at] = topics
        p, b = _pruned(pin_at.astype(np.int32), board_at.astype(np.int32))
        by_topic = np.argsort(about[p], kind="stable")
        p, b = p[by_topic], b[by_topic]
        pin_ends, pin_boards = _sparse(p, b, len(pins))
        board_ends, board_pins = _sparse(b, p, len(boards))
        arrays: tuple[Any, ...] = (pins, boards, pin_ends, pin_boards, board_ends, board_pins)
        with whole(folder) as made:
            for name, array in zip(ARRAYS + TOPICS, (*arrays, about, about[board_pins]), strict=True):
                np.save(made / f"{name}.npy", array)
            (made / "graph.json").write_text(json.dumps({"offset": offset}))

    def __len__(self) -> int:
        """Pins."""
        return len(self._ids["pin"]) + len(self._new["pin"])

    def number(self, pin_id: int) -> int:
        """The node of a pin; -1 for one on no board."""
        return self._find("pin", pin_id)

    def boards(self, pin_id: int) -> list[int]:
        """The nodes of the boards that a pin is on, as far as they are kept."""
        node, rows = self.number(pin_id), self.rows
        if not 0 <= node < len(rows.boards_of.place):  # one that was numbered a moment ago has no row yet
            return []
        return [*rows.boards_of.of(node).tolist(), *rows.newer_boards_of.of(node).tolist()]

    def ids(self, numbers: Ints) -> Ints:
        """The pin ids of these nodes."""
        base = self._ids["pin"]
        new = np.array(list(self._new["pin"]), np.int64)
        return np.asarray(np.concatenate([base, new])[numbers] if len(new) else base[numbers])

    def add(self, pin_id: int, board_id: int) -> None:
        self.add_all([(pin_id, board_id)])

    def add_all(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Saves, each (pin id, board id); those that are there already change nothing."""
        self.change((pin_id, board_id, True) for pin_id, board_id in pairs)

    def remove(self, pin_id: int, board_id: int) -> None:
        """A save that is not there is no error."""
        self.change([(pin_id, board_id, False)])

    def change(self, saves: Iterable[tuple[int, int, bool]]) -> None:
        """What came (true) and went, in order; walked from when this returns. Of pin 0 all of the board went."""
        with self._lock:
            for pin_id, board_id, came in saves:
                if came:
                    self._put(pin_id, board_id)
                elif pin_id:
                    self._take(self._find("pin", pin_id), self._find("board", board_id))
                else:
                    self._close(self._find("board", board_id))
            self._renew()

    def follow(self, events: Iterable[Event]) -> None:
        """Take in what was saved and unsaved past `offset`. Saves to secret boards stay out, and boards that turn
        secret or are deleted go; one that is opened comes with the next generation."""
        changes: list[tuple[int, int, bool]] = []
        for event in events:
            board_id = event.data.get("board_id")
            if event.offset <= self.offset or not isinstance(board_id, int):
                continue
            secret = bool(event.data.get("secret"))
            if event.kind == EventKind.BOARD and secret:
                changes.append((0, board_id, False))
            elif event.pin_id and (event.kind == EventKind.UNSAVE or (event.kind == EventKind.SAVE and not secret)):
                changes.append((event.pin_id, board_id, event.kind == EventKind.SAVE))
        if changes:
            self.change(changes)

    def _put(self, pin_id: int, board_id: int) -> None:
        p, b = self._find("pin", pin_id), self._find("board", board_id)
        if (p, b) not in self._edges and not (0 <= p < len(self._base[0].place) and b in self._base[0].of(p)):
            self._edges[self._node("pin", pin_id), self._node("board", board_id)] = None

    def _close(self, b: int) -> None:
        pins_of = self._base[1]
        known = pins_of.of(b).tolist() if 0 <= b < len(pins_of.place) else []
        for p in [*known, *(p for p, board in self._edges if board == b)]:
            self._take(p, b)

    def _take(self, p: int, b: int) -> None:
        if (p, b) in self._edges:
            del self._edges[p, b]
            return
        for rows, here, there in ((self._base[0], p, b), (self._base[1], b, p)):
            if not 0 <= here < len(rows.place):
                continue
            found = np.flatnonzero(rows.of(here) == there)
            if len(found):
                start, degree = divmod(int(rows.place[here]), WIDTH)
                at, end = start + int(found[0]), start + degree
                for row in (rows.to, self.about.on_boards) if rows is self._base[1] else (rows.to,):
                    row[at : end - 1] = row[at + 1 : end].copy()  # moved up, so that all stay in their order
                rows.place[here] -= 1

    def _find(self, side: str, known_id: int) -> int:
        ids = self._ids[side]
        at = int(np.searchsorted(ids, known_id))
        return at if at < len(ids) and ids[at] == known_id else self._new[side].get(known_id, -1)

    def _node(self, side: str, known_id: int) -> int:
        at = self._find(side, known_id)
        if at < 0:
            at = self._new[side][known_id] = len(self._ids[side]) + len(self._new[side])
        return at

    def _renew(self) -> None:
        """Rows of the newest saves, and of the base made as long, as one value that walks take at once."""
        pairs = np.fromiter(chain.from_iterable(self._edges), np.int32, 2 * len(self._edges)).reshape(-1, 2)
        pins, boards = len(self), len(self._ids["board"]) + len(self._new["board"])
        self.rows = Both(
            _longer(self._base[0], pins),
            _longer(self._base[1], boards),
            _rows(*_sparse(pairs[:, 0], pairs[:, 1], pins)),
            _rows(*_sparse(pairs[:, 1], pairs[:, 0], boards)),
        )


def renew(folder: Path, pin_ids: Ints, board_ids: Ints, offset: int, topics: Topics | None = None) -> Path:
    """Write the next generation and drop those before the last."""
    return renewed(folder, lambda following: SaveGraph.build(pin_ids, board_ids, offset, following, topics))


def _sparse(here: Int32, there: Int32, count: int) -> tuple[Ints, Int32]:
    """Ends of each node's neighbours, and all neighbours."""
    ends = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(here, minlength=count), out=ends[1:])
    return ends, there[np.argsort(here, kind="stable")].astype(np.int32)


def _rows(ends: Ints, to: Int32) -> Rows:
    return Rows(ends[:-1] * WIDTH + np.diff(ends), to)


def _mapped(path: Path) -> Any:
    # As a plain array: each look into a `memmap` makes another one, which takes a microsecond or two.
    return np.load(path, mmap_mode="c").view(np.ndarray)


def _none(count: int) -> Rows:
    return Rows(np.zeros(count, np.int64), np.empty(0, np.int32))


def _longer(rows: Rows, count: int) -> Rows:
    """The same with room for `count` nodes."""
    more = count - len(rows.place)
    return Rows(np.concatenate([rows.place, np.zeros(more, np.int64)]), rows.to) if more > 0 else rows


def _pruned(p: Int32, b: Int32) -> tuple[Int32, Int32]:
    """Without the edges past the most that a pin or a board may have; which go is drawn, alike each time."""
    order = np.random.default_rng(0).permutation(len(p))
    p, b = p[order], b[order]
    kept = _rank_within(p) < MOST_BOARDS
    p, b = p[kept], b[kept]
    kept = _rank_within(b) < MOST_PINS
    return p[kept], b[kept]


def _rank_within(nodes: Int32) -> Ints:
    """For each edge how many edges of the same node come before it."""
    order = np.argsort(nodes, kind="stable")
    ordered = nodes[order]
    first = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1] if len(nodes) else np.empty(0, np.int64)
    rank = np.empty(len(nodes), np.int64)
    rank[order] = np.arange(len(nodes)) - np.repeat(first, np.diff(np.r_[first, len(nodes)]))
    return rank
