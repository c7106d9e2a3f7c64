"""An empty catalog, and ways to fill it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from bowerbird.adapters.database.sqlite import SqliteDatabase
from bowerbird.catalog import images, pins, schema, users
from bowerbird.model import Image, Pin, User

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated, empty file: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "catalog.db"
    database = SqliteDatabase(path)
    schema.upgrade(database)
    with database.write() as conn:
        conn.exec_driver_sql("SELECT 1")
    database.close()
    wal = path.with_name("catalog.db-wal")
    assert not wal.exists() or not wal.stat().st_size
    return path.read_bytes()


@pytest.fixture
def database(tmp_path: Path, empty_catalog: bytes) -> Iterator[SqliteDatabase]:
    (tmp_path / "catalog.db").write_bytes(empty_catalog)
    database = SqliteDatabase(tmp_path / "catalog.db")
    yield database
    database.close()


@pytest.fixture
def conn(database: SqliteDatabase) -> Iterator[Connection]:
    with database.write() as conn:
        yield conn


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
