"""How the service does: alive, ready, and in figures. Figures are of this process; a scraper adds them up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import msgspec
import structlog
from litestar import Response, get
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bowerbird import __version__
from bowerbird.catalog import cached, fetches, images, sessions, users
from bowerbird.events import reader
from bowerbird.ports import Engines, Unavailable
from bowerbird.search import check, similar
from bowerbird.web.site import Site

log = structlog.get_logger("bowerbird.web")

PATIENCE = 2.0
"""Seconds that an engine may take to show that it is there."""
VITAL = "database"
"""The engine without which there is no page at all."""
CHECK_EVERY = 300.0
"""Seconds between two comparisons of a sample of answers with exact search."""
COUNT_EVERY = 15.0
"""Seconds between two counts of all pictures."""
SWEEP_EVERY = 3600.0
FETCHED = 7 * 86400.0
"""Seconds for which it is told what became of a picture that was fetched from the web."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Ready(msgspec.Struct, frozen=True):
    ready: bool
    missing: dict[str, str]
    """What is away, and why in plain words: anyone may ask, so no host is named."""


class Away(NamedTuple):
    plain: str
    why: str
    """For the log: the engine's own words, with its address."""


@get("/healthz", sync_to_thread=False, opt={"anonymous": True}, include_in_schema=False, media_type="text/plain")
def healthz() -> str:
    return "ok\n"


@get("/readyz", sync_to_thread=True, opt={"anonymous": True}, include_in_schema=False)
def readyz(site: Site, meters: Meters) -> Response[Ready]:
    """What does not answer in time. 503 only without the database: without anything else there are pages, with less in
    them, and a load balancer that took every process out would leave none."""
    missing = probe(site.engines)
    ready = VITAL not in missing
    meters.news.tell(missing)
    told = Ready(ready, {name: away.plain for name, away in missing.items()})
    return Response(told, status_code=200 if ready else 503, media_type="application/json")


class News:
    """Says in the log what is away when that changes: readiness is asked for every few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def tell(self, missing: Mapping[str, Away]) -> None:
        before, self._known = self._known, {name: away.plain for name, away in missing.items()}
        for name, away in missing.items():
            if name not in before:
                log.error("away", part=name, why=away.why)
        for name in before.keys() - missing.keys():
            log.info("back", part=name)


def probe(engines: Engines) -> dict[str, Away]:
    """What is away by engine, each asked at once with a short timeout; and readers that are left out."""
    missing = {}
    for name, answer in _at_once({name: partial(ask, engines) for name, ask in PROBES.items()}).items():
        if isinstance(answer, TimeoutError):
            silent = f"no answer within {PATIENCE:g} s"
            missing[name] = Away(silent, silent)
        elif isinstance(answer, Exception):
            plain = "it is away" if isinstance(answer, Unavailable) else "it fails"
            missing[name] = Away(plain, str(answer) or type(answer).__name__)
    for one in engines.database.left_out():
        missing[f"reader {one.number}"] = Away(one.plain, f"{one.where}: {one.why}")
    return missing


def _database(engines: Engines) -> None:
    with engines.database.read() as conn:
        users.count(conn)


PROBES: dict[str, Callable[[Engines], object]] = {
    "database": _database,
    "blobs": lambda engines: engines.blobs.exists("originals/probe"),
    "queue": lambda engines: engines.queue.depth(),
    "metadata": lambda engines: engines.metadata.get("probe"),
    "cache": lambda engines: engines.cache.ping(),
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

    def __init__(self, engines: Engines, missed: Mapping[str, int]) -> None:
        """`missed`: what feeds had to do without, as `feed.request.Feed` counts it."""
        self.news = News()
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
        self.registry.register(State(engines, missed))
        ProcessCollector(registry=self.registry)

    def known_recall(self) -> float:
        """At 10, of search's answers; nan while it is not known."""
        found = self.registry.get_sample_value("bowerbird_search_recall_at_10")
        return float("nan") if found is None else found

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
        self.seconds.labels(known, route, f"{status // 100}xx").observe(seconds)


class State(Collector):
    """Figures read from the engines when they are asked for, all at once; one that is away or too slow leaves its
    figure out, for a scraper that waits in vain has none at all."""

    def __init__(self, engines: Engines, missed: Mapping[str, int]) -> None:
        self.engines, self.missed = engines, missed
        self._counted: tuple[float, dict[str, int]] = (-COUNT_EVERY, {})

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        gauges, indexes = self._gauges(), {"looks": self.engines.looks, "colours": self.engines.colours}
        reads = {name: read for name, (_, read) in gauges.items()} | {"images": self._counts}
        found = _at_once(reads | {name: index.__len__ for name, index in indexes.items()})
        for name in [name for name, answer in found.items() if isinstance(answer, Exception)]:
            error = found.pop(name)
            log.warning("figure missing", figure=name, why=str(error) or type(error).__name__)
        pictures = GaugeMetricFamily("bowerbird_images", "Pictures by state.", labels=["state"])
        for state, count in found.get("images", {}).items():
            pictures.add_metric([state], count)
        yield pictures
        vectors = GaugeMetricFamily("bowerbird_vectors", "Vectors that search finds.", labels=["index"])
        for name in indexes.keys() & found.keys():
            vectors.add_metric([name], found[name])
        yield vectors
        for name in gauges.keys() & found.keys():
            yield GaugeMetricFamily(name, gauges[name][0], value=found[name])
        yield _counter("bowerbird_cache", "What was asked of the cache.", ["kind", "outcome"], cached.counts.copy())
        yield CounterMetricFamily(
            "bowerbird_cache_errors", "Calls that did not reach the cache.", value=self.engines.cache.errors
        )
        missed = {tuple(name.split(":")): count for name, count in dict(self.missed).items()}
        yield _counter("bowerbird_feed_missed", "What walls had to do without, and why.", ["source", "reason"], missed)

    def _gauges(self) -> dict[str, tuple[str, Callable[[], float]]]:
        engines = self.engines
        return {
            "bowerbird_queue_depth": ("Jobs waiting or in flight.", engines.queue.depth),
            "bowerbird_queue_parked": ("Jobs given up.", engines.queue.parked_depth),
            "bowerbird_events_end": ("Offset of the newest event.", engines.events.end),
            "bowerbird_events_folded": ("Offset of the last event folded.", lambda: reader.place(engines).offset),
            "bowerbird_events_behind_seconds": (
                "Age of the oldest event not folded.",
                lambda: reader.behind(engines),
            ),
            "bowerbird_database_readers_left_out": (
                "Readers that are down, silent or behind.",
                lambda: len(engines.database.left_out()),
            ),
        }

    def _counts(self) -> dict[str, int]:
        """Now and then: a server may have to look at every row for it."""
        at, known = self._counted
        if time.monotonic() - at < COUNT_EVERY:
            return known
        with self.engines.database.read() as conn:
            known = {state.value: count for state, count in images.counts(conn).items()}
        self._counted = (time.monotonic(), known)
        return known


def _at_once(asks: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """By name the answer, or the exception in its stead: `TimeoutError` for what did not come within `PATIENCE`."""
    pool = ThreadPoolExecutor(len(asks), "asking")
    asked = {name: pool.submit(ask) for name, ask in asks.items()}
    ends = time.monotonic() + PATIENCE
    found: dict[str, Any] = {}
    for name, answer in asked.items():
        try:
            found[name] = answer.result(max(0.0, ends - time.monotonic()))
        except Exception as error:
            found[name] = error
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def _counter(name: str, help_text: str, labels: list[str], counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(list(values), count)
    return family


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
        fetches.sweep(conn, time.time() - FETCHED)
        sessions.sweep(conn)
