"""What only pgvector promises: a graph built beside the queries, by one process, whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from bowerbird.adapters.vectors.pgvector import PgVectors
from bowerbird.adapters.vectors.rows import table_name
from tests import servers
from tests.contracts.vectors import clustered, eventually, ids, unit, up_to

Open = Callable[..., PgVectors]
SQL = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return servers.database("postgres", tmp_path)


@pytest.fixture
def open_index(url: str) -> Iterator[Open]:
    opened: list[PgVectors] = []

    def open_index(name: str = "looks", dim: int = 32, **more: int) -> PgVectors:
        opened.append(PgVectors(url, name, dim, **more))
        return opened[-1]

    yield open_index
    for vectors in opened:
        vectors.close()


@pytest.fixture
def sql(url: str) -> Iterator[SQL]:
    """Asks the database of the test, beside the engine."""
    with psycopg.connect(url, autocommit=True) as line:

        def ask(text: str, *words: object) -> list[tuple[object, ...]]:
            asked = line.execute(text, words)
            return asked.fetchall() if asked.description else []

        yield ask


GRAPHS = """
SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relname LIKE '%%hnsw'"""
BUILDS = """
SELECT pid FROM pg_stat_activity
WHERE query LIKE '%%CREATE INDEX CONCURRENTLY%%' AND state = 'active' AND pid <> pg_backend_pid()"""


def test_a_graph_is_built_when_it_is_due_and_queries_go_on(open_index: Open, sql: SQL) -> None:
    rows = clustered(3000, 5)
    one, other = open_index(exact_below=2000), open_index(exact_below=2000)
    one.add(up_to(1999), rows[:1999])
    time.sleep(0.2)
    assert sql(GRAPHS) == []
    added = 1999
    while sql(GRAPHS) != [("vectors_looks_hnsw", True)]:
        vectors = (one, other)[added % 2]
        vectors.add(ids(added + 1), rows[added : added + 1])
        added += 1
        assert vectors.search(rows[added - 1 : added], 1).ids[0, 0] == added
    for vectors in (one, other):
        eventually(lambda vectors=vectors: len(vectors.search(rows[:1], 1).ids) > 0 and vectors._indexed, 5)  # type: ignore[misc]
        assert vectors.search(rows[:added], 1).ids[:, 0].tolist() == up_to(added).tolist()


def test_a_build_that_was_killed_is_begun_again(open_index: Open, sql: SQL) -> None:
    rows = clustered(6000, 6)
    vectors = open_index(exact_below=1 << 40)
    vectors.add(up_to(6000), rows)
    vectors.exact_below = 1
    vectors._build_if_due()
    eventually(lambda: bool(sql(BUILDS)), 20)
    sql(f"SELECT pg_terminate_backend(pid) FROM ({BUILDS}) AS at_it")
    eventually(lambda: not sql(BUILDS), 20)
    assert (vectors.search(rows[:20], 1).ids[:, 0] == up_to(20)).all()
    assert sql(GRAPHS) in ([], [("vectors_looks_hnsw", False)])
    again = open_index(exact_below=1)
    again.settle()
    assert sql(GRAPHS) == [("vectors_looks_hnsw", True)]
    assert (again.search(rows[:20], 1).ids[:, 0] == up_to(20)).all()


def test_closing_ends_a_build(open_index: Open, sql: SQL) -> None:
    vectors = open_index(exact_below=1 << 40)
    vectors.add(up_to(6000), clustered(6000, 7))
    vectors.exact_below = 1
    vectors._build_if_due()
    eventually(lambda: vectors._building is not None, 5)
    start = time.monotonic()
    vectors.close()
    assert time.monotonic() - start < 5
    eventually(lambda: not sql(BUILDS), 5)


def test_a_graph_gives_as_many_neighbours_as_are_asked_for(open_index: Open) -> None:
    rows = clustered(12_000, 8)
    vectors = open_index(exact_below=1)
    vectors.add(up_to(12_000), rows)
    vectors.settle()
    found = vectors.search(rows[:1], 10_000)
    assert (found.ids > 0).all()
    assert len(np.unique(found.ids)) == 10_000
    truth = np.argsort(-(rows @ rows[0]))[:10_000] + 1
    assert len(np.intersect1d(found.ids[0], truth)) >= 9_900
    assert (np.diff(found.scores[0]) <= 0).all()


@pytest.mark.parametrize("dim", [2, 1990, 1991, 2001, 4000])
def test_rows_of_any_length_that_can_be_indexed(open_index: Open, dim: int) -> None:
    vectors, rows = open_index(f"of {dim}", dim, exact_below=1), unit(60, dim=dim)
    vectors.add(up_to(60), rows)
    vectors.settle()
    assert np.array_equal(vectors.get(up_to(60)), rows)
    assert (vectors.search(rows, 1).scores[:, 0] > 0.999).all()


def test_rows_that_are_too_long_are_refused(open_index: Open) -> None:
    with pytest.raises(ValueError, match="up to 4000 numbers"):
        open_index(dim=4001)


def test_an_index_has_a_table_of_its_own_whatever_its_name(open_index: Open, sql: SQL) -> None:
    names = ["looks", "looks-a", "looks_a", "Looks", "looks-" + "long" * 30, "looks-" + "long" * 30 + "-w1"]
    for number, name in enumerate(names, 1):
        open_index(name).add(ids(number), unit(1))
    for number, name in enumerate(names, 1):
        assert len(open_index(name)) == 1
        assert open_index(name).get(ids(number)).any()
    assert len({table_name(name) for name in names}) == len(names)
    assert max(len(table_name(name)) for name in names) < 57


def test_who_may_not_make_the_extension_is_told_what_to_do(url: str, sql: SQL) -> None:
    role = f"r{os.urandom(4).hex()}"
    sql(f"CREATE ROLE {role} LOGIN PASSWORD 'plain'")
    sql(f"GRANT CREATE ON SCHEMA public TO {role}")
    host = url.rpartition("@")[2]
    mine = f"postgresql://{role}:plain@{host}"
    with pytest.raises(ValueError, match="a superuser is to run `CREATE EXTENSION vector`"):
        PgVectors(mine, "looks", 32)
    sql("CREATE EXTENSION vector")
    vectors = PgVectors(mine, "looks", 32)
    vectors.add(up_to(3), unit(3))
    assert len(vectors) == 3
    vectors.close()
    sql("DROP TABLE vectors_looks")
    sql(f"DROP OWNED BY {role}")
    sql(f"DROP ROLE {role}")


def test_an_old_extension_is_told_what_to_do(url: str, sql: SQL) -> None:
    sql("CREATE EXTENSION vector")
    sql("UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'")
    with pytest.raises(ValueError, match=r"0\.7\.4 is too old"):
        PgVectors(url, "looks", 32)
