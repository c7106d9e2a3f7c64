"""One writer and any number of readers: which is asked, what a session has written, and what a failover changes."""

from __future__ import annotations

import contextlib
import functools
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bowerbird.adapters.database.node import CONNECT, EVERY, LOCK, PATIENCE, Address, Dialect, Look, Lost, Marks, Node
from bowerbird.ports import LeftOut, Unavailable

TOO_FAR = 5.0
"""Seconds behind the writer from which a reader is left out."""
NEARLY = 0.03
"""Seconds to wait for a reader to come to what this session has written, before the writer is asked."""
FAILOVER = 10.0
"""Seconds in which a new writer may be found; a longer outage is told at once."""
COMMIT = 5.0
"""Seconds that a commit may take, its way to synchronous replicas included."""
UNTOLD = 2.0
"""Seconds that a reader of an engine that tells no position is taken to be behind."""

_POSITION = re.compile(r"(\d{1,15})((?:_[0-9a-f-]{1,36}\.\d{1,19}){0,8})")


class Position(NamedTuple):
    """A commit and all before it."""

    at: float
    """Seconds since the epoch."""
    marks: Marks

    def reached(self, marks: Marks | None) -> bool:
        """Whether a server that is there has it."""
        if marks is None or not self.marks:
            return time.time() - UNTOLD > self.at
        return all(marks.get(key, -1) >= value for key, value in self.marks.items())

    def and_(self, other: Position | None) -> Position:
        if other is None:
            return self
        keys = self.marks.keys() | other.marks.keys()
        later = {key: max(self.marks.get(key, -1), other.marks.get(key, -1)) for key in keys}
        return Position(max(self.at, other.at), later)

    def __str__(self) -> str:
        return "_".join([str(round(self.at * 1000)), *(f"{key}.{value}" for key, value in self.marks.items())])


def parsed(text: str) -> Position | None:
    """None for what is none."""
    found = _POSITION.fullmatch(text)
    if found is None:
        return None
    pairs = (each.split(".") for each in found[2].split("_")[1:])
    return Position(int(found[1]) / 1000, {key: int(value) for key, value in pairs})


class Replicated:
    """Writers take turns through one lock on the server, over all processes; readers wait for nobody.

    A read has what this process, and what the position told to `catch_up`, has written: from a reader that has come
    to it, else from the writer. Only while the writer is away may it miss the last of it.
    """

    def __init__(self, dialect: Dialect, hosts: Sequence[Address], readers: Sequence[Address] = ()) -> None:
        """`hosts`: those of which one takes writes. Raises `Unavailable` if none does, or a password is wrong."""
        each = {address: Node(dialect, address) for address in dict.fromkeys([*hosts, *readers])}
        self._dialect = dialect
        self._hosts = [each[address] for address in hosts]
        self._readers = [each[address] for address in readers]
        self._nodes = list(each.values())
        self._turn = threading.Lock()
        self._writing = threading.local()
        self._own: Position | None = None
        self._asked: ContextVar[Position | None] = ContextVar("position", default=None)
        self._term = 0
        self._away_since = inf
        self._late: dict[str, float] = {}
        self._await()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only snapshot; a statement that writes raises `ValueError`."""
        node, connection = self._reading()
        try:
            with node.named():
                try:
                    yield connection
                except DBAPIError as error:
                    if error.orig is not None and self._dialect.read_only(error.orig):
                        raise ValueError("this connection only reads: use `write`") from error
                    raise
                connection.commit()  # undoing would also forget the statements that the driver has prepared
        finally:
            node.end(connection)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction, when no other process writes. A failed commit raises `Unavailable`, which says so if it
        may yet have been kept. What fails before the first statement is tried again, also on a new writer."""
        if getattr(self._writing, "now", False):
            raise RuntimeError("this thread is writing already: pass its connection on")
        if not self._turn.acquire(timeout=LOCK):
            raise Unavailable(f"{self._dialect.name}: another thread has been writing for over {LOCK} s")
        self._writing.now = True
        try:
            node, connection = self._begun()
            try:
                with node.named():
                    yield connection
                self._commit(node, connection)
            except BaseException:
                self._undo(connection)
                raise
            finally:
                node.end(connection)
        finally:
            self._writing.now = False
            self._turn.release()

    def position(self) -> str:
        """As far as this process has written; empty where there are no readers, or nothing was written."""
        return str(self._own) if self._readers and self._own else ""

    def catch_up(self, position: str) -> None:
        """Costs nothing; a forged one costs its own request's readers only."""
        self._asked.set(parsed(position))

    def left_out(self) -> list[LeftOut]:
        """Readers that are away or too far behind."""
        found = []
        for number, node in enumerate(self._readers, 1):
            lag = _lag(node, self._writer())
            if node.look is None:
                plain, why = "it does not answer" if node.silent else "it is down", node.why
            elif lag > TOO_FAR:
                plain = why = "it is behind" + (f" by {lag:.0f} s" if lag < inf else "")
            else:
                continue
            found.append(LeftOut(number, plain, node.where, why))
        return found

    def close(self) -> None:
        for node in self._nodes:
            node.close()

    def _await(self) -> None:
        since = time.monotonic()
        for node in self._nodes:
            node.looked.wait(2 * CONNECT + PATIENCE)
        while True:
            waited = time.monotonic() - since
            refused = [node for node in self._nodes if node.refused]
            found = self._writer() is not None
            if found and not refused:
                return
            # A replica may not have yet the user or the database that was just made.
            if waited > FAILOVER or (found and waited > UNTOLD) or (not found and (refused or len(self._hosts) == 1)):
                self.close()
                raise self._nobody(refused)
            for node in self._nodes:
                node.doubt()
            time.sleep(0.1)

    def _nobody(self, nodes: Sequence[Node] = ()) -> Unavailable:
        each = [
            f"{'' if node in self._hosts else 'reader '}{node.where}: "
            f"{node.why if node.look is None else 'it takes no writes'}"
            for node in nodes or self._hosts
        ]
        return Unavailable(f"{self._dialect.name} at {'; '.join(each)}")

    def _writer(self) -> Node | None:
        """Of those that take writes the one of the latest failover, and never one of before it."""
        best: tuple[Node, Look] | None = None
        for node in self._hosts:
            look = node.look
            if look is not None and look.writable and look.term >= (best[1].term if best else self._term):
                best = best if best and best[1].term == look.term else (node, look)
        if best is None:
            return None
        self._term = best[1].term
        return best[0]

    def _reading(self) -> tuple[Node, sa.Connection]:
        wanted, writer = self._wanted(), self._writer()
        why: Exception | None = None
        for node in self._ranked(wanted, writer):
            try:
                connection, there = node.begun(functools.partial(self._begin_read, node, wanted))
            except (Lost, Unavailable) as error:
                why = error
                continue
            if there:
                return node, connection
            node.end(connection)
        # The last resort while the writer is away: whoever has most.
        for node in [writer] if writer else sorted(self._nodes, key=lambda node: -sum((node.marks or {}).values())):
            try:
                return node, node.begun(self._dialect.begin_read)[0]
            except (Lost, Unavailable) as error:
                why = error
        for node in self._nodes:
            node.doubt()
        raise self._nobody() if why is None or isinstance(why, Lost) else why

    def _wanted(self) -> Position | None:
        asked = self._asked.get()
        return asked.and_(self._own) if asked else self._own

    def _ranked(self, wanted: Position | None, writer: Node | None) -> list[Node]:
        """The readers that may be asked, the nearest and least busy first."""
        now = time.monotonic()
        costs = []
        for node in self._readers:
            lag = _lag(node, writer)
            if node.look is None or lag > TOO_FAR:
                continue
            if wanted and not wanted.reached(node.marks) and self._late.get(node.where, -inf) > now - EVERY:
                continue
            costs.append(((node.busy + 1) * (1 + lag), random.random(), node))
        return [node for _, _, node in sorted(costs, key=lambda each: each[:2])]

    def _begin_read(self, node: Node, wanted: Position | None, raw: Any) -> bool:
        """False if it has not come to `wanted`."""
        until = time.monotonic() + NEARLY
        while wanted and not wanted.reached(node.marks):
            if not wanted.marks or node.marks is None or time.monotonic() > until:
                self._late[node.where] = time.monotonic()
                return False
            node.marks = self._dialect.marks(raw)
            time.sleep(0.001)
        # Only now, for the snapshot must not be older than the position.
        self._dialect.begin_read(raw)
        return True

    def _begun(self) -> tuple[Node, sa.Connection]:
        """A transaction in which it is this process's turn to write."""
        until = min(self._away_since, time.monotonic()) + FAILOVER
        while True:
            node = self._writer()
            if node is not None:
                try:
                    connection, ours = node.begun(self._dialect.begin_write)
                except Lost:
                    ours = False
                else:
                    if ours:
                        self._away_since = inf
                        return node, connection
                    connection.invalidate()  # where its name leads may have changed
                    node.end(connection)
            self._away_since = min(self._away_since, time.monotonic())
            if time.monotonic() > until:
                raise self._nobody()
            for each in self._hosts:
                each.doubt()
            time.sleep(0.1)

    def _commit(self, node: Node, connection: sa.Connection) -> None:
        raw = connection.connection.driver_connection
        if self._dialect.doomed(raw):
            raise RuntimeError("a statement failed in this transaction and was passed over: use a savepoint")
        node.limit(raw, COMMIT)
        try:
            with node.named():
                connection.commit()
        except Unavailable as error:
            raise Unavailable(f"{error}. Whether this write was kept is not known") from error
        node.limit(raw)
        marks: Marks | None = None
        with contextlib.suppress(self._dialect.error):
            marks = self._dialect.ended(raw, bool(self._readers))
        self._own = Position(time.time(), marks or {}).and_(self._own)

    def _undo(self, connection: sa.Connection) -> None:
        if connection.invalidated or connection.closed:
            return
        try:
            connection.rollback()
            self._dialect.ended(connection.connection.driver_connection, False)
        except (DBAPIError, self._dialect.error):
            connection.invalidate()


def _lag(node: Node, writer: Node | None) -> float:
    """Seconds since the writer was first seen to be where this one is not; the engines' own figures say nothing of a
    replica that has lost its writer."""
    if writer is None or node is writer or node.marks is None:
        return 0.0
    past: float | None = None
    for at, marks in reversed(tuple(writer.history)):
        if Position(0.0, marks).reached(node.marks):
            return time.monotonic() - past if past else 0.0
        past = at
    return inf if past else 0.0
