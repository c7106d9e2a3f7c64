"""One database server: its connections, what it last told of itself, and how threads are freed when it falls silent."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bowerbird.ports import Unavailable

T = TypeVar("T")
Marks = Mapping[str, int]
"""How far a server's log of changes goes: a number for each stream of it."""

EVERY = 0.4
"""Seconds between two looks at a server."""
READER_PATIENCE = 0.75
"""Seconds of silence after which a reader is left out; another answers."""
PATIENCE = 3.0
"""The same for one that takes writes: there is no other, and a disk that stalls is no failover."""
CONNECT = 3
"""Seconds for all of it; libpq takes no fractions and nothing below 2."""
PAGE = 20
"""Seconds that one statement of a page may take: above what any needs, below what a proxy in front of us waits for."""
STATEMENT = 600
"""Seconds that any other may take: what reads all saves, or changes a table."""
LOCK = 10
"""Seconds to wait for another writer."""
IDLE = 20
"""Seconds that a writer may think between two statements: a process that stopped there must not stop the others."""
POOL, MORE = 8, 12
"""Connections a process keeps to a server, and how many more it may open: 5 processes of 20 fit PostgreSQL's 100."""
POOLING = {
    "pool_size": POOL,
    "max_overflow": MORE,
    "pool_timeout": 3,
    "pool_use_lifo": True,
    "pool_reset_on_return": None,  # every transaction is ended by hand
}
RESOLVE = 5
"""Seconds after which a server that should take writes and does not is looked up anew: its name may have moved on."""


class Address(NamedTuple):
    host: str
    port: int
    user: str
    password: str
    database: str
    options: tuple[tuple[str, str], ...] = ()


def addresses(url: str, schemes: Sequence[str], port: int) -> list[Address]:
    """Of `scheme://user:password@host:port,host:port/database?option=value`. Raises `ValueError`; tells no password."""
    parts = urlsplit(url)
    people, _, hosts = parts.netloc.rpartition("@")
    user, _, password = people.partition(":")
    form = f"it must look like {schemes[0]}://user:password@host:{port}/database"
    if parts.scheme not in schemes or not user or not parts.path.strip("/"):
        raise ValueError(form)
    rest = unquote(user), unquote(password), unquote(parts.path.strip("/")), tuple(parse_qsl(parts.query))
    found = []
    for each in hosts.split(","):
        one = urlsplit(f"//{each}")
        try:
            if not one.hostname:
                raise ValueError(form)
            found.append(Address(one.hostname, one.port or port, *rest))
        except ValueError as error:
            raise ValueError(f"{each!r} is no host and port; {form}") from error
    return found


class Look(NamedTuple):
    """What a server tells of itself."""

    writable: bool
    term: int
    """Grows with each failover; of two that take writes the one with the greater is right."""
    marks: Marks | None
    """None where the engine does not tell."""


class Dialect(Protocol):
    """In what the engines differ. Every method raises the driver's own errors."""

    name: str
    error: type[Exception]
    """What the driver raises."""

    def engine(self, creator: Callable[[], Any]) -> sa.Engine:
        """Over connections in autocommit mode, on which transactions are begun by hand."""
        ...

    def connect(self, address: Address, answer: float) -> Any:
        """`answer`: seconds to wait for each, where the driver can."""
        ...

    def socket(self, raw: Any) -> int: ...
    def broken(self, raw: Any) -> bool: ...
    def look(self, raw: Any, patience: float) -> Look:
        """Within so many seconds."""
        ...

    def marks(self, raw: Any) -> Marks | None: ...
    def begin_read(self, raw: Any) -> None: ...
    def begin_write(self, raw: Any) -> bool:
        """When it is this connection's turn. False: this server takes no writes. Raises `Unavailable` if others
        write for too long."""
        ...

    def doomed(self, raw: Any) -> bool:
        """Whether a commit would undo what was done, because a statement failed."""
        ...

    def ended(self, raw: Any, told: bool) -> Marks | None:
        """After the commit or the end of a write: the next may begin. `told`: also where that commit is."""
        ...

    def refused(self, error: BaseException) -> bool:
        """Whether the URL is wrong: its user, password or database."""
        ...

    def away(self, error: BaseException) -> bool:
        """Whether the server, and not the statement, is at fault."""
        ...

    def read_only(self, error: BaseException) -> bool:
        """Whether a statement would have written in a transaction that only reads."""
        ...


class Lost(Exception):
    """This server could not be asked; nothing was begun."""


@dataclass
class _Line:
    """One open connection."""

    socket: socket.socket
    """Another handle on it, so that it can be shut while a thread waits there; ours alone, so it is no other's."""
    until: float = inf


@dataclass(eq=False)
class Node:
    """It is looked at in the background; after some silence it counts as away, and whoever waits for it is freed."""

    dialect: Dialect
    address: Address
    look: Look | None = None
    why: str = "it was not asked yet"
    """It is away."""
    refused: bool = False
    """Its URL is wrong."""
    silent: bool = False
    """It was waited for in vain: frozen, or the way to it is."""
    marks: Marks | None = None
    """How far it was known to be; it may be further."""
    busy: int = 0
    """Transactions of this process under way there."""
    history: deque[tuple[float, Marks]] = field(default_factory=lambda: deque(maxlen=64))
    """Where it was when, while it took writes."""

    def __post_init__(self) -> None:
        self.where = f"{self.address.host}:{self.address.port}"
        self.looked = threading.Event()
        self._lines: dict[Any, _Line] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._asking: Any = None
        self._asked_since = 0.0
        self._connecting = ThreadPoolExecutor(4, thread_name_prefix=f"connecting {self.where}")
        self._engine = self.dialect.engine(self._connect)
        sa.event.listen(self._engine, "close", lambda raw, _: self._forget(raw))
        self._thread = threading.Thread(target=self._watch, name=f"database {self.where}", daemon=True)
        self._thread.start()

    def begun(self, begin: Callable[[Any], T]) -> tuple[sa.Connection, T]:
        """A connection on which `begin` was done, and what it returned. Raises `Lost`, `Unavailable`."""
        why = ""
        for _ in range(POOL + 2):  # each that the pool keeps may be of before a restart
            if self.look is None:
                raise Lost(self.why)
            connection = self._open()
            raw = connection.connection.driver_connection
            try:
                result = begin(raw)
                connection.begin()
            except BaseException as error:
                broken = self.dialect.broken(raw)
                connection.invalidate() if broken else self._undo(raw)
                connection.close()
                if not isinstance(error, self.dialect.error):
                    raise
                if not broken:
                    raise self.unavailable(error) from error
                why = words(error)
                continue
            with self._lock:
                self.busy += 1
            return connection, result
        self.doubt()
        raise Lost(why)

    def end(self, connection: sa.Connection) -> None:
        """Give it back; what was not committed is undone."""
        with self._lock:
            self.busy -= 1
        with contextlib.suppress(DBAPIError):
            connection.close()

    def limit(self, raw: Any, seconds: float = inf) -> None:
        """From now on; then the connection is shut."""
        line = self._lines.get(raw)
        if line is not None:
            line.until = time.monotonic() + seconds

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """The server's failures as `Unavailable`; the statement's as they are."""
        try:
            yield
        except DBAPIError as error:
            if error.connection_invalidated or (error.orig is not None and self.dialect.away(error.orig)):
                self.doubt()
                raise self.unavailable(error.orig or error) from error
            raise

    def unavailable(self, error: BaseException) -> Unavailable:
        return Unavailable(f"{self.dialect.name} at {self.where}: {words(error)}")

    def doubt(self) -> None:
        """Look at it now."""
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        if self._thread is not threading.current_thread():
            self._thread.join(CONNECT + PATIENCE)
        self._engine.dispose()
        self._connecting.shutdown(wait=False, cancel_futures=True)

    def _open(self) -> sa.Connection:
        try:
            return self._engine.connect()
        except PoolTimeout as error:
            raise Lost(f"all {POOL + MORE} connections of this process are busy") from error
        except DBAPIError as error:
            self.doubt()
            raise Lost(words(error.orig or error)) from error

    def _connect(self) -> Any:
        """In a thread of its own, for a driver that connects to a frozen server can be neither freed nor hurried."""
        made = self._connecting.submit(self.dialect.connect, self.address, STATEMENT + CONNECT)
        until = time.monotonic() + CONNECT
        while not wait([made], timeout=0.05).done:
            if self.look is None or time.monotonic() > until:
                made.add_done_callback(lambda late: late.cancelled() or late.exception() or late.result().close())
                made.cancel()
                raise self.dialect.error(self.why if self.look is None else f"no connection within {CONNECT} s")
        raw = made.result()
        self._lines[raw] = _Line(socket.socket(fileno=os.dup(self.dialect.socket(raw))))
        return raw

    def _forget(self, raw: Any) -> None:
        line = self._lines.pop(raw, None)
        if line is not None:
            line.socket.close()

    def _undo(self, raw: Any) -> None:
        with contextlib.suppress(self.dialect.error):
            raw.rollback()

    def _watch(self) -> None:
        while not self._closing:
            self._look()
            self.looked.set()
            self._cut(lambda line: line.until < time.monotonic())
            self._wake.wait(EVERY)
            self._wake.clear()
        self._drop()

    def _look(self) -> None:
        began = time.monotonic()
        try:
            if self._asking is None:
                self._asking = self.dialect.connect(self.address, PATIENCE)
                self._asked_since = time.monotonic()
            reads = self.look is not None and not self.look.writable
            found = self.dialect.look(self._asking, READER_PATIENCE if reads else PATIENCE)
        except Exception as error:  # whatever it is, there must be somebody to look again
            self.refused = self.dialect.refused(error)
            self.why = words(error)
            self.silent = time.monotonic() - began > 0.9 * READER_PATIENCE
            self.look = self.marks = None
            self.history.clear()
            self._drop()
            self._cut(lambda line: True)
            return
        self.refused = False
        self.marks = found.marks
        if found.writable and found.marks is not None:
            self.history.append((time.monotonic(), found.marks))
        self.look = found
        if not found.writable and time.monotonic() > self._asked_since + RESOLVE:
            self._drop()

    def _cut(self, which: Callable[[_Line], bool]) -> None:
        """A thread that waits there is woken with an error."""
        for line in list(self._lines.values()):
            if which(line):
                with contextlib.suppress(OSError):
                    line.socket.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._asking is not None:
            with contextlib.suppress(self.dialect.error, OSError):
                self._asking.close()
        self._asking = None


def words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
