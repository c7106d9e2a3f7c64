"""How the service does: alive, ready, and in figures. Figures are of this process; a scraper adds them up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import structlog
from litestar import Response, get
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bowerbird import __version__
from bowerbird.catalog import images, sessions, users
from bowerbird.events import reader
from bowerbird.ports import Engines
from bowerbird.search import check, similar
from bowerbird.web.site import Site

log = structlog.get_logger("bowerbird.web")

PATIENCE = 2.0
"""Seconds that an engine may take to show that it is there."""
CHECK_EVERY = 300.0
"""Seconds between two comparisons of a sample of answers with exact search."""
SWEEP_EVERY = 3600.0
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Ready(msgspec.Struct, frozen=True):
    ready: bool
    missing: dict[str, str]
    """What is away, and why."""


@get("/healthz", sync_to_thread=False, opt={"anonymous": True}, include_in_schema=False, media_type="text/plain")
def healthz() -> str:
    return "ok\n"


@get("/readyz", sync_to_thread=True, opt={"anonymous": True}, include_in_schema=False)
def readyz(site: Site) -> Response[Ready]:
    """200 if every engine answers in time, 503 with those that do not."""
    missing = probe(site.engines)
    return Response(Ready(not missing, missing), status_code=503 if missing else 200, media_type="application/json")


def probe(engines: Engines) -> dict[str, str]:
    """What is away by engine, each asked at once with a short timeout."""
    pool = ThreadPoolExecutor(len(PROBES), "probe")
    asked = {name: pool.submit(ask, engines) for name, ask in PROBES.items()}
    ends = time.monotonic() + PATIENCE
    missing = {}
    for name, answer in asked.items():
        try:
            answer.result(max(0.0, ends - time.monotonic()))
        except TimeoutError:
            missing[name] = f"no answer within {PATIENCE:.0f} s"
        except Exception as error:
            missing[name] = str(error) or type(error).__name__
    pool.shutdown(wait=False, cancel_futures=True)
    return missing


def _database(engines: Engines) -> None:
    with engines.database.read() as conn:
        users.count(conn)


def _cache(engines: Engines) -> None:
    value = random.randbytes(8)
    engines.cache.put("probe", value, 10)
    # Another process may have put its own in between; a dead cache gives nothing at all.
    if engines.cache.get("probe") is None:
        raise RuntimeError("what was put is not there")


PROBES: dict[str, Callable[[Engines], object]] = {
    "database": _database,
    "blobs": lambda engines: engines.blobs.exists("originals/probe"),
    "queue": lambda engines: engines.queue.depth(),
    "metadata": lambda engines: engines.metadata.get("probe"),
    "cache": _cache,
    "events": lambda engines: engines.events.end(),
    "looks": lambda engines: len(engines.looks),
    "colours": lambda engines: len(engines.colours),
}


@get("/metrics", sync_to_thread=True, opt={"anonymous": True}, include_in_schema=False)
def metrics(meters: Meters) -> Response[bytes]:
    text = "text/plain; version=0.0.4; charset=utf-8"
    return Response(generate_latest(meters.registry), media_type=text)


class Meters:
    """Prometheus metrics of one web process. Labels are route templates and states, never ids or names."""

    def __init__(self, engines: Engines) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "bowerbird_request_seconds",
            "Time to answer, by route and status class.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.recall = Gauge(
            "bowerbird_search_recall_at_10",
            "Share of the exact ten nearest pictures that search finds, over a recent sample.",
            registry=self.registry,
        )
        self.recall.set(float("nan"))
        self.checks = Counter("bowerbird_search_checks", "Comparisons with exact search.", registry=self.registry)
        version = Gauge("bowerbird_build_info", "The running version.", ["version"], registry=self.registry)
        version.labels(__version__).set(1)
        self.registry.register(State(engines))
        ProcessCollector(registry=self.registry)

    def known_recall(self) -> float:
        """At 10, of search's answers; nan while it is not known."""
        found = self.registry.get_sample_value("bowerbird_search_recall_at_10")
        return float("nan") if found is None else found

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
        self.seconds.labels(known, route, f"{status // 100}xx").observe(seconds)


class State(Collector):
    """Figures read from the engines when they are asked for; one that is away leaves its figure out."""

    def __init__(self, engines: Engines) -> None:
        self.engines = engines

    def collect(self) -> Iterator[GaugeMetricFamily]:
        engines = self.engines
        for name, help_text, read in (
            ("bowerbird_queue_depth", "Jobs waiting or in flight.", lambda: engines.queue.depth()),
            ("bowerbird_queue_parked", "Jobs given up, up to 1000.", lambda: len(engines.queue.parked(1000))),
            ("bowerbird_events_end", "Offset of the newest event.", lambda: engines.events.end()),
            ("bowerbird_events_folded", "Offset of the last event folded.", lambda: reader.place(engines).offset),
            ("bowerbird_events_behind_seconds", "Age of the oldest event not folded.", lambda: reader.behind(engines)),
        ):
            value = _tried(read)
            if value is not None:
                yield GaugeMetricFamily(name, help_text, value=value)
        vectors = GaugeMetricFamily("bowerbird_vectors", "Vectors that search finds.", labels=["index"])
        for name, index in (("looks", engines.looks), ("colours", engines.colours)):
            count = _tried(index.__len__)
            if count is not None:
                vectors.add_metric([name], count)
        yield vectors
        pictures = GaugeMetricFamily("bowerbird_images", "Pictures by state.", labels=["state"])
        for state, count in (_tried(self._counts) or {}).items():
            pictures.add_metric([state], count)
        yield pictures

    def _counts(self) -> dict[str, int]:
        with self.engines.database.read() as conn:
            return {state.value: count for state, count in images.counts(conn).items()}


def _tried(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:
        log.warning("figure missing", why=str(error))
        return None


def upkeep(site: Site, meters: Meters) -> threading.Thread:
    """A daemon thread that compares samples with exact search and forgets ended sessions, until `site.closing`."""
    thread = threading.Thread(target=_keep, args=(site, meters), name="upkeep", daemon=True)
    thread.start()
    return thread


def _keep(site: Site, meters: Meters) -> None:
    _tried(lambda: similar.related(site.engines, 1, 1))  # compiles and maps what the first search would wait for
    # Spread over a minute, so that many processes that start together do not check together.
    wait, swept = 5 + random.random() * 60, 0.0
    while not site.closing.wait(wait):
        wait = CHECK_EVERY
        recall = _tried(lambda: check.recall(site.engines))
        if recall is not None:
            meters.recall.set(recall)
            meters.checks.inc()
        if time.monotonic() - swept > SWEEP_EVERY:
            swept = time.monotonic()
            _tried(lambda: _sweep(site))


def _sweep(site: Site) -> None:
    with site.engines.database.write() as conn:
        sessions.sweep(conn)
