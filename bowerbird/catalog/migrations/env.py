"""Run by Alembic, on the connection that `catalog.schema` gives it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.ddl.mysql import MySQLImpl
from sqlalchemy.exc import DBAPIError

from bowerbird.catalog.tables import metadata

DONE = (1050, 1060, 1061, 1091)
"""MySQL's errors for a table, a column or an index that is there already, and for one to be dropped that is gone."""


class Resumable(MySQLImpl):
    """MySQL commits after every statement: a migration that was cut short is gone through again, and what it finds
    done is left. Names that differ by case, accent or a space are different, as they are elsewhere."""

    __dialect__ = "mysql"

    def create_table(self, table: sa.Table, **more: Any) -> None:
        exact = "utf8mb4_nopad_bin" if getattr(self.dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
        table.dialect_options["mysql"].update({"charset": "utf8mb4", "collate": exact})
        super().create_table(table, **more)

    def _exec(self, construct: Any, *args: Any, **more: Any) -> Any:
        try:
            return super()._exec(construct, *args, **more)
        except DBAPIError as error:
            if error.orig is None or error.orig.args[0] not in DONE:
                raise
            return None


def ours(_object: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    """Tables of `tables.py`; not the word index, which each dialect makes its own way."""
    return not (kind == "table" and name is not None and name.split("_")[0] == "words")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=ours,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
