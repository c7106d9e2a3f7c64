"""Connections to PostgreSQL on which no call waits for ever; `ask` bounds how many a process has."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from math import inf
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from bowerbird.adapters.gate import Away, Gate
from bowerbird.ports import Unavailable
from bowerbird.turns import Turns

T = TypeVar("T")

CONNECT = 3
"""Seconds; libpq takes no fractions."""
ANSWER = 4.0
"""Seconds that a call may take, the wait for its turn included, unless it says otherwise."""
LINES = 6
"""Connections of one process to one index, or to its queue."""


class Line(psycopg.Connection[tuple[Any, ...]]):
    """In autocommit mode. Nothing is waited for beyond `until`, by `time.monotonic`, and a tenth of a second."""

    until = inf
    effort = 0
    """Of a search, as it was last set."""

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, *more: Any, **words: Any) -> T:
        """As psycopg waits for every answer; it resumes `gen` with nothing after each `interval`."""
        return super().wait(_in_time(gen, self.until), min(interval, 0.1), *more, **words)


class Late(psycopg.OperationalError):
    """Nothing more is known of what was asked, nor of this connection."""


def _in_time(gen: Generator[Any, Any, T], until: float) -> Generator[Any, Any, T]:
    try:
        awaited = next(gen)
        while True:
            ready = yield awaited
            if not ready and time.monotonic() >= until:
                raise Late("it does not answer in time")
            awaited = gen.send(ready)
    except StopIteration as done:
        answer: T = done.value
        return answer


class Lines:
    """`prepare` is run on each new connection. Raises `ValueError` for a URL that cannot be used."""

    def __init__(self, url: str, prepare: Callable[[Line], None]) -> None:
        self._words = _parsed(url)
        self.where = f"PostgreSQL at {self._words['host']}:{self._words.get('port', 5432)}"
        self._prepare = prepare
        self._idle: list[Line] = []
        self._turns = Turns(LINES)
        self._gate = Gate()
        self._closed = False

    def ask(self, call: Callable[[Line], T], seconds: float = ANSWER) -> T:
        """What `call` returns; it may be run twice. Raises `Unavailable`."""
        deadline = time.monotonic() + seconds
        if not self._turns.take(seconds):
            raise Unavailable(f"{self.where}: all {LINES} connections of this process are busy")
        try:
            with self._gate.passing():
                while True:
                    line, old = self._take(deadline)
                    line.until = deadline
                    try:
                        answer = call(line)
                    except psycopg.Error as error:
                        line.close()
                        if not _another_may_do(error, old):
                            raise self._told(error) from error
                        self.drop()
                        continue
                    except BaseException:
                        line.close()
                        raise
                    self._give(line)
                    return answer
        finally:
            self._turns.give()

    def open(self, until: float = inf) -> Line:
        """A connection of the caller's own, made ready by `until`. Raises `Unavailable`."""
        try:
            line = Line.connect(**self._words, autocommit=True)
        except psycopg.Error as error:
            raise Away(f"{self.where}: {_said(error)}") from error
        try:
            line.until = min(time.monotonic() + ANSWER, until)
            self._prepare(line)
        except psycopg.Error as error:
            line.close()
            raise self._told(error) from error
        except BaseException:
            line.close()
            raise
        line.until = inf
        return line

    def drop(self) -> None:
        """What lies idle may be of a server that is no more."""
        with suppress(IndexError):  # others take from it too
            while True:
                self._idle.pop().close()

    def close(self) -> None:
        self._closed = True
        self.drop()

    def _take(self, until: float) -> tuple[Line, bool]:
        """A connection, and whether it was used before."""
        try:
            return self._idle.pop(), True
        except IndexError:
            return self.open(until), False

    def _give(self, line: Line) -> None:
        line.close() if self._closed else self._idle.append(line)

    def _told(self, error: psycopg.Error) -> Unavailable:
        alive = error.sqlstate is not None and not isinstance(error, _GOING)
        return (Unavailable if alive else Away)(f"{self.where}: {_said(error)}")


_GOING = errors.AdminShutdown | errors.CrashShutdown | errors.CannotConnectNow | errors.ReadOnlySqlTransaction
"""The server goes, comes, or has become another one's replica."""


def _another_may_do(error: psycopg.Error, old: bool) -> bool:
    """Whether it is worth another connection. What did not answer in time is not."""
    if isinstance(error, errors.DeadlockDetected):
        return True
    return old and not isinstance(error, Late) and (error.sqlstate is None or isinstance(error, _GOING))


def _parsed(url: str) -> dict[str, Any]:
    try:
        words = conninfo_to_dict(url)
    except psycopg.Error:  # its words may hold a part of a password
        words = {}
    ports = str(words.get("port", "5432")).replace(",", "")
    if not words.get("host") or not words.get("dbname") or not ports.isdecimal() or "@" in str(words["dbname"]):
        raise ValueError(
            "it is to be postgresql://user:password@host:5432/database; in a password, write %2F for a slash and so on"
        ) from None
    patience: dict[str, Any] = {
        "application_name": "bowerbird",
        "connect_timeout": CONNECT,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * CONNECT,
        # Of several hosts, the one that takes writes.
        "target_session_attrs": "read-write",
    }
    return patience | words


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
