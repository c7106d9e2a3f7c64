"""What only PostgreSQL's queue promises: a schema of its own beside the catalog's, few connections, little asked while
nothing comes, and what goes on when the writer or its replica is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from alembic import command

from bowerbird import wiring
from bowerbird.adapters.postgres_lines import LINES
from bowerbird.adapters.queue.postgres import LOOK_AGAIN, PostgresQueue
from bowerbird.catalog import schema
from bowerbird.fleet.servers import postgres
from bowerbird.model import Job
from bowerbird.ports import Unavailable
from bowerbird.settings import Settings
from tests import servers
from tests.contracts.faults import Tell, together
from tests.contracts.pairs import at, within
from tests.contracts.queues import drain, numbered, numbers

LINES_NOW = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
"""One that ends tells the statistics what it did."""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return servers.database("postgres", tmp_path)


@pytest.fixture
def queue(url: str) -> Iterator[PostgresQueue]:
    queue = PostgresQueue(url)
    yield queue
    queue.close()


def told(url: str, sql: str) -> int:
    with psycopg.connect(url, autocommit=True) as raw:
        row = raw.execute(sql).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return int(row[0])


def _open(tell: Tell, url: str, number: int) -> None:
    queue = PostgresQueue(url)
    queue.send(numbered(number))
    queue.close()
    tell(number)


def test_many_processes_may_start_at_once(url: str) -> None:
    assert together(_open, [(url, n) for n in range(4)]) == [[n] for n in range(4)]
    queue = PostgresQueue(url)
    assert numbers(drain(queue)) == [0, 1, 2, 3]
    queue.close()


def test_many_may_start_in_the_same_moment(url: str) -> None:
    together_now = threading.Barrier(6)

    def start(_: int) -> None:
        together_now.wait()
        PostgresQueue(url).close()

    for _ in range(5):
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(start, range(6)))
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute("DROP SCHEMA bowerbird_queue CASCADE")


def test_the_catalog_in_the_same_database_does_not_see_it(url: str, queue: PostgresQueue, tmp_path: Path) -> None:
    queue.send(numbered(1))
    database = wiring.catalog(Settings(data=tmp_path, database=url))
    with database.write() as conn:
        command.check(schema.config(conn))
    database.close()
    assert queue.depth() == 1


def test_twenty_hands_that_wait_ask_as_often_as_one(url: str, queue: PostgresQueue) -> None:
    asked = f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{url.rpartition('/')[2]}'"
    queue.close()
    within(10, lambda: told(url, LINES_NOW) == 0)
    waiting = PostgresQueue(url)
    before, seconds = told(url, asked), 3
    with ThreadPoolExecutor(20) as hands:
        found = list(hands.map(lambda _: waiting.receive(wait=seconds), range(20)))
    assert found == [[]] * 20
    waiting.close()
    within(10, lambda: told(url, LINES_NOW) == 0)
    # Beside the looks: what opening takes, and the test's own questions.
    assert told(url, asked) - before < seconds / LOOK_AGAIN + 60


def test_a_long_queue_is_taken_by_its_index_at_once(url: str, queue: PostgresQueue) -> None:
    """Long before the server looks how long it has become."""
    for _ in range(10):
        assert queue.receive() == []
    queue.send(numbered(*range(4000)))
    for _ in range(50):
        queue.ack(queue.receive()[0])
    queue.close()
    within(10, lambda: told(url, LINES_NOW) == 0)
    assert told(url, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'jobs'") == 0
    read = "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'jobs'"
    assert 100 <= told(url, read) < 4000


def test_many_threads_share_few_connections(url: str, queue: PostgresQueue) -> None:
    queue.send(numbered(*range(400)))
    with ThreadPoolExecutor(40) as hands:
        taken = [hands.submit(queue.receive) for _ in range(400)]
        lines = told(url, LINES_NOW)
        assert numbers([each for one in taken for each in one.result()]) == list(range(400))
    assert 0 < lines <= LINES


def test_words_that_postgres_cannot_keep(queue: PostgresQueue) -> None:
    with pytest.raises(ValueError, match="NUL"):
        queue.send([Job("pro\0cess", {})])
    queue.send(numbered(1))
    for _ in range(5):
        (delivery,) = queue.receive()
        queue.fail(delivery, "a file named \0 or \udcff")
    assert queue.parked()[0].error == "a file named \ufffd or ?"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[servers.Running]:
    """A writer, and a replica that has each commit before it is acknowledged; the test may break them."""
    with servers.of_ones_own("postgres_pair") as running:
        url = servers.database_at(running.url, servers.namespace(tmp_path))
        yield servers.Running(url, running.servers)


@pytest.mark.slow
def test_no_job_that_was_taken_is_lost_when_the_writer_dies(pair: servers.Running) -> None:
    """Three send and three work; the writer is killed, its replica promoted."""
    queue, stop = PostgresQueue(pair.url), threading.Event()
    kept: list[int] = []
    done: list[int] = []

    def send(name: int) -> None:
        number = name * 10_000
        while not stop.wait(0.02):
            number += 1
            try:
                queue.send(numbered(number))
                kept.append(number)
            except Unavailable:
                time.sleep(0.1)

    def work() -> None:
        while not stop.is_set():
            try:
                for each in queue.receive(2, visibility=2.0, wait=0.2):
                    done.append(each.job.payload["image_id"])
                    queue.ack(each)
            except Unavailable:
                time.sleep(0.1)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
    threads += [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    time.sleep(3)
    before = len(kept)
    pair.servers[0].kill()
    time.sleep(1)
    postgres.promote(pair.servers[1])
    within(15, lambda: len(kept) > before + 20)
    stop.set()
    for each in threads:
        each.join()
    while queue.depth():
        for late in queue.receive(10, wait=3.0):
            done.append(late.job.payload["image_id"])
            queue.ack(late)
    queue.close()
    assert before > 20
    assert set(kept) <= set(done)


@pytest.mark.slow
def test_while_the_replica_is_away_only_what_must_last_waits(pair: servers.Running) -> None:
    queue = PostgresQueue(pair.url)
    queue.send(numbered(*range(4)))
    pair.servers[1].stop()
    started = time.monotonic()
    (first, second, third) = queue.receive(3)
    queue.ack(first)
    queue.extend(second, 30)
    queue.fail(third, "no luck")
    assert numbers(queue.receive(10)) == [2, 3]
    assert time.monotonic() - started < 2
    with pytest.raises(Unavailable):
        queue.send(numbered(5))
    assert time.monotonic() - started < 8
    pair.servers[1].start()
    pair.servers[1].wait()
    within(20, lambda: _sent(queue))
    queue.close()
    # What was refused may have been kept: it was in the writer's log, and waited for the replica.
    assert told(at(pair.url, _port(pair)), "SELECT count(*) FROM bowerbird_queue.jobs") >= 4


def _port(pair: servers.Running) -> int:
    return int(pair.url.rpartition("@")[2].split(",")[0].split(":")[1])


def _sent(queue: PostgresQueue) -> bool:
    try:
        queue.send(numbered(6))
    except Unavailable:
        return False
    return True
