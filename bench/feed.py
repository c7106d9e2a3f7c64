"""A feed page of 25 pins at 100,000 pins, 10,000 people and 2,000,000 saves: all sources, rank, blend, hydrate.

    python -m bench.feed [--pins 100000] [--users 10000] [--saves 2000000] [--pages 1000]

Each page is the first of someone drawn at random, so that each is composed anew, by a process that has composed some
hundred before: what it knows of pins that it met lately it keeps. The limit beside it, in the same
process, is the newest 25 pins with their pictures: one query and its rows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.feed_site import site
from bowerbird import wiring
from bowerbird.catalog import boards, pins
from bowerbird.catalog.faces import of_pins
from bowerbird.feed import affinity, graph, page
from bowerbird.feed.affinity import Affinity
from bowerbird.feed.generations import generations
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Feed
from bowerbird.feed.topics import topics
from bowerbird.search.duplicates import fold
from bowerbird.settings import Settings

LIMIT = 25
WARM = 500
"""Pages of a process before the clock counts."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--saves", type=int, default=2_000_000)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = options.folder or Path(f".cache/bench-feed-{options.pins}-{options.users}-{options.saves}")
    settings = site(folder, options.pins, options.users, options.saves)
    learn(settings)
    table = Table("page", "p50 ms", "p99 ms", "goal")
    feed = opened(settings)
    people = drawn(feed, options.users, options.pages + WARM)
    for person in people[:WARM]:
        compose(feed, person)
    feed.missed.clear()
    pages = [timed(lambda person=person: compose(feed, person)) for person in people[WARM:]]
    bare = [timed(lambda: newest(feed)) for _ in range(options.pages)]
    table.add_row("feed, composed anew", *figures(pages), "p50 < 25, p99 < 60")
    table.add_row("newest pins (limit)", *figures(bare), "")
    console = Console(width=100)
    console.print(table)
    console.print("left out:", dict(feed.missed) or "nothing")
    feed.engines.close()
    for workers in (1, 2):
        console.print(f"{workers} processes: {throughput(settings, options, workers):.0f} pages/s (goal 150 with 2)")


def learn(settings: Settings) -> None:
    if generations(settings.data / "affinity"):
        return
    engines = wiring.connect(settings)
    start = time.perf_counter()
    with engines.database.read() as conn:
        saved, on, images = boards.edges(conn)
        about = topics(engines.looks, images)
        graph.renew(settings.data / "graph", saved, on, engines.events.end(), about)
        built = time.perf_counter()
        affinity.renew(settings.data / "affinity", *boards.keepers(conn))
    print(f"graph built in {built - start:.1f} s, affinity learned in {time.perf_counter() - built:.1f} s")
    engines.close()


def opened(settings: Settings) -> Feed:
    feed = Feed(wiring.connect(settings), fold, logged=0.0)
    feed.graph = SaveGraph.open(generations(settings.data / "graph")[-1])
    feed.affinity = Affinity.load(generations(settings.data / "affinity")[-1])
    return feed


def drawn(feed: Feed, users: int, count: int) -> list[int]:
    with feed.engines.database.read() as conn:
        _, people = boards.keepers(conn)
    known = np.unique(people)[-users:]
    return [int(person) for person in np.random.default_rng(os.getpid()).choice(known, count)]


def compose(feed: Feed, person: int) -> None:
    with feed.engines.database.read() as conn:
        if len(page.home(feed, conn, person, None, LIMIT).placed) != LIMIT:
            raise RuntimeError(f"the feed of {person} is short")


def newest(feed: Feed) -> None:
    with feed.engines.database.read() as conn:
        of_pins(feed.engines, pins.newest(conn, None, None, LIMIT))


def timed(work) -> float:  # type: ignore[no-untyped-def]
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def figures(times: list[float]) -> tuple[str, str]:
    return f"{np.median(times) * 1000:.1f}", f"{np.quantile(times, 0.99) * 1000:.1f}"


def throughput(settings: Settings, options: argparse.Namespace, workers: int) -> float:
    """Pages a second of processes that compose without pause."""
    context = multiprocessing.get_context("spawn")
    stages = [context.Barrier(workers + 1) for _ in range(3)]
    each = options.pages // workers
    jobs = [context.Process(target=_work, args=(settings, options.users, each, stages)) for _ in range(workers)]
    for job in jobs:
        job.start()
    ready, go, done = stages
    ready.wait()
    go.wait()
    start = time.perf_counter()
    done.wait()
    took = time.perf_counter() - start
    for job in jobs:
        job.join()
    return each * workers / took


def _work(settings: Settings, users: int, count: int, stages) -> None:  # type: ignore[no-untyped-def]
    ready, go, done = stages
    feed = opened(settings)
    people = drawn(feed, users, count + WARM)
    for person in people[:WARM]:
        compose(feed, person)
    ready.wait()
    go.wait()
    for person in people[WARM:]:
        compose(feed, person)
    done.wait()


if __name__ == "__main__":
    main()
