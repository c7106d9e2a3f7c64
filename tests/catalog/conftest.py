"""An empty catalog on every database, and ways to fill it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import images, pins, schema, users, words
from bowerbird.catalog.tables import metadata
from bowerbird.catalog.tables import pins as pins_table
from bowerbird.model import Image, Pin, User
from bowerbird.ports import Database
from tests import servers
from tests.contracts.test_database import ENGINES

CATALOGS = ("sqlite", "postgres", "mysql")
NOBODY = 2**40
"""An id that no row has."""
NUMBERS = itertools.count()


@pytest.fixture(scope="session", params=CATALOGS)
def engine(request: pytest.FixtureRequest) -> str:
    if ENGINES[request.param].server:
        servers.need(ENGINES[request.param].server)
    return str(request.param)


def opened(engine: str, folder: Path) -> Database:
    """The database that belongs to this folder, in whichever process."""
    return ENGINES[engine].open(folder)


@pytest.fixture(scope="session")
def home(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the catalog that tests share: migrating takes longer than most of them."""
    return tmp_path_factory.mktemp(engine)


@pytest.fixture(scope="session")
def shared(engine: str, home: Path) -> Iterator[Database]:
    database = opened(engine, home)
    schema.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def database(shared: Database) -> Iterator[Database]:
    yield shared
    with shared.write() as conn:
        known = conn.scalars(sa.select(pins_table.c.id)).all()
        for table in reversed(metadata.sorted_tables):
            conn.execute(sa.delete(table))
        words.refresh(conn, known)


@pytest.fixture
def fresh(engine: str, tmp_path: Path) -> Iterator[Database]:
    """For a test that changes the tables themselves."""
    database = opened(engine, tmp_path)
    schema.upgrade(database)
    yield database
    database.close()


class Undo(Exception):
    pass


@pytest.fixture
def conn(shared: Database) -> Iterator[Connection]:
    """One transaction, in which nothing is committed."""
    with suppress(Undo), shared.write() as conn:
        yield conn
        raise Undo


@contextmanager
def statements(conn: Connection) -> Iterator[list[tuple[str, Any]]]:
    """What is asked of the database meanwhile."""
    seen: list[tuple[str, Any]] = []

    def see(_conn: object, _cursor: object, statement: str, given: Any, *_: object) -> None:
        seen.append((statement, given))

    sa.event.listen(conn, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        sa.event.remove(conn, "before_cursor_execute", see)


def a_user(conn: Connection, name: str) -> User:
    return users.create(conn, name, "hash")


def an_image(conn: Connection, ready: bool = True, tags: tuple[str, ...] = ()) -> Image:
    sha256 = hashlib.sha256(str(next(NUMBERS)).encode()).hexdigest()
    image, created = images.accept(conn, sha256, 1)
    assert created
    if ready:
        images.ready(conn, image.id, tags)
    return images.by_ids(conn, [image.id])[image.id]


def a_pin(conn: Connection, user: User, title: str = "", board_id: int | None = None, ready: bool = True) -> Pin:
    pin, created = pins.create(conn, user.id, an_image(conn, ready).id, title=title, board_id=board_id)
    assert created
    return pin
