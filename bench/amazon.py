"""DynamoDB and SQS as their simulators answer, beside SQLite: calls a second, medians.

    python -m bench.amazon [--delay MS]

The simulators (DynamoDB Local, moto behind a lock) run on this machine and take most of the time; what counts is the
client's own work and how few requests it makes. `--delay` puts so many milliseconds before every request, as a
network would.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from bowerbird.adapters.metadata.dynamodb import DynamoMetadata
from bowerbird.adapters.metadata.sqlite import SqliteMetadata
from bowerbird.adapters.queue.sqlite import SqliteQueue
from bowerbird.adapters.queue.sqs import SqsQueue
from bowerbird.model import Job
from bowerbird.ports import Metadata, Queue
from tests import servers
from tests.proxy import Proxy

LOOK = b"x" * 1500
"""About what is kept of one picture."""

Row = tuple[str, int, Callable[[], object]]
"""A name, how many things one call does, and the call."""


def metadata_rows(metadata: Metadata) -> list[Row]:
    documents = {f"look:{n}": LOOK for n in range(1000)}
    keys, fresh = list(documents), count()
    metadata.put_many(documents)
    return [
        ("metadata: get", 1, lambda: metadata.get("look:500")),
        ("metadata: get_many of 50", 50, lambda: metadata.get_many(keys[:50])),
        ("metadata: get_many of 1,000", 1000, lambda: metadata.get_many(keys)),
        ("metadata: put", 1, lambda: metadata.put("look:500", LOOK + str(next(fresh)).encode())),
        ("metadata: put_many of 1,000", 1000, lambda: metadata.put_many(documents)),
        ("metadata: put_new", 1, lambda: metadata.put_new(f"new:{next(fresh)}", LOOK)),
        ("metadata: add", 1, lambda: metadata.add("counts:1", {"saves": 1, "clicks": 1})),
    ]


def queue_rows(queue: Queue) -> list[Row]:
    job = Job("process", {"image_id": 1})

    def work(jobs: int) -> None:
        queue.send([job] * jobs)
        for each in queue.receive(jobs):
            queue.ack(each)

    return [
        ("queue: send, receive, ack one", 1, lambda: work(1)),
        ("queue: send 10, receive 10, ack each", 10, lambda: work(10)),
    ]


def rate(things: int, call: Callable[[], object], seconds: float = 2.0) -> float:
    """Things a second, by the median call."""
    call()
    took: list[float] = []
    until = time.perf_counter() + seconds
    while len(took) < 5 or (time.perf_counter() < until and len(took) < 150):
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return things / statistics.median(took)


def together(call: Callable[[], object], threads: int = 8, each: int = 50) -> float:
    """Calls a second of several threads."""
    start = time.perf_counter()
    work = [threading.Thread(target=lambda: [call() for _ in range(each)]) for _ in range(threads)]
    for one in work:
        one.start()
    for one in work:
        one.join()
    return threads * each / (time.perf_counter() - start)


def endpoint(name: str, delay: float) -> str:
    proxy = Proxy(urlsplit(servers.need(name)).port or 0)
    proxy.delay = delay
    return f"http://127.0.0.1:{proxy.port}" if delay else servers.need(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds")
    delay = parser.parse_args().delay / 1000
    table = Table("", "SQLite, a second", "Amazon's, a second")
    with tempfile.TemporaryDirectory() as folder:
        here, there = (
            SqliteMetadata(Path(folder) / "metadata.db"),
            DynamoMetadata(f"dynamodb://test:test@bench?timeout=60&endpoint={endpoint('dynamodb', delay)}"),
        )
        for (name, things, embedded), (_, _, remote) in zip(metadata_rows(here), metadata_rows(there), strict=True):
            table.add_row(name, f"{rate(things, embedded):,.0f}", f"{rate(things, remote):,.0f}")
        gets = [together(lambda store=store: store.get("look:500")) for store in (here, there)]  # type: ignore[misc]
        table.add_row("metadata: get, 8 threads", *(f"{each:,.0f}" for each in gets))
        waiting = SqliteQueue(Path(folder) / "queue.db")
        sent = SqsQueue(f"sqs://test:test@bench?timeout=60&endpoint={endpoint('sqs', delay)}")
        for (name, things, embedded), (_, _, remote) in zip(queue_rows(waiting), queue_rows(sent), strict=True):
            table.add_row(name, f"{rate(things, embedded):,.0f}", f"{rate(things, remote):,.0f}")
    Console().print(table)


if __name__ == "__main__":
    try:
        main()
    finally:
        servers.stop_all()
