"""The schema and its migrations."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from bowerbird.adapters.database.sqlite import SqliteDatabase
from bowerbird.catalog import WrongSchema, schema, users, words
from bowerbird.catalog.tables import metadata


def test_the_migrations_make_the_tables_of_the_code(database: SqliteDatabase) -> None:
    with database.write() as conn:
        command.check(schema.config(conn))  # raises for any difference
        names = set(sa.inspect(conn).get_table_names())
    assert {table.name for table in metadata.sorted_tables} <= names
    assert "words" in names


def test_the_check_sees_a_difference(database: SqliteDatabase) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("DROP INDEX ix_pins_wall")
        with pytest.raises(Exception, match="ix_pins_wall"):
            command.check(schema.config(conn))


def test_head_is_the_last_migration(database: SqliteDatabase) -> None:
    with database.write() as conn:
        scripts = ScriptDirectory.from_config(schema.config(conn))
    assert scripts.get_heads() == [schema.HEAD]


def test_upgrading_again_keeps_what_is_there(database: SqliteDatabase) -> None:
    with database.write() as conn:
        users.create(conn, "ada", "hash")
    schema.upgrade(database)
    schema.check(database)
    with database.read() as conn:
        assert users.count(conn) == 1


def _upgrade(path: Path) -> None:
    database = SqliteDatabase(path)
    schema.upgrade(database)
    schema.check(database)
    database.close()


def test_many_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_upgrade, args=(path,)) for _ in range(6)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0] * 6


def test_a_half_made_schema_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = SqliteDatabase(tmp_path / "catalog.db")
    with monkeypatch.context() as patch:
        patch.setattr(words, "CREATE", "CREATE VIRTUAL TABLE words USING no_such_module(x)")
        with pytest.raises(sa.exc.OperationalError):
            schema.upgrade(database)
    with database.read() as conn:
        assert sa.inspect(conn).get_table_names() == []
    schema.upgrade(database)
    schema.check(database)
    database.close()


def test_an_older_or_newer_schema_says_what_to_do(database: SqliteDatabase, tmp_path: Path) -> None:
    empty = SqliteDatabase(tmp_path / "empty.db")
    with pytest.raises(WrongSchema, match="bowerbird serve"):
        schema.check(empty)
    empty.close()
    with database.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for refused in (schema.check, schema.upgrade):
        with pytest.raises(WrongSchema, match=r"9999.*newer.*Install"):
            refused(database)
