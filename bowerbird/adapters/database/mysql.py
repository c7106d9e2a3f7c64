"""The catalog's relations in MariaDB, with any number of readers, or in MySQL (also Aurora's)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymysql
import sqlalchemy as sa
from pymysql.constants import CLIENT, ER

from bowerbird.adapters.database import node
from bowerbird.adapters.database.node import CONNECT, IDLE, LOCK, PAGE, STATEMENT, Address, Look, Marks
from bowerbird.adapters.database.replicated import Replicated
from bowerbird.ports import Unavailable

TLS = frozenset({"ssl_ca", "ssl_cert", "ssl_key"})
"""Options that a URL may have: paths of files."""
SESSION: Mapping[bool, Mapping[str, int | str]] = {
    True: {
        "innodb_lock_wait_timeout": LOCK,
        "lock_wait_timeout": LOCK,
        "idle_write_transaction_timeout": IDLE,
        "tx_isolation": "'REPEATABLE-READ'",
        # Else it finds all that someone may see before it looks whether this one row is among it.
        "optimizer_switch": "'exists_to_in=off'",
    },
    False: {
        "innodb_lock_wait_timeout": LOCK,
        "lock_wait_timeout": LOCK,
        "transaction_isolation": "'REPEATABLE-READ'",
    },
}
"""Settings of MariaDB's sessions, and of MySQL's."""

_READ_ONLY = {ER.OPTION_PREVENTS_STATEMENT, 1792, 1836}
"""The server is, the transaction is, the server is for administrators too."""
_AWAY = _READ_ONLY | {
    ER.CON_COUNT_ERROR,
    ER.DISK_FULL,
    ER.LOCK_DEADLOCK,
    ER.LOCK_WAIT_TIMEOUT,
    ER.QUERY_INTERRUPTED,
    ER.RECORD_FILE_FULL,
    ER.SERVER_SHUTDOWN,
    ER.TABLE_DEF_CHANGED,  # since the transaction began, by another process that migrates
    1969,  # MariaDB: a statement took too long
    1927,  # MariaDB: the connection was ended
    3024,  # MySQL: a statement took too long
}
_REFUSED = {ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.BAD_DB_ERROR}


def addresses(url: str) -> list[Address]:
    """Of `mysql://user:password@host:port,host:port/database?ssl_ca=ca.pem`. Raises `ValueError`."""
    found = node.addresses(url, ("mysql", "mariadb"), 3306)
    for name, _ in found[0].options:
        if name not in TLS:
            raise ValueError(f"there is no option {name!r}, only {', '.join(sorted(TLS))}")
    return found


class MysqlDatabase(Replicated):
    """A write takes a commit's time on disk, and its way to semi-synchronous replicas, for all processes together.

    MariaDB's GTIDs tell how far a reader is. With MySQL it is taken to be two seconds behind.
    """

    def __init__(self, hosts: Sequence[Address], readers: Sequence[Address] = (), pages: bool = False) -> None:
        """`pages`: no statement that reads may take longer than a page's."""
        super().__init__(Mysql(hosts[0].database, PAGE if pages else STATEMENT), hosts, readers)


class Mysql:
    name = "MySQL"
    error: type[Exception] = pymysql.err.Error

    def __init__(self, database: str, longest: int) -> None:
        self._longest = longest
        # Such a lock is the server's, not the database's, and its name short.
        self._turn = f"bowerbird-{hashlib.sha256(database.encode()).hexdigest()[:32]}"

    def engine(self, creator: Callable[[], Any]) -> sa.Engine:
        return sa.create_engine("mysql+pymysql://", creator=creator, **node.POOLING)

    def connect(self, address: Address, answer: float) -> Any:
        raw = pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            charset="utf8mb4",
            client_flag=CLIENT.FOUND_ROWS,  # an update tells how many rows it met, not how many it changed
            autocommit=True,
            connect_timeout=CONNECT,
            read_timeout=CONNECT,
            write_timeout=CONNECT,
            **dict(address.options),
        )
        sessions = SESSION["MariaDB" in raw.get_server_info()]
        _asked(raw, "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in sessions.items()))
        raw._read_timeout = answer  # there is no other way to wait longer for an answer than for the handshake
        return raw

    def socket(self, raw: Any) -> int:
        return int(raw._sock.fileno())

    def broken(self, raw: Any) -> bool:
        return not raw.open

    def look(self, raw: Any, patience: float) -> Look:
        raw._read_timeout = patience
        row = _asked(raw, "SELECT @@global.read_only")
        return Look(str(row[0]) in ("0", "OFF"), 0, self.marks(raw))

    def marks(self, raw: Any) -> Marks | None:
        if "MariaDB" not in raw.get_server_info():
            return None
        return _marks(_asked(raw, "SELECT @@global.gtid_current_pos")[0])

    def begin_read(self, raw: Any) -> None:
        self._limit(raw, self._longest)
        _asked(raw, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def begin_write(self, raw: Any) -> bool:
        had, closed = _asked(raw, "SELECT GET_LOCK(%s, %s), @@global.read_only", self._turn, LOCK)
        if had != 1:
            raise Unavailable(f"{self.name}: another process has been writing for over {LOCK} s")
        if str(closed) not in ("0", "OFF"):
            self.ended(raw, False)
            return False
        self._limit(raw, STATEMENT)
        _asked(raw, "START TRANSACTION")
        return True

    def _limit(self, raw: Any, seconds: int) -> None:
        """A session of MySQL's has one for all; it stays until the next."""
        if getattr(raw, "longest", 0) != seconds:
            maria = "MariaDB" in raw.get_server_info()
            _asked(
                raw,
                f"SET SESSION {'max_statement_time' if maria else 'max_execution_time'} = %s",
                seconds * (1 if maria else 1000),
            )
            raw.longest = seconds

    def doomed(self, raw: Any) -> bool:
        return False

    def ended(self, raw: Any, told: bool) -> Marks | None:
        told = told and "MariaDB" in raw.get_server_info()
        row = _asked(raw, f"SELECT RELEASE_LOCK(%s){', @@last_gtid' if told else ''}", self._turn)
        return _marks(row[1]) if told else None

    def refused(self, error: BaseException) -> bool:
        return _code(error) in _REFUSED

    def away(self, error: BaseException) -> bool:
        return _code(error) in _AWAY

    def read_only(self, error: BaseException) -> bool:
        return _code(error) in _READ_ONLY


def _asked(raw: Any, sql: str, *values: object) -> Any:
    """The first row."""
    with raw.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchone()


def _code(error: BaseException) -> int:
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _marks(gtids: str) -> Marks | None:
    """Of `domain-server-sequence,…`."""
    return {domain: int(at) for domain, at in re.findall(r"(\d+)-\d+-(\d+)", gtids)} or None
