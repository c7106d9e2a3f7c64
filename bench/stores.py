"""The embedded engines beside the least that could do the same: raw sqlite3 and plain files, in one run.

    python -m bench.stores [FOLDER]     # FOLDER on the disk to be measured; default: the system's temporary one

A durable write on either side ends with an fsync. Each figure is the median of five interleaved rounds.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from bowerbird.adapters.blobs.folder import Folder
from bowerbird.adapters.events.sqlite import SqliteEvents
from bowerbird.adapters.metadata.sqlite import SqliteMetadata
from bowerbird.adapters.queue.sqlite import SqliteQueue
from bowerbird.model import Event, Job

ROUNDS = 5
DOCUMENTS = 50_000
PICTURE = os.urandom(40_000)
BYTES = os.urandom(10_000)
JOB = Job("process", {"image_id": 12345})


def look() -> bytes:
    """A new one each time: SQLite does not even write what it holds already."""
    return BYTES[(start := random.randrange(9000)) : start + 900]


Work = Callable[[int], object]
Row = tuple[str, int, int, Work, Work]
"""Operation, items a call, calls a round, ours, the limit."""


def raw(path: Path, synchronous: str, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(schema)
    # A log that is written over again is synced faster than one that grows.
    connection.execute("CREATE TABLE warm AS SELECT zeroblob(8000000)")
    connection.execute("DROP TABLE warm")
    return connection


def transaction(db: sqlite3.Connection, sql: str, rows: list[tuple[object, ...]]) -> None:
    db.execute("BEGIN IMMEDIATE")
    db.executemany(sql, rows)
    db.execute("COMMIT")


def queue_rows(folder: Path) -> Generator[Row, None, None]:
    queue = SqliteQueue(folder / "queue.db")
    insert = "INSERT INTO jobs (id, payload, due, tries) VALUES (?, ?, ?, 0)"
    schema = "CREATE TABLE jobs (seq INTEGER PRIMARY KEY, id TEXT, payload BLOB, due REAL, tries INTEGER)"
    db, quick = (raw(folder / f"raw-{level}.db", level, schema) for level in ("FULL", "NORMAL"))
    for each in (db, quick):
        each.execute("CREATE INDEX due ON jobs (due)")
    payload = json.dumps(JOB.payload).encode()

    def rows(count: int) -> list[tuple[object, ...]]:
        return [(os.urandom(16).hex(), payload, time.time()) for _ in range(count)]

    take = (
        "UPDATE jobs SET due = ?, tries = tries + 1 WHERE seq IN (SELECT seq FROM jobs WHERE due <= ? ORDER BY due"
        " LIMIT 1) RETURNING seq, payload"
    )

    def take_raw(n: int) -> None:
        found = quick.execute(take, (time.time() + 60, time.time())).fetchall()
        quick.execute("DELETE FROM jobs WHERE seq = ?", (found[0][0],))

    queue.send([JOB] * 100_000)
    transaction(quick, insert, rows(100_000))
    yield (
        "queue: depth of 100,000",
        1,
        20,
        lambda n: queue.depth(),
        lambda n: quick.execute("SELECT count(*) FROM jobs").fetchone(),
    )
    yield "queue: send one, synced", 1, 100, lambda n: queue.send([JOB]), lambda n: transaction(db, insert, rows(1))
    yield (
        "queue: send 100, synced",
        100,
        20,
        lambda n: queue.send([JOB] * 100),
        lambda n: transaction(db, insert, rows(100)),
    )
    yield "queue: receive and ack one", 1, 1000, lambda n: queue.ack(queue.receive()[0]), take_raw
    queue.close()


def metadata_rows(folder: Path) -> Generator[Row, None, None]:
    metadata = SqliteMetadata(folder / "metadata.db")
    keys = ["look:" + hashlib.sha1(str(n).encode()).hexdigest() for n in range(DOCUMENTS)]
    db = raw(folder / "raw.db", "FULL", "CREATE TABLE documents (key TEXT PRIMARY KEY, value BLOB)")
    put = "INSERT OR REPLACE INTO documents VALUES (?, ?)"
    transaction(db, put, [(key, look()) for key in keys])
    fill([partial(metadata.put, key, look()) for key in keys])
    pages = [random.sample(keys, 50) for _ in range(500)]
    many = f"SELECT key, value FROM documents WHERE key IN ({', '.join('?' * 50)})"
    counters = raw(folder / "raw-counters.db", "FULL", "CREATE TABLE counters (key TEXT PRIMARY KEY, n INTEGER)")
    count = "INSERT INTO counters VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET n = n + 1"

    def put_from_threads(n: int) -> None:
        fill([partial(metadata.put, key, look()) for key in keys[n * 1000 :][:1000]], 16)

    def put_in_turn(n: int) -> None:
        for key in keys[n * 1000 :][:1000]:
            db.execute(put, (key, look()))

    yield (
        "metadata: get",
        1,
        3000,
        lambda n: metadata.get(keys[n]),
        lambda n: db.execute("SELECT value FROM documents WHERE key = ?", (keys[n],)).fetchall(),
    )
    yield (
        "metadata: get 50",
        50,
        400,
        lambda n: metadata.get_many(pages[n]),
        lambda n: dict(db.execute(many, pages[n]).fetchall()),
    )
    yield (
        "metadata: put, synced",
        1,
        100,
        lambda n: metadata.put(keys[n], look()),
        lambda n: db.execute(put, (keys[n], look())),
    )
    yield "metadata: put from 16 threads, synced", 1000, 10, put_from_threads, put_in_turn
    yield (
        "metadata: add to a counter, synced",
        1,
        100,
        lambda n: metadata.add(keys[n], {"n": 1}),
        lambda n: counters.execute(count, (keys[n],)),
    )
    metadata.close()


def events_rows(folder: Path) -> Generator[Row, None, None]:
    log = SqliteEvents(folder / "events.db")
    db = raw(folder / "raw.db", "FULL", "CREATE TABLE events (seq INTEGER PRIMARY KEY, kind TEXT, at REAL, data BLOB)")
    events = [Event("save", at=1.0, user_id=1, pin_id=2, data={"board_id": 3})] * 100
    rows: list[tuple[object, ...]] = [("save", 1.0, b'{"user_id":1,"pin_id":2,"board_id":3}')] * 100
    insert = "INSERT INTO events (kind, at, data) VALUES (?, ?, ?)"
    read = "SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT 1000"
    yield "events: append 100, synced", 100, 20, lambda n: log.append(events), lambda n: transaction(db, insert, rows)
    yield "events: read 1,000", 1000, 20, lambda n: log.read(n), lambda n: db.execute(read, (n,)).fetchall()
    log.close()


def blobs_rows(folder: Path) -> Generator[Row, None, None]:
    blobs = Folder(folder / "blobs")
    plain = folder / "plain"
    plain.mkdir()

    def put(n: int) -> None:
        path = plain / f"{n}.part"
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.write(handle, PICTURE)
        os.fsync(handle)
        os.close(handle)
        path.rename(plain / str(n))
        handle = os.open(plain, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

    def get(n: int) -> bytes:
        return (plain / str(n % 100)).read_bytes()

    yield "blobs: put 40 KB, synced", 1, 100, lambda n: blobs.put(f"236x/ab/{n}", PICTURE), put
    yield "blobs: get 40 KB", 1, 2000, lambda n: blobs.get(f"236x/ab/{n % 100}"), get


def fill(works: list[Callable[[], object]], threads: int = 32) -> None:
    shares = [works[n::threads] for n in range(threads)]
    running = [threading.Thread(target=lambda share=share: [work() for work in share]) for share in shares]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def rates(ours: Work, limit: Work, items: int, calls: int) -> tuple[float, float]:
    """Items a second of both, which take turns ten times: a disk is fast now and slow then."""
    spent = [0.0, 0.0]
    for share in range(10):
        for which, work in enumerate((ours, limit)):
            begun = time.perf_counter()
            for n in range(share, calls, 10):
                work(n)
            spent[which] += time.perf_counter() - begun
    return items * calls / spent[0], items * calls / spent[1]


def main(folder: str | None = None) -> None:
    print("| operation | items/s | limit/s | ratio |\n|---|---:|---:|---:|")
    for rows in (queue_rows, metadata_rows, events_rows, blobs_rows):
        with tempfile.TemporaryDirectory(dir=folder) as place, contextlib.closing(rows(Path(place))) as operations:
            for name, items, calls, ours, limit in operations:
                pairs = [rates(ours, limit, items, calls) for _ in range(ROUNDS)]
                mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(a / b for a, b in pairs)
                print(f"| {name} | {mine:,.0f} | {theirs:,.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:2])
