"""What every relational database keeps: what was committed, and nothing of what was not."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from bowerbird.adapters.database.sqlite import SqliteDatabase
from bowerbird.ports import Database, Unavailable
from tests import servers
from tests.contracts.faults import SmallDisk, Tell, killed, together


class Kind(NamedTuple):
    open: Callable[[Path], Database]
    disk: bool = False
    """It keeps its rows on a disk of ours."""
    server: str = ""
    """What `servers.need` is asked for."""


def on_postgres(server: str) -> Kind:
    """Read from the replicas, where there are any."""
    return Kind(functools.partial(open_postgres, server), server=server)


def open_postgres(server: str, folder: Path) -> Database:
    from bowerbird.adapters.database import postgres

    hosts = postgres.addresses(servers.database(server, folder))
    return postgres.PostgresDatabase(hosts, hosts[1:])


def on_mysql(server: str) -> Kind:
    return Kind(functools.partial(open_mysql, server), server=server)


def open_mysql(server: str, folder: Path) -> Database:
    from bowerbird.adapters.database import mysql

    hosts = mysql.addresses(servers.database(server, folder))
    return mysql.MysqlDatabase(hosts, hosts[1:])


ENGINES = {
    "sqlite": Kind(lambda folder: SqliteDatabase(folder / "catalog.db"), disk=True),
    "postgres": on_postgres("postgres"),
    "postgres-replica": on_postgres("postgres_pair"),
    "mysql": on_mysql("mysql"),
    "mysql-replica": on_mysql("mysql_pair"),
}

tables = sa.MetaData()
owners = sa.Table("test_owners", tables, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
things = sa.Table(
    "test_things",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner_id", sa.Integer, sa.ForeignKey("test_owners.id", ondelete="CASCADE"), nullable=False),
    sa.Column("text", sa.Text, nullable=False, default=""),
)


@pytest.fixture
def database(engine: str, tmp_path: Path) -> Iterator[Database]:
    database = ENGINES[engine].open(tmp_path)
    prepare(database)
    yield database
    database.close()


def prepare(database: Database) -> None:
    with database.write() as conn:
        tables.create_all(conn)
        conn.execute(owners.insert(), [{"id": 1, "n": 0}])


def texts(database: Database) -> list[str]:
    with database.read() as conn:
        return list(conn.scalars(sa.select(things.c.text).order_by(things.c.id)))


def add(conn: sa.Connection, text: str, owner_id: int = 1) -> None:
    conn.execute(things.insert(), {"owner_id": owner_id, "text": text})


def test_a_read_sees_the_writes_before_it(database: Database) -> None:
    for n in range(20):
        with database.write() as conn:
            add(conn, str(n))
        assert texts(database) == [str(n) for n in range(n + 1)]


def test_a_write_is_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(KeyError), database.write() as conn:
        add(conn, "lost")
        raise KeyError
    with pytest.raises(IntegrityError), database.write() as conn:
        add(conn, "lost too")
        conn.execute(owners.insert(), {"id": 1, "n": 5})
    assert texts(database) == []
    with database.write() as conn:
        add(conn, "kept")
    assert texts(database) == ["kept"]


def test_a_failed_statement_may_be_caught_within_a_savepoint(database: Database) -> None:
    with database.write() as conn:
        add(conn, "before")
        with pytest.raises(IntegrityError), conn.begin_nested():
            add(conn, "undone")
            conn.execute(owners.insert(), {"id": 1, "n": 5})
        add(conn, "after")
    assert texts(database) == ["before", "after"]


def test_references_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as conn:
        add(conn, "orphan", owner_id=99)
    with database.write() as conn:
        add(conn, "child")
    with database.write() as conn:
        conn.execute(owners.delete())
    assert texts(database) == []


def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(ValueError, match="write"), database.read() as conn:
        add(conn, "sneaked in")
    assert texts(database) == []


def test_a_write_within_a_write_is_a_mistake_and_no_deadlock(database: Database) -> None:
    with database.write() as conn:
        add(conn, "outer")
        with pytest.raises(RuntimeError, match="writing already"), database.write():
            pass
    assert texts(database) == ["outer"]


def test_a_reader_keeps_its_view_and_waits_for_no_writer(database: Database) -> None:
    with database.write() as conn:
        add(conn, "old")
    count = sa.select(sa.func.count()).select_from(things)
    with database.read() as reader:
        assert reader.scalar(count) == 1
        with database.write() as conn:
            add(conn, "new")
            with database.read() as another:
                assert another.scalar(count) == 1
        assert reader.scalar(count) == 1
    with database.read() as reader:
        assert reader.scalar(count) == 2


def increase(database: Database) -> int:
    """Read, then write what follows from it: two that mixed would lose a step."""
    with database.write() as conn:
        n = conn.scalar(sa.select(owners.c.n))
        assert n is not None
        conn.execute(owners.update().values(n=n + 1))
        return n + 1


def test_threads_write_in_turn(database: Database) -> None:
    seen: list[int] = []
    readings: list[bool] = []

    def write() -> None:
        seen.extend(increase(database) for _ in range(50))

    def read() -> None:
        for _ in range(100):
            with database.read() as conn:
                first, second = (conn.scalar(sa.select(owners.c.n)) for _ in range(2))
                readings.append(first == second)

    threads = [threading.Thread(target=write) for _ in range(6)] + [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 301))
    assert len(readings) == 2000
    assert all(readings)


def _increase(tell: Tell, engine: str, folder: Path) -> None:
    database = ENGINES[engine].open(folder)
    for _ in range(50):
        tell(increase(database))
    database.close()


def test_processes_write_in_turn(engine: str, tmp_path: Path, database: Database) -> None:
    told = together(_increase, [(engine, tmp_path)] * 3)
    assert sorted(n for each in told for n in each) == list(range(1, 151))


def _write_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    database = ENGINES[engine].open(folder)
    n = 0
    while True:
        with database.write() as conn:
            add(conn, f"{n} first")
            add(conn, f"{n} second")
        tell(n)
        n += 1


def test_a_killed_writer_loses_nothing_it_was_promised(engine: str, tmp_path: Path, database: Database) -> None:
    told = killed(_write_for_ever, engine, tmp_path, after=60)
    found = texts(database)
    assert len(found) in (2 * len(told), 2 * len(told) + 2)
    assert found == [f"{n} {which}" for n in range(len(found) // 2) for which in ("first", "second")]
    with database.write() as conn:
        add(conn, "the next one writes at once")


def test_a_full_disk_is_told_and_loses_nothing(engine: str, small_disk: SmallDisk) -> None:
    database = ENGINES[engine].open(small_disk.path)
    prepare(database)
    kept = []
    with pytest.raises(Unavailable, match=str(small_disk.path)):
        for n in range(10_000):
            with database.write() as conn:
                add(conn, f"{n} " * 500)
                add(conn, f"{n} " * 500)
            kept += [f"{n} " * 500] * 2
    assert texts(database) == kept
    small_disk.grow()
    with database.write() as conn:
        add(conn, "more")
    assert texts(database)[-1] == "more"
    database.close()


@pytest.mark.able("disk")
def test_a_path_that_cannot_be_used_is_told_at_once(engine: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match=str(tmp_path)):
        ENGINES[engine].open(tmp_path / "file")
