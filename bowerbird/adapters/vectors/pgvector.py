"""`Vectors` in PostgreSQL with pgvector 0.8 or later: a table an index, exact while small, then an HNSW graph.

The graph holds half-precision numbers; the table has the rows as they came, and what the graph finds is scored by them.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, LiteralString

import numpy as np
import psycopg
import structlog
from pgvector.psycopg import register_vector
from psycopg import errors, sql
from psycopg.types import TypeInfo

from bowerbird.adapters.postgres_lines import ANSWER, Line, Lines
from bowerbird.adapters.vectors.rows import MOST, PAGE, known_ids, known_k, new_rows, table_name, unit_rows
from bowerbird.adapters.vectors.tally import Tally
from bowerbird.ports import Found, Unavailable

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints

log = structlog.get_logger("bowerbird.vectors")

LONGEST = 4000
"""Numbers a row that pgvector can make a graph of, at half precision."""
INLINE = 1990
"""Numbers a row that fits a page, so that PostgreSQL need not look for it elsewhere."""
WRITE = 15.0
"""Seconds that adding `BATCH` rows may take; a graph takes some milliseconds for each."""
BATCH = 500
"""Rows added in one transaction."""
QUERIES = 16
"""Queries asked in one statement."""
MARGIN = 16
"""Rows more than asked for that are scored at full precision."""
PATIENCE = 2.0
"""Seconds between two looks at whether a graph is there, or due."""
MEMORY = 2048
"""MiB that building a graph may take of the server."""
SETTINGS = (
    "SET statement_timeout = 16000",
    "SET jit = off",  # it would take longer than any query here
    "SET hnsw.iterative_scan = relaxed_order",
    "SET hnsw.max_scan_tuples = 2000000",  # else answers with many neighbours, or among many dead rows, come short
    "SET hnsw.scan_mem_multiplier = 16",
)


class PgVectors:
    """See `ports.Vectors`. `url` as libpq takes it; several hosts may be given, and the one that takes writes is used.

    Up to `exact_below` rows every answer is exact. Past that a graph is built while queries go on. `effort` is how many
    rows a query considers closely, up to 1,000. `pages`: no question takes longer than a page waits.

    Raises `ValueError` for a URL or a size of rows that cannot be used.
    """

    def __init__(
        self, url: str, name: str, dim: int, exact_below: int = 20_000, effort: int = 96, pages: bool = False
    ) -> None:
        if dim > LONGEST:
            raise ValueError(f"pgvector indexes vectors of up to {LONGEST} numbers, not {dim}")
        self.dim = dim
        self.effort = effort
        self.exact_below = exact_below
        self._answer = PAGE if pages else ANSWER
        self._table = table_name(name)
        self._graph = f"{self._table}_hnsw"
        self._lines = Lines(url, self._prepare)
        self._tally = Tally(self._count)
        self._indexed = False
        self._look_again = 0.0
        self._builder: threading.Thread | None = None
        self._building: Line | None = None
        self._closed = False
        self._lines.ask(self._create_if_missing, WRITE)
        self._look()
        self._build_if_due()

    def add(self, ids: Ints, vectors: Floats) -> None:
        """Raises `ValueError` for ids that are not positive int64 and rows that are not unit float32."""
        ids, vectors = new_rows(ids, vectors, self.dim)
        for start in range(0, len(ids), BATCH):
            part = slice(start, start + BATCH)
            try:
                (added,) = self._one(_ADD, [ids[part].tolist(), list(vectors[part])], WRITE)
            except Unavailable:
                self._tally.forget()
                raise
            self._tally.changed(added)
        self._build_if_due()

    def remove(self, ids: Ints) -> None:
        """Ids that are not there are no error."""
        ids = np.unique(known_ids(ids))
        for start in range(0, len(ids), MOST):
            (removed,) = self._one(_REMOVE, [ids[start : start + MOST].tolist()], WRITE)
            self._tally.changed(-removed)

    def search(self, queries: Floats, k: int) -> Found:
        """Raises `ValueError` for queries that are not unit float32 and a `k` outside 1..`rows.MOST`."""
        queries, k = unit_rows(queries, self.dim), known_k(k)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        self._look()
        for start in range(0, len(queries), QUERIES):
            found = self._lines.ask(partial(self._near, list(queries[start : start + QUERIES]), k), self._answer)
            for row, (near, score) in enumerate(found, start):
                ids[row, : len(near)] = near
                scores[row, : len(score)] = score
        return Found(ids, scores)

    def get(self, ids: Ints) -> Floats:
        ids = known_ids(ids)
        rows = np.zeros((len(ids), self.dim), np.float32)
        # As pgvector sends a vector: how many numbers, nothing, the numbers.
        kept = np.dtype([("id", ">i8"), ("dim", ">u2"), ("", ">u2"), ("row", ">f4", (self.dim,))])
        for start in range(0, len(ids), MOST):
            part = ids[start : start + MOST]
            (sent,) = self._one(_GET, [np.unique(part).tolist()])
            there = np.frombuffer(sent or b"", kept)
            if len(there):
                place = np.minimum(np.searchsorted(there["id"], part), len(there) - 1)
                known = there["id"][place] == part
                rows[start : start + MOST][known] = there["row"][place[known]]
        return rows

    def as_searched(self, vectors: Floats) -> Floats:
        return vectors

    def settle(self) -> None:
        while not self._indexed and len(self) >= self.exact_below:
            self._build()
            if not self._indexed:
                time.sleep(0.1)  # another process is at it

    def __len__(self) -> int:
        return self._tally.rows()

    def drop(self) -> None:
        self._closed = True
        self._lines.ask(lambda line: line.execute(self._sql(_DROP)), WRITE)
        self.close()

    def close(self) -> None:
        """Ends a build under way; the next process that adds, or opens, starts it again."""
        self._closed = True
        line, builder = self._building, self._builder
        if line is not None:
            try:
                line.cancel_safe(timeout=2)
            except psycopg.Error:
                line.close()
        if builder is not None:
            builder.join(5)
        self._lines.close()

    def _near(self, queries: list[Floats], k: int, line: Line) -> list[tuple[list[int], list[float]]]:
        """For each query the ids and scores of the nearest rows, best first."""
        if not self._indexed:
            rows = line.execute(self._sql(_EXACT, k=k), [queries], binary=True)
        else:
            effort = min(max(self.effort, k + MARGIN), 1000)
            if line.effort != effort:
                line.execute(f"SET hnsw.ef_search = {effort}")
                line.effort = effort
            rows = line.execute(self._sql(_GRAPH, k=k, margin=k + MARGIN), [queries], binary=True)
        found = {number: (ids, scores) for number, ids, scores in rows}
        return [found.get(number, ([], [])) for number in range(1, len(queries) + 1)]

    def _one(self, statement: LiteralString, words: list[Any], seconds: float = 0.0) -> tuple[Any, ...]:
        """The one row that a statement gives."""
        text = self._sql(statement)

        def ask(line: Line) -> tuple[Any, ...]:
            row = line.execute(text, words, binary=True).fetchone()
            assert row is not None
            return row

        return self._lines.ask(ask, seconds or self._answer)

    def _sql(self, statement: LiteralString, **numbers: int) -> sql.Composed:
        names = {
            "table": sql.Identifier(self._table),
            "graph": sql.Identifier(self._graph),
            "dim": sql.Literal(self.dim),
        }
        return sql.SQL(statement).format(**names, **{name: sql.Literal(number) for name, number in numbers.items()})

    def _count(self) -> int:
        (rows,) = self._one(_COUNT, [])
        return int(rows)

    def _prepare(self, line: Line) -> None:
        """Of each new connection. Raises `ValueError` where there is no pgvector, or an old one."""
        if TypeInfo.fetch(line, "vector") is None:
            _extend(line)
        register_vector(line)
        for setting in SETTINGS:
            line.execute(setting)

    def _create_if_missing(self, line: Line) -> None:
        version = line.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()
        if version and tuple(map(int, version[0].split(".")[:2])) < (0, 8):
            raise ValueError(f"pgvector {version[0]} is too old; `ALTER EXTENSION vector UPDATE` to 0.8 or later")
        if line.execute(_DIM, [self._table]).fetchone() is None:
            with line.transaction():
                line.execute(_TURN, [self._table])
                line.execute(self._sql(_CREATE))
                if self.dim <= INLINE:
                    line.execute(self._sql(_KEEP_INLINE))
        found = line.execute(_DIM, [self._table]).fetchone()
        if found is not None and found[0] != self.dim:
            raise ValueError(f"{self._table} holds vectors of {found[0]} numbers, not {self.dim}")

    def _look(self) -> None:
        """Whether there is a graph, which any process may have built."""
        if not self._indexed and time.monotonic() >= self._look_again:
            self._look_again = time.monotonic() + PATIENCE
            self._indexed = self._lines.ask(self._graph_is_there)

    def _graph_is_there(self, line: Line) -> bool:
        found = line.execute(_VALID, [self._graph]).fetchone()
        return found is not None and bool(found[0])

    def _build_if_due(self) -> None:
        if self._indexed or self._closed or (self._builder is not None and self._builder.is_alive()):
            return
        if len(self) >= self.exact_below:
            self._builder = threading.Thread(target=self._try_to_build, name=f"build {self._graph}", daemon=True)
            self._builder.start()

    def _try_to_build(self) -> None:
        try:
            self._build()
        except Unavailable as error:
            log.warning("no graph was built", table=self._table, why=str(error))

    def _build(self) -> None:
        """Unless another process is at it."""
        line = self._building = self._lines.open()
        try:
            line.execute("SET statement_timeout = 0")
            turn = line.execute(_TURN_IF_FREE, [self._graph]).fetchone()
            if turn is None or not turn[0]:
                return
            if not self._graph_is_there(line):
                self._write_graph(line)
            self._indexed = True
        except psycopg.Error as error:
            raise Unavailable(f"{self._lines.where}: {' '.join(str(error).split())}") from error
        finally:
            self._building = None
            line.close()

    def _write_graph(self, line: Line) -> None:
        memory = min(max(64, len(self) * (2 * self.dim + 1000) >> 20), MEMORY)
        line.execute(f"SET maintenance_work_mem = '{memory}MB'")
        for setting in ("SET max_parallel_maintenance_workers = 4", "SET max_parallel_maintenance_workers = 0"):
            line.execute(setting)
            line.execute(self._sql(_DROP_GRAPH))  # one that was left half built
            try:
                line.execute(self._sql(_BUILD_GRAPH))
                return
            except errors.DiskFull:
                # Several workers share it through /dev/shm, of which a container may have little; one does not.
                continue
        raise Unavailable(f"{self._lines.where}: no room for the index {self._graph}; free space on its disk")


def _extend(line: Line) -> None:
    try:
        with line.transaction():
            line.execute(_TURN, ["extension"])
            line.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except errors.InsufficientPrivilege as error:
        raise ValueError("a superuser is to run `CREATE EXTENSION vector` in this database once") from error
    except (errors.UndefinedFile, errors.FeatureNotSupported) as error:
        raise ValueError("this PostgreSQL has no pgvector; install it, as your system calls it") from error


_TURN: LiteralString = "SELECT pg_advisory_xact_lock(hashtext('bowerbird vectors'), hashtext(%s))"
_TURN_IF_FREE: LiteralString = "SELECT pg_try_advisory_lock(hashtext('bowerbird vectors'), hashtext(%s))"
_CREATE: LiteralString = "CREATE TABLE IF NOT EXISTS {table} (id bigint PRIMARY KEY, embedding vector({dim}) NOT NULL)"
_DROP: LiteralString = "DROP TABLE IF EXISTS {table}"
_KEEP_INLINE: LiteralString = "ALTER TABLE {table} ALTER embedding SET STORAGE PLAIN"
_DIM: LiteralString = """
SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = 'embedding'"""
_VALID: LiteralString = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
_DROP_GRAPH: LiteralString = "DROP INDEX CONCURRENTLY IF EXISTS {graph}"
_BUILD_GRAPH: LiteralString = """
CREATE INDEX CONCURRENTLY {graph} ON {table}
USING hnsw ((embedding::halfvec({dim})) halfvec_ip_ops) WITH (m = 16, ef_construction = 100)"""
_COUNT: LiteralString = "SELECT count(*) FROM {table}"
_ADD: LiteralString = """
WITH done AS (
    INSERT INTO {table} AS old (id, embedding) SELECT * FROM unnest(%b::bigint[], %b::vector[])
    ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM done"""
_REMOVE: LiteralString = """
WITH gone AS (DELETE FROM {table} WHERE id = ANY(%b::bigint[]) RETURNING id) SELECT count(*) FROM gone"""
_GET: LiteralString = """
SELECT string_agg(int8send(id) || vector_send(embedding), ''::bytea ORDER BY id) FROM {table}
WHERE id = ANY(%b::bigint[])"""
_EXACT: LiteralString = """
SELECT asked.number, array_agg(near.id ORDER BY near.away), array_agg(-near.away ORDER BY near.away)
FROM unnest(%b::vector[]) WITH ORDINALITY AS asked (query, number), LATERAL (
    SELECT id, embedding <#> asked.query AS away FROM {table} ORDER BY embedding <#> asked.query LIMIT {k}
) AS near GROUP BY asked.number"""
_GRAPH: LiteralString = """
SELECT asked.number, array_agg(near.id ORDER BY near.away), array_agg(-near.away ORDER BY near.away)
FROM unnest(%b::vector[]) WITH ORDINALITY AS asked (query, number), LATERAL (
    SELECT id, away FROM (
        SELECT id, embedding <#> asked.query AS away FROM {table}
        ORDER BY embedding::halfvec({dim}) <#> asked.query::halfvec({dim}) LIMIT {margin}
    ) AS close ORDER BY away LIMIT {k}
) AS near GROUP BY asked.number"""
