"""The schema and its migrations."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy.schema import DropIndex

from bowerbird.catalog import WrongSchema, schema, users
from bowerbird.catalog.tables import metadata
from bowerbird.catalog.tables import pins as pins_table
from bowerbird.ports import Database
from tests.catalog.conftest import opened
from tests.contracts.faults import Tell, together

WHOLE = {"sqlite": True, "postgres": True, "mysql": False}
"""Whether a schema that is not made to the end is undone."""


def test_the_migrations_make_the_tables_of_the_code(fresh: Database) -> None:
    with fresh.write() as conn:
        command.check(schema.config(conn))  # raises for any difference
        names = set(sa.inspect(conn).get_table_names())
    assert {table.name for table in metadata.sorted_tables} <= names
    assert "words" in names


def test_the_check_sees_a_difference(fresh: Database) -> None:
    with fresh.write() as conn:
        conn.execute(DropIndex(next(index for index in pins_table.indexes if index.name == "ix_pins_wall")))
        with pytest.raises(Exception, match="ix_pins_wall"):
            command.check(schema.config(conn))


def test_head_is_the_last_migration(fresh: Database) -> None:
    with fresh.write() as conn:
        scripts = ScriptDirectory.from_config(schema.config(conn))
    assert scripts.get_heads() == [schema.HEAD]


def test_upgrading_again_keeps_what_is_there(fresh: Database) -> None:
    with fresh.write() as conn:
        users.create(conn, "ada", "hash")
    schema.upgrade(fresh)
    schema.check(fresh)
    with fresh.read() as conn:
        assert users.count(conn) == 1


def _upgrade(tell: Tell, engine: str, folder: Path) -> None:
    database = opened(engine, folder)
    schema.upgrade(database)
    schema.check(database)
    database.close()
    tell(True)


@pytest.mark.slow
def test_many_processes_may_upgrade_at_once(engine: str, tmp_path: Path) -> None:
    assert together(_upgrade, [(engine, tmp_path)] * 3) == [[True]] * 3


def test_a_start_may_meet_one_that_makes_the_tables(engine: str, tmp_path: Path) -> None:
    database, other = opened(engine, tmp_path), opened(engine, tmp_path)
    first = itertools.count()

    def meanwhile(*_: object) -> None:
        if not next(first):
            schema.upgrade(other)

    sa.event.listen(sa.Engine, "before_cursor_execute", meanwhile)
    try:
        schema.upgrade(database)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", meanwhile)
    schema.check(database)
    other.close()
    database.close()


@pytest.mark.parametrize("done", [1, 7, 20, 27])
def test_a_half_made_schema_is_made_whole_by_the_next_start(engine: str, tmp_path: Path, done: int) -> None:
    database = opened(engine, tmp_path)
    left = itertools.count(done, -1)

    def cut_short(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith(("CREATE", "DROP")) and not next(left):
            raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", cut_short)
    try:
        with pytest.raises(KeyboardInterrupt):
            schema.upgrade(database)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", cut_short)
    with database.read() as conn:
        assert (sa.inspect(conn).get_table_names() == []) == WHOLE[engine]
    schema.upgrade(database)
    with database.write() as conn:
        command.check(schema.config(conn))
    database.close()


def test_an_older_or_newer_schema_says_what_to_do(engine: str, fresh: Database, tmp_path: Path) -> None:
    empty = opened(engine, tmp_path / "empty")
    with pytest.raises(WrongSchema, match="bowerbird serve"):
        schema.check(empty)
    empty.close()
    with fresh.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for refused in (schema.check, schema.upgrade):
        with pytest.raises(WrongSchema, match=r"9999.*newer.*Install"):
            refused(fresh)
