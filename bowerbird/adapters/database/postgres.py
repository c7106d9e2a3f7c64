"""The catalog's relations in PostgreSQL (also Aurora's), with any number of readers."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import ExecStatus, TransactionStatus

from bowerbird.adapters.database import node
from bowerbird.adapters.database.node import CONNECT, IDLE, LOCK, PAGE, STATEMENT, Address, Look, Marks
from bowerbird.adapters.database.replicated import Replicated
from bowerbird.ports import Unavailable

TURN = 0x626F776572
"""The advisory lock that a writer holds; in the database, not the server."""
OPTIONS = f"-c statement_timeout={STATEMENT}s -c lock_timeout={LOCK}s"

_WHERE = """pg_wal_lsn_diff(
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END, '0/0')"""
_TERM = "CASE WHEN pg_is_in_recovery() THEN '0' ELSE left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) END"
_WRITABLE = "current_setting('transaction_read_only') = 'off'"

_AWAY = ("08", "53", "57", "58", "25P", "25006", "55P03", "40001", "40P01", "XX")
"""Starts of the SQLSTATEs that are no fault of the statement; 40001 is a replica that had to give up a snapshot."""
_REFUSED = ("password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")


def addresses(url: str) -> list[Address]:
    """Of `postgresql://user:password@host:port,host:port/database?sslmode=require`. Raises `ValueError`."""
    found = node.addresses(url, ("postgresql", "postgres"), 5432)
    try:
        psycopg.conninfo.make_conninfo(**dict(found[0].options))
    except psycopg.ProgrammingError as error:
        raise ValueError(str(error).strip()) from None
    return found


class PostgresDatabase(Replicated):
    """A write takes a commit's time on disk, and its way to synchronous replicas, for all processes together."""

    def __init__(self, hosts: Sequence[Address], readers: Sequence[Address] = (), pages: bool = False) -> None:
        """`pages`: no statement that reads may take longer than a page's."""
        super().__init__(Postgres(len(hosts) > 1, PAGE if pages else STATEMENT), hosts, readers)


class Postgres:
    name = "PostgreSQL"
    error: type[Exception] = psycopg.Error

    def __init__(self, several: bool, longest: int) -> None:
        term = _TERM if several else "'0'"
        self._look = f"SELECT {_WRITABLE}, {term}, {_WHERE}"
        limit = f"SET LOCAL statement_timeout = '{longest}s'"
        self._begin_read = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limit}"

    def engine(self, creator: Callable[[], Any]) -> sa.Engine:
        return sa.create_engine("postgresql+psycopg://", creator=creator, use_native_hstore=False, **node.POOLING)

    def connect(self, address: Address, answer: float) -> Any:
        given: dict[str, Any] = {"application_name": "bowerbird", "connect_timeout": CONNECT} | dict(address.options)
        given["options"] = f"{OPTIONS} {given.get('options', '')}"
        return psycopg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password or None,
            dbname=address.database,
            autocommit=True,
            **given,
        )

    def socket(self, raw: Any) -> int:
        return int(raw.fileno())

    def broken(self, raw: Any) -> bool:
        return bool(raw.closed or raw.broken)

    def look(self, raw: Any, patience: float) -> Look:
        until = time.monotonic() + patience
        try:
            writable, term, at = _asked(raw, self._look, until)
        except psycopg.errors.FeatureNotSupported:  # Aurora has no log of its own to be at a place of
            return Look(_asked(raw, f"SELECT {_WRITABLE}", until)[0] == "t", 0, None)
        return Look(writable == "t", int(term or "0", 16), _marks(at))

    def marks(self, raw: Any) -> Marks | None:
        try:
            return _marks(raw.execute(f"SELECT {_WHERE}", prepare=False).fetchone()[0])
        except psycopg.errors.FeatureNotSupported:
            return None

    def begin_read(self, raw: Any) -> None:
        raw.execute(self._begin_read, prepare=False)

    def begin_write(self, raw: Any) -> bool:
        # READ COMMITTED, whatever the server's default: a snapshot would be of before the lock was had.
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        patience = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE}s'"
        turn = f"SELECT {_WRITABLE}, pg_advisory_xact_lock({TURN})"
        try:
            cursor = raw.execute(f"{begin}; {patience}; {turn}", prepare=False)
        except psycopg.errors.LockNotAvailable as error:
            raise Unavailable(f"{self.name}: another process has been writing for over {LOCK} s") from error
        while cursor.nextset():
            pass
        return bool(cursor.fetchone()[0])

    def doomed(self, raw: Any) -> bool:
        return bool(raw.info.transaction_status == TransactionStatus.INERROR)

    def ended(self, raw: Any, told: bool) -> Marks | None:
        return self.marks(raw) if told else None

    def refused(self, error: BaseException) -> bool:
        return any(words in str(error) for words in _REFUSED)

    def away(self, error: BaseException) -> bool:
        return (getattr(error, "sqlstate", None) or "").startswith(_AWAY)

    def read_only(self, error: BaseException) -> bool:
        return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


def _asked(raw: Any, sql: str, until: float) -> list[str]:
    """The one row's values. The driver itself would wait for ever for a server that is frozen."""
    line, waiting = raw.pgconn, select.poll()  # `select.select` cannot wait for a process's 1025th file
    waiting.register(line.socket, select.POLLIN)
    line.send_query(sql.encode())
    while line.is_busy():
        if not waiting.poll(1000 * max(0.0, until - time.monotonic())):
            raise psycopg.OperationalError("it does not answer")
        line.consume_input()
    result = line.get_result()
    while line.get_result() is not None:
        pass
    if result.status != ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    return [(result.get_value(0, column) or b"").decode() for column in range(result.nfields)]


def _marks(at: Any) -> Marks | None:
    return {"0": int(at)} if at else None
