"""Run by Alembic, on the connection that `catalog.schema` gives it."""

from __future__ import annotations

from typing import Any

from alembic import context

from bowerbird.catalog.tables import metadata


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
