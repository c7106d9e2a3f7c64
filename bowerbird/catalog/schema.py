"""The tables' version in the database, and how it gets to this code's."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bowerbird.catalog import WrongSchema
from bowerbird.ports import Unavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from bowerbird.ports import Database

HEAD = "0004"
"""The last migration; kept here so that a start that has nothing to migrate need not load Alembic."""

MIGRATIONS = Path(__file__).parent / "migrations"


def version(conn: Connection) -> str | None:
    """None for an empty database."""
    if not sa.inspect(conn).has_table("alembic_version"):
        return None
    found: str | None = conn.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def upgrade(database: Database) -> None:
    """Make or migrate the tables. May be called any number of times, by many processes at once:
    `Database.write` lets in one at a time, and the others then find it done. Raises `WrongSchema`."""
    # MySQL lets nobody read a table that another process is making; whoever writes waits for it.
    with suppress(Unavailable), database.read() as conn:
        if version(conn) == HEAD:
            return
    with database.write() as conn:
        found = version(conn)
        if found == HEAD:
            return
        from alembic import command

        _refuse_newer(found)
        command.upgrade(config(conn), "head")


def check(database: Database) -> None:
    """Raises `WrongSchema` unless the tables are this code's."""
    with database.read() as conn:
        found = version(conn)
    if found == HEAD:
        return
    _refuse_newer(found)
    raise WrongSchema(
        f"The database is at version {found or 'none'} and this Bowerbird needs {HEAD}. "
        "`bowerbird serve` upgrades it when it starts; make a backup first."
    )


def config(conn: Connection) -> Config:
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    made.attributes["connection"] = conn
    return made


def _refuse_newer(found: str | None) -> None:
    known = {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*.py")}
    if found is not None and found not in known:
        raise WrongSchema(
            f"The database is at version {found}, which this Bowerbird (up to {HEAD}) does not know: a newer one "
            "wrote it. Install that release again, or restore a backup made before it."
        )
