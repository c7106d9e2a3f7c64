"""The live picture for administrators, in numbers."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence

import msgspec

from bowerbird.catalog import images, pins, users
from bowerbird.model import Counts, State, Trend
from bowerbird.ports import Engines, EventLog
from bowerbird.web import plots, pulse
from bowerbird.web.cards import Card, cards
from bowerbird.web.plots import Rate, Spark
from bowerbird.web.pulse import Sample
from bowerbird.web.site import Site

SOURCES = {
    "followed": "Followed",
    "interests": "Looks like yours",
    "walk": "Saved together",
    "affinity": "People like you",
    "trending": "Trending",
    "fresh": "Fresh",
    "words": "Searched for",
    "newest": "Newest",
    "visual": "Looks like it",
}
KINDS = {
    "impression": "seen",
    "closeup": "opened",
    "click": "followed to its source",
    "save": "saved",
    "hide": "hidden",
    "follow": "followed",
    "search": "searched",
    "upload": "uploaded",
}
HOUR = 3600.0
TRENDING = 12

_trend = msgspec.json.Decoder(Trend).decode
_counts = msgspec.json.Decoder(Counts).decode


class Tile(msgspec.Struct, frozen=True):
    """One number and how it came to be."""

    name: str
    value: str
    unit: str
    spark: Spark | None
    worry: bool = False


class Kind(msgspec.Struct, frozen=True):
    name: str
    count: int
    share: float
    """Of the most frequent one."""


class Hot(msgspec.Struct, frozen=True):
    card: Card
    score: float
    share: float
    """Of the hottest one."""


class Live(msgspec.Struct, frozen=True):
    tiles: list[Tile]
    sources: list[Rate]
    top: float
    """The rate at the right end of the scale."""
    kinds: list[Kind]
    trending: list[Hot]
    totals: list[tuple[str, int]]


def picture(site: Site, viewer: int, recall: float) -> Live:
    """All of it now; `recall` is nan while it is not known."""
    kept = pulse.samples(site.engines)
    rates = _sources(site.engines)
    return Live(
        tiles=_tiles(site.engines, kept, recall),
        sources=rates,
        top=max([0.01, *(min(1.0, plots.nice(100 * one.rate) / 100) for one in rates if one.of)]),
        kinds=_kinds(kept),
        trending=_trending(site, viewer),
        totals=_totals(site),
    )


def _tiles(engines: Engines, kept: Sequence[Sample], recall: float) -> list[Tile]:
    now = time.time()
    times = [one.at for one in kept]
    pace = [
        (later.at, max(0, later.end - earlier.end) / (later.at - earlier.at))
        for earlier, later in itertools.pairwise(kept)
        if later.at > earlier.at
    ]
    lags = [float(max(0, one.end - one.folded)) for one in kept]
    queued = [float(one.queue) for one in kept]
    people = [float(one.people) for one in kept]
    depth = engines.queue.depth()

    def spark(values: Sequence[float], name: str) -> Spark | None:
        return plots.spark(times, values, now, HOUR, name)

    found = "–" if math.isnan(recall) else f"{100 * recall:.1f}"
    return [
        Tile(
            "Events",
            plots.short(pace[-1][1]) if pace else "–",
            "a second",
            plots.spark([at for at, _ in pace], [each for _, each in pace], now, HOUR, "Events a second"),
        ),
        Tile(
            "Behind",
            plots.short(lags[-1]) if lags else "–",
            "events to fold",
            spark(lags, "Events to fold"),
            worry=bool(lags) and lags[-1] > 1000,
        ),
        Tile("Here now", plots.short(people[-1]) if people else "–", "people", spark(people, "People")),
        Tile("Waiting", plots.short(float(depth)), "pictures", spark(queued, "Pictures waiting")),
        Tile("Recall", found, "% of the ten", None, worry=recall < 0.9),
    ]


def _sources(engines: Engines) -> list[Rate]:
    """Saves of what was seen, by the source that proposed it, over everything counted so far."""
    keys = {f"counts:{source}:{step}": source for source in SOURCES for step in STEPS}
    seen, saved = dict.fromkeys(SOURCES, 0), dict.fromkeys(SOURCES, 0)
    for key, document in engines.metadata.get_many(list(keys)).items():
        counts = _counts(document)
        seen[keys[key]] += counts.impressions
        saved[keys[key]] += counts.saves
    found = [plots.rate(name, saved[source], seen[source]) for source, name in SOURCES.items() if seen[source]]
    return sorted(found, key=lambda one: -one.rate)


STEPS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


def _kinds(kept: Sequence[Sample]) -> list[Kind]:
    """What people did in the last five minutes."""
    recent = [one for one in kept if one.at > time.time() - pulse.RECENT]
    sums = {name: sum(one.kinds.get(kind, 0) for one in recent) for kind, name in KINDS.items()}
    top = max(1, *sums.values())
    return [Kind(name, count, count / top) for name, count in sums.items()]


def _trending(site: Site, viewer: int) -> list[Hot]:
    known = site.engines.metadata.get("trend:")
    ranked = _trend(known).pins[: 2 * TRENDING] if known else ()
    with site.engines.database.read() as conn:
        found = pins.get_many(conn, [pin_id for pin_id, _ in ranked], viewer)
    shown = [(found[pin_id], score) for pin_id, score in ranked if pin_id in found]
    shown = [(pin, score) for pin, score in shown if pin.image.state is State.READY][:TRENDING]
    drawn = cards(site.engines, [pin for pin, _ in shown], site.signer)
    top = max([1e-9, *(score for _, score in shown)])
    return [Hot(card, score, score / top) for card, (_, score) in zip(drawn, shown, strict=True)]


def _kept(log: EventLog) -> int:
    oldest = log.read(0, 1)
    return log.end() - oldest[0].offset + 1 if oldest else 0


def _totals(site: Site) -> list[tuple[str, int]]:
    with site.engines.database.read() as conn:
        counts = images.counts(conn)
        return [
            ("people", users.count(conn)),
            ("pins", pins.count(conn)),
            ("pictures ready", counts.get(State.READY, 0)),
            ("failed", counts.get(State.FAILED, 0)),
            ("events in the log", _kept(site.engines.events)),
        ]
