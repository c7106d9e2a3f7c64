"""The numbers that a database gives to new rows. Each dialect keeps its last one somewhere else."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection


def numbered(table: sa.Table) -> bool:
    """Whether its rows are given a number."""
    return table.autoincrement_column is not None and "id" in table.c and len(table.primary_key) == 1


def highest(conn: Connection, table: sa.Table) -> int:
    """The last number given, also if its row is gone; 0 for none."""
    match conn.dialect.name:
        case "sqlite":
            known = "SELECT seq FROM sqlite_sequence WHERE name = :name"
        case "postgresql":
            # A sequence that has given nothing tells its first number as its last.
            known = f"SELECT CASE WHEN is_called THEN last_value END FROM {_sequence(conn, table)}"  # noqa: S608
        case _:
            known = (
                "SELECT auto_increment - 1 FROM information_schema.tables"
                " WHERE table_schema = DATABASE() AND table_name = :name"
            )
    return conn.scalar(sa.text(known), {"name": table.name}) or 0


def go_on_after(conn: Connection, table: sa.Table, number: int) -> None:
    """The next new row gets a number above this one, and above all that are there."""
    number = max(number, conn.scalar(sa.select(sa.func.max(table.c.id))) or 0)
    if number == 0:
        return
    match conn.dialect.name:
        case "sqlite":
            known = conn.execute(
                sa.text("UPDATE sqlite_sequence SET seq = :number WHERE name = :name"),
                {"number": number, "name": table.name},
            )
            if not known.rowcount:
                row = {"number": number, "name": table.name}
                conn.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), row)
        case "postgresql":
            conn.execute(
                sa.text("SELECT setval(:sequence, :number)"), {"sequence": _sequence(conn, table), "number": number}
            )
        case _:
            conn.execute(sa.text(f"ALTER TABLE {table.name} AUTO_INCREMENT = {number + 1:d}"))


def _sequence(conn: Connection, table: sa.Table) -> str:
    return str(conn.scalar(sa.text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": table.name}))
