"""One generation as a process sees it: which row holds which id, and how to search them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.adapters.vectors.graph import Graph
from bowerbird.adapters.vectors.log import Log

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints

BLOCK = 65_536
"""Rows scored at a time by an exact search."""


class Generation:
    """`refresh` is for one thread at a time; searches may go on beside it, and see a row's death at
    once and its birth once `count` covers it."""

    def __init__(self, folder: Path, dim: int, number: int) -> None:
        """Raises `FileNotFoundError` when a newer generation has taken this one's place."""
        self.log = Log(folder, dim, number)
        try:
            self.graph: Graph | None = Graph(folder / f"{number}.graph")
        except (FileNotFoundError, ValueError):
            # None was built, or it is damaged: every row is tail then, and a build soon due.
            self.graph = None
        self.sealed = self.graph.count if self.graph else 0
        self.count = 0
        self.alive = 0
        self.ids: Ints = np.zeros(max(1024, self.sealed + self.sealed // 8), np.int64)
        """The id of each row; 0 for one that was removed or replaced."""
        self.rows: Floats = np.empty((0, dim), np.float32)
        self._tail: dict[int, int] = {}
        self._tail_codes = np.empty((0, self.graph.axes if self.graph else 0), np.int8)
        entries = self.log.entries()
        self._seal(entries[: self.sealed])
        self._apply(entries[self.sealed :])

    def _seal(self, ids: Ints) -> None:
        """The rows under the graph: all alive and each id once, as `build` wrote them."""
        self.ids[: len(ids)] = ids
        self._order: Ints = np.argsort(ids).astype(np.int32)
        self._sorted = ids[self._order]
        self.rows = self.log.rows()
        self.count = self.alive = len(ids)

    def refresh(self) -> None:
        self._apply(self.log.entries())

    def _apply(self, entries: Ints) -> None:
        if not len(entries):
            return
        self.rows = self.log.rows()
        end = self.log.count
        if end > len(self.ids):
            self.ids = np.concatenate([self.ids, np.zeros(end, np.int64)])
        row = self.count
        for entry in entries.tolist():
            if entry:
                self._forget(abs(entry))
            if entry > 0:
                self.ids[row] = entry
                self._tail[entry] = row
                self.alive += 1
                row += 1
        if self.graph and end > self.count:
            self._code(self.graph, self.count, end)
        self.count = end

    def _forget(self, identity: int) -> None:
        row = self.row(identity)
        if row >= 0:
            self.ids[row] = 0
            self.alive -= 1
            self._tail.pop(identity, None)

    def _code(self, graph: Graph, start: int, end: int) -> None:
        """Code new rows, so that the tail is scanned at a fraction of its bytes."""
        first, last = start - self.sealed, end - self.sealed
        if len(self._tail_codes) < last:
            grown = np.empty((2 * last, graph.axes), np.int8)
            grown[:first] = self._tail_codes[:first]
            self._tail_codes = grown
        self._tail_codes[first:last] = graph.code(self.rows[start:end])

    def row(self, identity: int) -> int:
        """Where an id lies; -1 if nowhere."""
        row = self._tail.get(identity)
        if row is not None:
            return row
        place = int(np.searchsorted(self._sorted, identity))
        if place < self.sealed and self._sorted[place] == identity:
            row = int(self._order[place])
            return row if self.ids[row] == identity else -1
        return -1

    def places(self, ids: Ints) -> Ints:
        """Where many ids lie, (n,); -1 for those that lie nowhere."""
        found = np.full(len(ids), -1, np.int64)
        if self.sealed:
            place = np.minimum(np.searchsorted(self._sorted, ids), self.sealed - 1)
            rows = self._order[place]
            there = (self._sorted[place] == ids) & (self.ids[rows] == ids)
            found[there] = rows[there]
        if self._tail:
            for at, identity in enumerate(ids.tolist()):
                found[at] = self._tail.get(identity, found[at])
        return found

    def search(self, queries: Floats, k: int, effort: int) -> tuple[Ints, Floats]:
        """Ids and scores, (q, k), best first; -1 and -inf where there are fewer than k rows."""
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        if not self.alive:
            return ids, scores
        for i, query in enumerate(queries):
            found, score = self._walk(self.graph, query, k, effort) if self.graph else self._scan(query, k)
            if len(found) < min(k, self.alive):
                found, score = self._scan(query, k)
            ids[i, : len(found)], scores[i, : len(found)] = found, score
        return ids, scores

    def _walk(self, graph: Graph, query: Floats, k: int, effort: int) -> tuple[Ints, Floats]:
        count = self.count
        # The dead take places in the walk's list, so it is longer for them.
        effort = min(count, max(effort, 2 * k) * count // max(1, self.alive))
        nodes, scores = graph.search(query, self._tail_codes[: count - self.sealed], self.rows, self.ids, k, effort)
        return self.ids[nodes], scores

    def _scan(self, query: Floats, k: int) -> tuple[Ints, Floats]:
        """Exact, over every row."""
        count, ids, rows = self.count, self.ids, self.rows
        parts = [
            _best(ids[i : min(i + BLOCK, count)], rows[i : min(i + BLOCK, count)] @ query, k)
            for i in range(0, count, BLOCK)
        ]
        return _best(np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]), k)

    def close(self) -> None:
        self.log.close()


def _best(ids: Ints, scores: Floats, k: int) -> tuple[Ints, Floats]:
    """The k highest scores of the living (id not 0), falling."""
    living = ids != 0
    if not living.all():
        ids, scores = ids[living], scores[living]
    if k < len(scores):
        top = np.argpartition(-scores, k - 1)[:k]
        ids, scores = ids[top], scores[top]
    order = np.argsort(-scores, kind="stable")
    return ids[order], scores[order]
