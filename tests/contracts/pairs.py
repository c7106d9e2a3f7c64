"""A writer with a replica, and processes that use them: what the suites of the database's servers share."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa

from bowerbird.fleet.server import Server
from bowerbird.ports import Database, Unavailable
from tests import mariadb, servers
from tests.contracts.test_database import add, texts


class Kind(NamedTuple):
    server: str
    """What `servers.need` is asked for: a writer and a replica, which has each commit before it is acknowledged."""
    open: Callable[[str, Sequence[str], bool], Database]
    """Of the URL, the readers' URLs and whether it is for pages."""
    port: str
    """SQL for the port of the server that answers."""
    long: str
    """SQL that takes 2 s."""
    pause: Callable[[str, int], None]
    """The replica of this URL and port takes what comes, and does not show it."""
    resume: Callable[[str, int], None]
    promote: Callable[[Server, int], None]
    waits: bool
    """While no replica confirms, a commit is refused; otherwise it goes on alone after 3 s."""
    hush: Callable[[str, int], str] | None = None
    """A URL under which the same servers tell no positions, as Aurora's; None where they cannot be made to."""


def open_postgres(url: str, readers: Sequence[str] = (), pages: bool = False) -> Database:
    from bowerbird.adapters.database import postgres

    replicas = [each for one in readers for each in postgres.addresses(one)]
    return postgres.PostgresDatabase(postgres.addresses(url), replicas, pages)


def open_mysql(url: str, readers: Sequence[str] = (), pages: bool = False) -> Database:
    from bowerbird.adapters.database import mysql

    replicas = [each for one in readers for each in mysql.addresses(one)]
    return mysql.MysqlDatabase(mysql.addresses(url), replicas, pages)


def postgres_do(sql: str, url: str, port: int) -> None:
    import psycopg

    with psycopg.connect(at(url, port), autocommit=True) as raw:
        raw.execute(sql)


def postgres_promote(replica: Server, port: int) -> None:
    from bowerbird.fleet.servers import postgres

    postgres.promote(replica)


def postgres_hush(url: str, port: int) -> str:
    body = "BEGIN RAISE feature_not_supported USING MESSAGE = 'not supported for Aurora'; END"
    for function in ("pg_last_wal_replay_lsn", "pg_current_wal_flush_lsn"):
        silent = f"FUNCTION hush.{function}() RETURNS pg_lsn LANGUAGE plpgsql AS $$ {body} $$"
        postgres_do(f"CREATE SCHEMA IF NOT EXISTS hush; CREATE {silent}", url, port)
    return f"{url}?options=-c%20search_path%3Dhush,pg_catalog,public"


ENGINES = {
    "postgres": Kind(
        "postgres_pair",
        open_postgres,
        "SELECT inet_server_port()",
        "SELECT pg_sleep(2)",
        functools.partial(postgres_do, "SELECT pg_wal_replay_pause()"),
        functools.partial(postgres_do, "SELECT pg_wal_replay_resume()"),
        postgres_promote,
        waits=True,
        hush=postgres_hush,
    ),
    "mysql": Kind(
        "mysql_pair",
        open_mysql,
        "SELECT @@port",
        "SELECT sleep(2)",
        lambda url, port: mariadb.pause(port),
        lambda url, port: mariadb.resume(port),
        lambda replica, port: mariadb.promote(port),
        waits=False,
    ),
}


class Pair:
    """A writer and a replica with a database of the test's own, and processes that use it."""

    def __init__(self, kind: Kind, running: servers.Running, folder: Path) -> None:
        self.kind = kind
        self.url = servers.database_at(running.url, servers.namespace(folder))
        """Of both, the writer first."""
        self.writer, self.replica = running.servers
        self.ports = [int(each.split(":")[1]) for each in urlsplit(self.url).netloc.rpartition("@")[2].split(",")]
        self._open: list[Database] = []

    def process(self, hosts: str = "", readers: Sequence[str] | None = None, pages: bool = False) -> Database:
        """What another process would have open; by default it reads from the replica."""
        opened = self.kind.open(hosts or self.url, [at(self.url, self.ports[1])] if readers is None else readers, pages)
        self._open.append(opened)
        return opened

    def answers(self, database: Database) -> int:
        """The port of whoever answers a read."""
        with database.read() as conn:
            return int(conn.scalar(sa.text(self.kind.port)) or 0)

    def close(self) -> None:
        for each in self._open:
            each.close()


class Readers(threading.Thread):
    """Eight people who read all the time: when each read ended, how long it took and what it said, if not a row."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.told: list[tuple[float, float, Exception | None]] = []
        self._database = database
        self._over = threading.Event()

    def run(self) -> None:
        threads = [threading.Thread(target=self._read) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    def _read(self) -> None:
        while not self._over.is_set():
            started, error = time.monotonic(), None
            try:
                texts(self._database)
            except Unavailable as unavailable:
                error = unavailable
            self.told.append((time.monotonic(), time.monotonic() - started, error))
            time.sleep(0.005)

    def __enter__(self) -> Readers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def worst_after(self, moment: float) -> tuple[float, int]:
        """Of the reads that ended after that moment: the longest, and how many failed."""
        later = [(seconds, error) for ended, seconds, error in self.told if ended > moment]
        return max(seconds for seconds, _ in later), sum(error is not None for _, error in later)


def at(url: str, port: int) -> str:
    """The same database on the server at this port alone."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()


def write(database: Database, text: str) -> None:
    with database.write() as conn:
        add(conn, text)


def within(seconds: float, condition: Callable[[], bool]) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    took = time.monotonic() - started
    assert took < seconds
    return took


def answered(pair: Pair, database: Database) -> int:
    """0 if it was not."""
    try:
        return pair.answers(database)
    except Unavailable:
        return 0


def wrote(database: Database) -> bool:
    try:
        write(database, "again")
    except Unavailable:
        return False
    return True
