"""The common questions, answered by DuckDB from the archive and what the log holds beyond it."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bowerbird.events import archive
from bowerbird.ports import Engines, Missing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# An event sent twice counts once, as it does everywhere.
_ONCE = "QUALIFY id = '' OR row_number() OVER (PARTITION BY user_id, id ORDER BY seq) = 1"
_RATE = """
count(*) FILTER (kind = 'impression') AS seen,
count(*) FILTER (kind = 'closeup') AS opened,
count(*) FILTER (kind = 'save') AS saved,
round(100.0 * count(*) FILTER (kind = 'save') / nullif(count(*) FILTER (kind = 'impression'), 0), 2) AS "saved, %"
"""
QUESTIONS = {
    "Growth": """
SELECT strftime(make_timestamp(("at" * 1e6)::BIGINT), '%Y-%m-%d') AS day, count(DISTINCT nullif(user_id, 0)) AS people,
       count(*) FILTER (kind = 'upload') AS uploads, count(*) FILTER (kind = 'save') AS saves,
       count(*) FILTER (kind = 'impression') AS seen
FROM events GROUP BY day ORDER BY day DESC LIMIT 31""",
    "Most saved": """
SELECT pin_id AS pin, count(DISTINCT user_id) AS people, count(*) AS saves
FROM events WHERE kind = 'save' AND NOT secret GROUP BY pin_id ORDER BY 2 DESC, 3 DESC, 1 LIMIT 10""",
    "Top boards": """
SELECT board_id AS board, count(*) AS saves, count(DISTINCT user_id) AS people
FROM events WHERE kind = 'save' AND board_id > 0 AND NOT secret GROUP BY board_id ORDER BY 2 DESC, 1 LIMIT 10""",
    "Save rate by source": f"SELECT source, {_RATE} FROM events WHERE source <> '' GROUP BY source ORDER BY 5 DESC, 1",  # noqa: S608
    "Save rate by position": f"""
SELECT CASE WHEN position < 4 THEN position::VARCHAR ELSE (1 << floor(log2(position))::INT)::VARCHAR || ' and on' END
       AS position, {_RATE}
FROM events WHERE position IS NOT NULL AND source <> '' GROUP BY 1 ORDER BY min(events.position)""",  # noqa: S608
    "Most active people": """
SELECT user_id AS person, count(*) FILTER (kind = 'save') AS saves, count(*) FILTER (kind = 'upload') AS uploads,
       count(*) AS events
FROM events WHERE user_id > 0 GROUP BY user_id ORDER BY 4 DESC, 1 LIMIT 10""",
}


class Answer(NamedTuple):
    question: str
    columns: list[str]
    rows: list[tuple[object, ...]]


def answers(engines: Engines, since: float) -> list[Answer]:
    """What happened from `since` on; an empty list where nothing is known. Raises `Unavailable`."""
    with table(engines, since) as db:
        if db.execute("SELECT NOT EXISTS (FROM events)").fetchone() == (True,):
            return []
        return [_answer(db, question, sql) for question, sql in QUESTIONS.items()]


@contextmanager
def table(engines: Engines, since: float, kinds: Collection[str] = (), data: str = "") -> Iterator[DuckDBPyConnection]:
    """A database with the table `events`, of `archive.COLUMNS`: what happened from `since` on, each event once, of
    these kinds or of all. Its column `data` is kept of the kind `data` alone, for it takes the most room. Raises
    `Unavailable`."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="bowerbird-report-") as folder, duckdb.connect() as db:
        # It runs beside the service. What does not fit into memory goes to the folder.
        db.execute("SET threads = 1; SET memory_limit = '1GB'; SET preserve_insertion_order = false")
        db.execute("SET temp_directory = $1", [folder])
        # A date that no calendar has ends no report.
        inside = f'"at" >= {max(0.0, since)!r} AND "at" < 2.5e11'
        if kinds:
            inside += " AND kind IN (" + ", ".join(f"'{kind}'" for kind in kinds) + ")"
        gathered = _gather(engines, Path(folder), since)
        kept = f"CASE WHEN kind = '{data}' THEN data END" if data else "NULL::VARCHAR"
        columns = f"* REPLACE ({kept} AS data)"
        db.execute(f"CREATE TABLE events AS SELECT {columns} FROM ({gathered}) WHERE {inside} {_ONCE}")  # noqa: S608
        yield db


def _answer(db: DuckDBPyConnection, question: str, sql: str) -> Answer:
    asked = db.execute(sql)
    return Answer(question, [column[0] for column in asked.description or ()], asked.fetchall())


def _gather(engines: Engines, folder: Path, since: float) -> str:
    """SQL over the archive and the rest of the log."""
    nothing = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in archive.COLUMNS.items())
    after, count, parts = archive.archived(engines), 0, [f"SELECT {nothing} WHERE false"]
    for key in archive.files(engines, since):
        try:
            data = engines.blobs.get(key)
        except Missing:
            continue
        (folder / f"{count}.parquet").write_bytes(data)
        count += 1
    if count:
        # What a file has past the note of how far the archive is comes from the log.
        parts.append(f"SELECT * FROM read_parquet('{folder}/*.parquet') WHERE seq <= {after}")  # noqa: S608
    number = 0
    while events := archive.read(engines.events, after, archive.MOST):
        archive.write_rows(folder / f"{number}.json", events)
        after, number = events[-1].offset, number + 1
    if number:
        parts.append(archive.rows_of(folder / "*.json"))
    return " UNION ALL BY NAME ".join(parts)
