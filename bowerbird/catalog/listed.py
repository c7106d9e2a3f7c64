"""Any number of ids as one parameter, so that a statement is the same however many there are: SQLAlchemy need not write
it again for each number, and PostgreSQL keeps its plan."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Json(sa.TypeDecorator[Any]):
    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return msgspec.json.encode(value).decode()


class listed(FunctionElement[bool]):  # noqa: N801
    """`listed(column)`: whether it is one of the `ids`, a list of int64 given to the statement by that name."""

    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[int]) -> None:
        super().__init__(column, sa.bindparam("ids", type_=Json))

    def self_group(self, against: Any = None) -> listed:
        return self  # else `= 1` is written after it where a database knows no booleans


@compiles(listed)
def _expanded(element: listed, compiler: SQLCompiler, **words: Any) -> str:
    column, ids = element.clauses
    return compiler.process(column.in_(sa.bindparam(ids.key, type_=sa.BigInteger, expanding=True)), **words)


@compiles(listed, "sqlite")
def _in_json(element: listed, compiler: SQLCompiler, **words: Any) -> str:
    column, ids = element.clauses
    each = sa.func.json_each(ids).table_valued("value")
    return compiler.process(column.in_(sa.select(each.c.value)), **words)


@compiles(listed, "postgresql")
def _in_array(element: listed, compiler: SQLCompiler, **words: Any) -> str:
    column, ids = element.clauses
    return compiler.process(column == sa.any_(sa.bindparam(ids.key, type_=ARRAY(sa.BigInteger))), **words)
