"""Jobs in PostgreSQL, in a schema of their own beside whatever else the database holds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, LiteralString

from bowerbird.adapters.postgres_lines import Line, Lines
from bowerbird.adapters.queue.rows import SILENT, encoded, job_of, receipt
from bowerbird.model import MAX_TRIES, Delivery, Job, Parked

LOOK_AGAIN = 0.2
"""Seconds between two looks of one process into an empty queue, however many of its threads wait."""


class PostgresQueue:
    """Oldest first as far as it goes. `send` and `retry` are as durable as the server's commits; what costs one
    delivery more if it is undone (a delivery, an ack) waits for neither disk nor replica, and the server's death may
    undo its last moments.

    Times go by the server's clock, which is the same for workers on many hosts; `clock` puts another in its place.
    """

    def __init__(self, url: str, clock: Callable[[], float] | None = None) -> None:
        """`url` as libpq takes it; several hosts may be given, and the one that takes writes is used. Raises
        `Unavailable`, and `ValueError` for a URL that cannot be meant."""
        self._lines = Lines(url, _prepare)
        self._clock = clock
        self._news = threading.Condition()
        self._next_look = 0.0
        self._lines.ask(_create_if_missing)

    def send(self, jobs: Sequence[Job]) -> None:
        ids = [job.id or os.urandom(16).hex() for job in jobs]
        kinds = [job.kind for job in jobs]
        if any("\0" in word for word in ids + kinds):
            raise ValueError("PostgreSQL keeps no NUL in a job's id or kind")
        payloads = [encoded(job.payload).decode() for job in jobs]
        if ids:
            self._ask(_SEND, ids=ids, kinds=kinds, payloads=payloads)
            self._look_now()

    def receive(self, most: int = 1, visibility: float = 60.0, wait: float = 0.0) -> list[Delivery]:
        if most < 1 or visibility <= 0:
            raise ValueError(f"cannot receive {most} jobs for {visibility} s")
        until = time.monotonic() + wait
        looked = False
        while self._my_look(until) or not looked:
            looked = True
            if found := self._ready(most, visibility):
                self._look_now()  # there may be more for the others
                return found
        return []

    def _my_look(self, until: float) -> bool:
        """True when it is this thread's turn to look again; False when `until` came before."""
        with self._news:
            while (now := time.monotonic()) < self._next_look:
                if now >= until:
                    return False
                self._news.wait(min(self._next_look, until) - now)
            self._next_look = now + LOOK_AGAIN
        return now < until

    def _look_now(self) -> None:
        with self._news:
            self._next_look = 0.0
            self._news.notify()

    def _ready(self, most: int, visibility: float) -> list[Delivery]:
        found: list[Delivery] = []
        while rows := self._ask(_RECEIVE, most=most - len(found), visibility=visibility):
            # A row is delivered only once with the same count, so the two together name a delivery.
            spent = [(seq, tries) for *_, seq, tries in rows if tries > MAX_TRIES]
            found += [Delivery(job_of(row), f"{row[3]}:{row[4]}", row[4]) for row in rows if row[4] <= MAX_TRIES]
            for seq, tries in spent:
                self._ask(_PARK, seq=seq, tries=tries, error="")
            if not spent or len(found) == most:
                break
        return found

    def ack(self, delivery: Delivery) -> None:
        seq, tries = receipt(delivery)
        self._ask(_ACK, seq=seq, tries=tries)

    def extend(self, delivery: Delivery, visibility: float) -> None:
        seq, tries = receipt(delivery)
        self._ask(_HIDE, seq=seq, tries=tries, seconds=visibility, error=None)

    def fail(self, delivery: Delivery, error: str, delay: float = 0.0) -> None:
        seq, tries = receipt(delivery)
        error = error.encode(errors="replace").decode().replace("\0", "\ufffd")  # what it could not keep
        if tries >= MAX_TRIES:
            self._ask(_PARK, seq=seq, tries=tries, error=error)
        else:
            self._ask(_HIDE, seq=seq, tries=tries, seconds=delay, error=error)

    def depth(self) -> int:
        return int(self._ask("SELECT count(*) FROM bowerbird_queue.jobs")[0][0])

    def parked(self, most: int = 100) -> list[Parked]:
        """The newest first."""
        return [Parked(job_of(row), *row[3:]) for row in self._ask(_PARKED, most=most)]

    def parked_depth(self) -> int:
        return int(self._ask("SELECT count(*) FROM bowerbird_queue.parked")[0][0])

    def retry(self, job_ids: Sequence[str] | None = None) -> int:
        count = len(self._ask(_RETRY, ids=None if job_ids is None else list(job_ids)))
        self._look_now()
        return count

    def close(self) -> None:
        self._lines.close()

    def _ask(self, statement: LiteralString, **words: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement, which is a transaction. Raises `Unavailable`."""
        given = {"now": None if self._clock is None else self._clock(), **words}

        def ask(line: Line) -> list[tuple[Any, ...]]:
            cursor = line.execute(statement, given, binary=True)
            return cursor.fetchall() if cursor.description else []

        return self._lines.ask(ask)


def _prepare(line: Line) -> None:
    line.execute(_SETTINGS)


def _create_if_missing(line: Line) -> None:
    """By one of all processes that start."""
    if _there(line):
        return
    with line.transaction():
        line.execute("SELECT pg_advisory_xact_lock(hashtext('bowerbird queue'))")
        if not _there(line):
            line.execute(_CREATE)


def _there(line: Line) -> bool:
    # Not by `to_regclass`, which may still answer from before another process made them.
    found = "SELECT FROM pg_tables WHERE schemaname = 'bowerbird_queue' AND tablename = 'parked'"
    return line.execute(found).fetchone() is not None


# `jobs` changes all the time and is small: it is vacuumed by what changed, not by its size. `payload` is no jsonb,
# which knows no NUL.
_CREATE: LiteralString = """
CREATE SCHEMA IF NOT EXISTS bowerbird_queue;
CREATE TABLE bowerbird_queue.jobs (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    kind text NOT NULL,
    payload text NOT NULL,
    due timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT ''
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX jobs_due ON bowerbird_queue.jobs (due, seq);
CREATE TABLE bowerbird_queue.parked (
    seq bigint PRIMARY KEY,
    id text NOT NULL,
    kind text NOT NULL,
    payload text NOT NULL,
    tries integer NOT NULL,
    error text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX parked_at ON bowerbird_queue.parked (at)"""

# What a call gave up, a second after it did, the server need not go on with. How long the queue is changes within
# seconds, and a plan that was made for an empty one reads all of a long one: so each goes by its index, whatever it is.
_SETTINGS: LiteralString = """
SET statement_timeout = 6000; SET jit = off; SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
SET enable_hashjoin = off; SET enable_mergejoin = off"""

_NOW: LiteralString = "coalesce(to_timestamp(%(now)s::float8), now())"
_RELAXED: LiteralString = "relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"
"""Holds for the transaction, which is the statement."""

# ruff: noqa: S608 -- what is put together below is all written here

_SEND: LiteralString = f"""
INSERT INTO bowerbird_queue.jobs (id, kind, payload, due)
SELECT id, kind, payload, {_NOW}
FROM unnest(%(ids)s::text[], %(kinds)s::text[], %(payloads)s::text[]) AS sent (id, kind, payload)"""
_RECEIVE: LiteralString = f"""
WITH {_RELAXED}, ready AS MATERIALIZED (
    SELECT seq FROM bowerbird_queue.jobs WHERE due <= {_NOW} ORDER BY due, seq
    LIMIT %(most)s::bigint FOR UPDATE SKIP LOCKED
)
UPDATE bowerbird_queue.jobs AS job SET due = {_NOW} + make_interval(secs => %(visibility)s::float8), tries = tries + 1
FROM ready, relaxed WHERE job.seq = ready.seq RETURNING job.id, kind, payload, job.seq, tries"""
_ACK: LiteralString = f"""
WITH {_RELAXED} DELETE FROM bowerbird_queue.jobs USING relaxed WHERE seq = %(seq)s::bigint AND tries = %(tries)s::int"""
_HIDE: LiteralString = f"""
WITH {_RELAXED} UPDATE bowerbird_queue.jobs
SET due = {_NOW} + make_interval(secs => %(seconds)s::float8), error = coalesce(%(error)s::text, error)
FROM relaxed WHERE seq = %(seq)s::bigint AND tries = %(tries)s::int"""
_PARK: LiteralString = f"""
WITH {_RELAXED}, given_up AS (
    DELETE FROM bowerbird_queue.jobs AS job USING relaxed
    WHERE seq = %(seq)s::bigint AND tries = %(tries)s::int RETURNING job.*
)
INSERT INTO bowerbird_queue.parked (seq, id, kind, payload, tries, error, at)
SELECT seq, id, kind, payload, least(tries, {MAX_TRIES}),
    coalesce(nullif(%(error)s::text, ''), nullif(error, ''), '{SILENT}'), {_NOW}
FROM given_up"""
_PARKED: LiteralString = """
SELECT id, kind, payload, error, tries, extract(epoch FROM at)::float8 FROM bowerbird_queue.parked
ORDER BY at DESC, seq DESC LIMIT %(most)s::bigint"""
_RETRY: LiteralString = f"""
WITH again AS (
    DELETE FROM bowerbird_queue.parked WHERE %(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]) RETURNING *
)
INSERT INTO bowerbird_queue.jobs (id, kind, payload, due)
SELECT id, kind, payload, {_NOW} FROM again ORDER BY seq RETURNING 1"""
