"""What the event log takes, durable before it is acknowledged, and how soon a save has changed what the feed knows.

`python -m bench.events` in a folder on the disk that counts; the bound to compare with is the disk's own fsync.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.http import start
from bowerbird import wiring
from bowerbird.adapters.events.sqlite import SqliteEvents
from bowerbird.catalog import images, pins, tokens, users
from bowerbird.events import reader
from bowerbird.model import Event, Scope
from bowerbird.settings import Settings

RUNS = 3
SECONDS = 2.0
GOAL = 20_000


def event(n: int) -> Event:
    data = {"page": "home", "request": "5f1c9a0be2d34c77", "position": n % 50, "source": "walk", "image_id": n}
    return Event("impression", time.time(), 1 + n % 1000, 1 + n % 10_000, data, id=f"{n:024x}")


def taken(folder: Path, threads: int, batch: int) -> float:
    """Events a second from so many threads, `batch` in each append."""
    log = SqliteEvents(folder / f"{threads}-{batch}-{time.time_ns()}.db")
    ends = time.monotonic() + SECONDS
    counts = [0] * threads

    def work(me: int) -> None:
        while time.monotonic() < ends:
            log.append([event(counts[me] + n) for n in range(batch)])
            counts[me] += batch

    workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert log.end() == sum(counts)
    log.close()
    return sum(counts) / SECONDS


def syncs(folder: Path) -> float:
    """Times a second that this disk makes a page durable."""
    with (folder / "sync").open("wb") as file:
        ends, count = time.monotonic() + 1.0, 0
        while time.monotonic() < ends:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            count += 1
    return float(count)


def folded(folder: Path) -> float:
    """Events a second that one processor folds, of 1,000 people and 300 pins."""
    engines = wiring.connect(Settings(data=folder))
    furnish(engines, 300)
    engines.events.append(
        [Event("impression", time.time(), 1 + n % 1000, 1 + n % 300, id=str(n)) for n in range(10_000)]
    )
    started = time.perf_counter()
    while reader.step(engines):
        pass
    engines.close()
    return 10_000 / (time.perf_counter() - started)


def delays(folder: Path, count: int = 200) -> list[float]:
    """Seconds from telling of a save, here, to a changed taste, by the real processor in its own process."""
    engines = wiring.connect(Settings(data=folder))
    furnish(engines, 50)
    words = [sys.executable, "-m", "bowerbird", "events", "--data", str(folder)]
    processor = subprocess.Popen(words)
    found = []
    try:
        for n in range(count + 1):
            before = engines.metadata.get("taste:1")
            started = time.perf_counter()
            engines.events.append([Event("save", time.time(), 1, 1 + n % 50)])
            while engines.metadata.get("taste:1") == before:
                time.sleep(0.0005)
            found.append(time.perf_counter() - started)
        memory = Path(f"/proc/{processor.pid}/status").read_text()
        print(next(line for line in memory.splitlines() if line.startswith("VmRSS")))
    finally:
        processor.terminate()
        processor.wait()
        engines.close()
    return sorted(found[1:])  # the first one waited for the process to start


def told(folder: Path, threads: int = 4, batch: int = 100, people: int = 200) -> float:
    """Events a second in batches of browsers, over HTTP to the real web process. The client shares its cores."""
    engines = wiring.connect(Settings(data=folder))
    furnish(engines, 300)
    with engines.database.write() as conn:
        known = [users.create(conn, f"user{n}", "no hash").id for n in range(people)]
        shown = [tokens.create(conn, user, "bench", [Scope.WRITE], time.time() + 3600)[0] for user in known]
    server, port = start(folder, 1)
    ends, counts = time.monotonic() + 2 * SECONDS, [0] * threads

    def work(me: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < ends:
            said = [
                {"id": os.urandom(12).hex(), "kind": "impression", "pin_id": str(1 + n), "at": time.time(),
                 "page": "home", "request": "5f1c9a0be2d34c77", "position": n, "source": "walk"}
                for n in range(batch)
            ]  # fmt: skip
            # No person may send as much as this measurement, so many do.
            headers = {"Authorization": f"Bearer {shown[counts[me] // batch * threads % people + me]}"}
            body = json.dumps({"events": said})
            connection.request("POST", "/api/v1/events", body, headers | {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert json.loads(answer.read())["accepted"] == batch, answer.status
            counts[me] += batch

    try:
        workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert engines.events.end() == sum(counts) > 0
    finally:
        server.terminate()
        server.wait(15)
        engines.close()
    return sum(counts) / (2 * SECONDS)


def furnish(engines: wiring.Engines, count: int) -> None:
    with engines.database.write() as conn:
        user = users.create(conn, "ann", "no hash")
        for n in range(count):
            pins.create(conn, user.id, images.accept(conn, f"{n:064x}", 100)[0].id)


def main() -> None:
    out = Console()
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        table = Table("what", "a second", f"of {GOAL:,}", title="Event log, median of 3 runs")
        cases: dict[str, Callable[[], float]] = {
            "fsyncs of one page": lambda: syncs(folder),
            "1 thread, 1 event": lambda: taken(folder, 1, 1),
            "64 threads, 1 event": lambda: taken(folder, 64, 1),
            "8 threads, 25 events": lambda: taken(folder, 8, 25),
            "8 threads, 100 events": lambda: taken(folder, 8, 100),
        }
        for what, measure in cases.items():
            rate = statistics.median(measure() for _ in range(RUNS))
            table.add_row(what, f"{rate:,.0f}", f"{rate / GOAL:.2f}")
        rate = folded(folder / "folded")
        table.add_row("folded by one processor", f"{rate:,.0f}", f"{rate / GOAL:.2f}")
        rate = told(folder / "told")
        table.add_row("over HTTP, 4 browsers, 100 events", f"{rate:,.0f}", f"{rate / GOAL:.2f}")
        out.print(table)
        found = delays(folder / "delays")
        out.print(f"save to changed taste: p50 {found[100] * 1e3:.0f} ms, p99 {found[197] * 1e3:.0f} ms, goal 1000 ms")


if __name__ == "__main__":
    main()
