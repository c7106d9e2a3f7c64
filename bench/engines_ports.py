"""What the engines of a port take for the same calls, side by side; vectors have a file of their own.

    python -m bench.engines_ports [cache] [jobs] [database] [readers]

Engines take turns, and each figure is the median of `ROUNDS` rounds. All of them run on this machine, so what a network
takes is not in it. `readers`: a page's statement by one process, once as fast as the machine goes, which the servers
share with the client (so that more of them gain nothing), and once with a rest at its server, as if that had work of
its own. A server takes 20 connections of a process, so what is seen then is how evenly the adapter spreads them.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from bench.amazon import Row
from bench.seed import USERS, seed
from bowerbird import wiring
from bowerbird.adapters.cache.memcached import MemcachedCache
from bowerbird.adapters.cache.memory import MemoryCache
from bowerbird.adapters.cache.redis import RedisCache
from bowerbird.adapters.database.postgres import PostgresDatabase, addresses
from bowerbird.adapters.events.kafka import KafkaEvents
from bowerbird.adapters.events.sqlite import SqliteEvents
from bowerbird.adapters.queue.kafka import KafkaQueue
from bowerbird.adapters.queue.postgres import PostgresQueue
from bowerbird.adapters.queue.sqlite import SqliteQueue
from bowerbird.adapters.queue.sqs import SqsQueue
from bowerbird.catalog import boards, pins
from bowerbird.fleet.server import Server, free_port
from bowerbird.fleet.servers import postgres
from bowerbird.model import Event, Job
from bowerbird.ports import Cache, Database, EventLog, Queue
from tests import servers

ROUNDS = 5
SHARE = 0.3
"""Seconds of one round of one engine."""
PINS = 2000
THREADS = 80
"""As many as four servers take of one process."""
REST = 0.1
"""Seconds."""
CARD = b"x" * 400
"""About what is kept of one card of a wall."""


def main() -> None:
    for name in sys.argv[1:] or list(TABLES):
        with tempfile.TemporaryDirectory(prefix="bowerbird-bench-", ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o755)  # PostgreSQL's account must get through
            Console().print(TABLES[name](Path(folder)))
    servers.stop_all()


def cache_table(folder: Path) -> Table:
    """Microseconds of a call, and beside them those of the engine's own client for its least call."""
    import redis

    where = servers.need("redis")
    plain = redis.Redis.from_url(where)
    engines: dict[str, Cache] = {
        "memory": MemoryCache(64 * 2**20),
        "Redis": RedisCache(where),
        "Memcached": MemcachedCache(servers.need("memcached")),
    }
    rows = {name: cache_rows(cache) for name, cache in engines.items()}
    rows["redis-py itself"] = [("get", 1, lambda: plain.get("bowerbird:value:card:7"))]
    return table("Cache, µs a call (p50)", rows, lambda _, took: f"{1e6 * took:.1f}")


def cache_rows(cache: Cache) -> list[Row]:
    cards = {f"card:{n}": CARD for n in range(50)}
    cache.put_many(cards, 600)
    assert len(cache.get_many(cards)) == 50
    return [
        ("get", 1, lambda: cache.get("card:7")),
        ("get what is not there", 1, lambda: cache.get("nothing")),
        ("get 50", 1, lambda: cache.get_many(cards)),
        ("put", 1, lambda: cache.put("card:7", CARD, 600)),
        ("put 50", 1, lambda: cache.put_many(cards, 600)),
        ("hit", 1, lambda: cache.hit("login:1", 600)),
    ]


def jobs_table(folder: Path) -> Table:
    """Jobs and events a second; SQS is moto, whose own work most of it is. The replica is a synchronous one."""
    mine = servers.namespace(folder)
    kafka = servers.need("kafka").rpartition("/")[0]
    queues: dict[str, Queue] = {
        "SQLite": SqliteQueue(folder / "queue.db"),
        "PostgreSQL": PostgresQueue(servers.database("postgres", folder)),
        "with a replica": PostgresQueue(servers.database_at(servers.need("postgres_pair"), mine)),
        "Kafka": KafkaQueue(f"{kafka}/{mine}-jobs"),
        "SQS": SqsQueue(f"sqs://test:test@{mine}?timeout=60&endpoint={servers.need('sqs')}"),
    }
    logs: dict[str, EventLog] = {
        "SQLite": SqliteEvents(folder / "events.db"),
        "Kafka": KafkaEvents(f"{kafka}/{mine}"),
    }
    rows = {name: queue_rows(queue) for name, queue in queues.items()}
    for name, log in logs.items():
        rows[name] += event_rows(log)
    done = table("Jobs and events, a second", rows, lambda things, took: f"{things / took:,.0f}")
    for engine in [*queues.values(), *logs.values()]:
        engine.close()
    return done


def queue_rows(queue: Queue) -> list[Row]:
    def work(jobs: int) -> None:
        queue.send([Job("process", {"image_id": 1})] * jobs)
        while jobs:
            for each in queue.receive(jobs, wait=5):
                queue.ack(each)
                jobs -= 1

    return [
        ("jobs: send, receive, ack one", 1, lambda: work(1)),
        ("jobs: send 10, receive 10, ack each", 10, lambda: work(10)),
        ("jobs: send, receive, ack one, 8 hands", 8 * 5, lambda: together(lambda: work(1), 8, 5)),
    ]


def event_rows(log: EventLog) -> list[Row]:
    numbers = count()
    data = {"page": "home", "request": "5f1c9a0be2d34c77", "position": 7, "source": "walk"}

    def append(events: int) -> None:
        log.append([Event("impression", time.time(), 1, next(numbers), data) for _ in range(events)])

    append(1000)
    first = log.end() - 1000
    return [
        ("events: append one", 1, lambda: append(1)),
        ("events: append 100", 100, lambda: append(100)),
        ("events: read 1,000", 1000, lambda: log.read(first)),
        ("events: look for news", 1, lambda: log.read(log.end())),
    ]


def database_table(folder: Path) -> Table:
    """The catalog's own statements on each: a write is a transaction, durable when it returns."""
    urls = {"SQLite": "", **{name: servers.database(kind, folder) for name, kind in DATABASES.items()}}
    opened = {name: wiring.database(seed(folder / name, PINS, database=url)) for name, url in urls.items()}
    rows = {name: database_rows(database) for name, database in opened.items()}
    done = table(f"Database with {PINS:,} pins, a second", rows, lambda things, took: f"{things / took:,.0f}")
    for database in opened.values():
        database.close()
    return done


DATABASES = {"PostgreSQL": "postgres", "MariaDB": "mysql"}


def database_rows(database: Database) -> list[Row]:
    numbers = count()

    def write() -> None:
        with database.write() as conn:
            boards.create(conn, 1 + next(numbers) % USERS, f"Of the benchmark {next(numbers)}")

    def least() -> None:
        with database.read() as conn:
            conn.scalar(sa.select(1))

    return [
        ("read: SELECT 1 (the least)", 1, least),
        ("read: a wall of 25 pins", 1, lambda: wall(database)),
        ("read: the same from 8 threads", 8 * 10, lambda: together(lambda: wall(database), 8, 10)),
        ("write: a board", 1, write),
        ("write: the same from 8 threads", 8 * 5, lambda: together(write, 8, 5)),
    ]


def wall(database: Database, rest: float = 0.0) -> None:
    with database.read() as conn:
        if rest:
            conn.execute(sa.text(f"SELECT pg_sleep({rest})"))
        assert len(pins.newest(conn, None, before_id=random.randrange(30, PINS))) == 25


def together(work: Callable[[], None], threads: int, each: int) -> None:
    running = [threading.Thread(target=lambda: [work() for _ in range(each)]) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()


def readers_table(folder: Path) -> Table:
    """Walls a second with so many readers."""
    title = f"PostgreSQL with readers, {THREADS} threads of one process"
    done = Table("readers", title=title, caption="× is to one reader")
    for column in ("walls a second", "×", f"each rests {REST} s at its server", "×"):
        done.add_column(column, justify="right")
    with cluster(folder, 4) as (writer, *readers):
        seed(folder / "data", PINS, database=writer)
        first: list[float] = []
        for many in (1, 2, 4):
            some = [host for url in readers[:many] for host in addresses(url)]
            database = PostgresDatabase(addresses(writer), some, pages=True)
            found = [walls(database, rest) for rest in (0.0, REST)]
            database.close()
            first = first or found
            cells = [f"{words}" for a, b in zip(found, first, strict=True) for words in (f"{a:,.0f}", f"{a / b:.2f}")]
            done.add_row(str(many), *cells)
    return done


@contextmanager
def cluster(folder: Path, readers: int) -> Iterator[list[str]]:
    """The URLs of a writer and of its replicas."""
    ports = [free_port() for _ in range(1 + readers)]
    started: list[Server] = []
    try:
        for number, port in enumerate(ports):
            place = folder / f"server{number}"
            started.append(
                postgres.replica(place, port, ports[0], "bench", f"replica{number}")
                if number
                else postgres.primary(place, port, "bench")
            )
            servers.up("", started[-1])
        yield [postgres.url(port, "bench") for port in ports]
    finally:
        for server in reversed(started):
            server.stop()


def walls(database: Database, rest: float) -> float:
    """A second: the median of `ROUNDS` rounds of 2 s."""
    rounds = []
    for _ in range(ROUNDS):
        asked: list[int] = []
        until = time.monotonic() + 2.0

        def work(asked: list[int] = asked, until: float = until) -> None:
            while time.monotonic() < until:
                wall(database, rest)
                asked.append(1)

        started = time.monotonic()
        together(work, THREADS, 1)
        rounds.append(len(asked) / (time.monotonic() - started))
    return statistics.median(rounds)


def table(title: str, rows: dict[str, list[Row]], shown: Callable[[int, float], str]) -> Table:
    """The first engine's rows, and each other's beside them with how much longer it takes."""
    done = Table("", title=title, caption="× is how much longer it takes")
    first, *others = rows
    done.add_column(first, justify="right")
    for name in others:
        done.add_column(name, justify="right")
        done.add_column("×", justify="right")
    for name, things, _ in rows[first]:
        calls = {engine: call for engine, all_rows in rows.items() for row, _, call in all_rows if row == name}
        took = medians(calls)
        cells = [shown(things, took[first])]
        for engine in others:
            known = engine in took
            cells += [shown(things, took[engine]), f"{took[engine] / took[first]:.1f}"] if known else ["", ""]
        done.add_row(name, *cells)
    return done


def medians(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of a call of each, which take turns."""
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            call()
            took: list[float] = []
            until = time.perf_counter() + SHARE
            while len(took) < 3 or time.perf_counter() < until:
                begun = time.perf_counter()
                call()
                took.append(time.perf_counter() - begun)
            rounds[name].append(statistics.median(took))
    return {name: statistics.median(each) for name, each in rounds.items()}


TABLES: dict[str, Callable[[Path], Table]] = {
    "cache": cache_table,
    "jobs": jobs_table,
    "database": database_table,
    "readers": readers_table,
}


if __name__ == "__main__":
    main()
