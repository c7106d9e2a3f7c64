"""What the cache keeps: made by one, waited for by others, and never wrong for longer than `CACHED` says.

A key carries the release and `LAYOUT`, so that nothing reads what another release wrote. A dead cache keeps nothing,
and then everything is made each time.
"""

from __future__ import annotations

import random
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import NamedTuple

import structlog

from bowerbird import __version__
from bowerbird.ports import Engines, Unavailable

log = structlog.get_logger("bowerbird.cache")

Make = Callable[[], bytes]


class Kind(NamedTuple):
    what: str
    key: str
    """After the kind's name."""
    fresh: float
    """Seconds for which it is as good as new; each is kept for up to a tenth less, so that not all end at once."""
    wrong: str
    """Whether it is ever wrong, and until when."""
    stale: float = 0.0
    """Seconds after that in which the old one is served while a new one is made."""
    nothing: float = 0.0
    """Seconds for which it is kept that there is nothing (empty bytes)."""
    lease: float = 0.0
    """Seconds that other processes wait for the one that makes it; 0: each makes its own."""


CACHED = {
    "face": Kind(
        "a pin's face: what a wall shows of it",
        "<pin>:<secret>",
        fresh=60.0,
        wrong="`faces.forget` takes it out when its words change: at once for all who share a cache; in another "
        "process's own memory they are a minute old at most. Who may see it is always asked of the database",
    ),
    "fresh": Kind(
        "the newest pins and how they are liked, of which each feed draws its own",
        "pool",
        fresh=3.0,
        stale=27.0,
        nothing=1.0,
        wrong="a new pin meets its first viewers some seconds later; who may see it is asked of the database",
    ),
    "list": Kind(
        "a related or *More ideas* list, for its further pages",
        "<request>:<limit>",
        fresh=900.0,
        nothing=60.0,
        lease=2.0,
        wrong="its pins are asked for again when a page is placed: what was deleted, hidden or made secret since is "
        "left out",
    ),
    "part": Kind("the vector of a crop", "<media>:<box>", fresh=600.0, lease=5.0, wrong="no: originals do not change"),
    "words": Kind(
        "pins that words found, as a source of feeds and of related pins",
        "<words>",
        fresh=300.0,
        stale=600.0,
        nothing=60.0,
        wrong="new pins come a little later; who may see them is asked of the database",
    ),
}
"""Everything that is cached; docs/architecture.md says the same."""

LAYOUT = 1
"""To be raised when the bytes of a kind change within a release."""
JITTER = 0.1
WAIT = 10.0
"""Seconds that a thread waits for another's answer; longer than any engine may take."""
POLL = 0.05
"""Seconds between two looks at what another process makes."""
RENEWALS = 4
"""Old ones that are made anew at a time."""

counts: Counter[tuple[str, str]] = Counter()
"""Of this process, by kind and outcome: `hit`, `stale`, `miss`, `coalesced` (another made it), `failed` (to renew)."""

clock = time.time
_lock = threading.Lock()
_flights: dict[tuple[int, str, str], Future[bytes]] = {}
_renewals = threading.BoundedSemaphore(RENEWALS)
_until = struct.Struct(">d")
"""Before each value: the time (epoch) until which it is fresh."""


class Entry(NamedTuple):
    value: bytes
    fresh: bool


def cached(engines: Engines, kind: str, name: str, make: Make, again: Make | None = None) -> bytes:
    """What is kept under `name`, or else what `make` gives; empty bytes mean that there is nothing.

    In one process one thread makes it and the others wait for that answer, or that exception, which is not kept; other
    processes wait for it as long as the kind's lease says. `again` makes it with no help of the request, in a thread
    of its own: with it, an old one is served meanwhile. What is made while it is dropped may be kept. Raises
    `Unavailable` after `WAIT` seconds.
    """
    entry = _read(engines, kind, [name]).get(name)
    if entry and (entry.fresh or again):
        _count(kind, "hit" if entry.fresh else "stale")
        if not entry.fresh and again:
            _renew(engines, kind, name, again)
        return entry.value
    return _once(engines, kind, name, make)


def kept(engines: Engines, kind: str, names: Iterable[str]) -> dict[str, bytes]:
    """What is kept under these names, asked once for all; the others are left out."""
    asked = list(names)
    found = {name: value for name, value, old in _entries(engines, kind, asked) if old < 0}
    _count(kind, "hit", len(found))
    _count(kind, "miss", len(asked) - len(found))
    return found


def keep(engines: Engines, kind: str, values: Mapping[str, bytes]) -> None:
    """What was made together leaves together, and is asked for together again."""
    rule = CACHED[kind]
    fresh = (rule.fresh if any(values.values()) else rule.nothing) * random.uniform(1 - JITTER, 1)
    if fresh:
        stamp = _until.pack(clock() + fresh)
        entries = {_key(kind, name): stamp + value for name, value in values.items()}
        engines.cache.put_many(entries, fresh + rule.stale)


def drop(engines: Engines, kind: str, names: Iterable[str]) -> None:
    engines.cache.delete([_key(kind, name) for name in names])


def _read(engines: Engines, kind: str, names: Iterable[str]) -> dict[str, Entry]:
    """Those that may be served still."""
    stale = CACHED[kind].stale
    return {
        name: Entry(value, fresh=old < 0)
        for name, value, old in _entries(engines, kind, names)
        if old < (stale if value else 0.0)
    }


def _entries(engines: Engines, kind: str, names: Iterable[str]) -> Iterator[tuple[str, bytes, float]]:
    """Name, value, and for how many seconds it has not been fresh any more."""
    start = _key(kind, "")
    found = engines.cache.get_many([start + name for name in names])
    now, cut = clock(), len(start)
    for key, entry in found.items():
        yield key[cut:], entry[_until.size :], now - _until.unpack_from(entry)[0]


def _once(engines: Engines, kind: str, name: str, make: Make) -> bytes:
    """The first thread that comes looks again and makes it; those that come meanwhile wait for its answer."""
    flight_key = (id(engines.cache), kind, name)
    with _lock:
        flight = _flights.get(flight_key)
        mine = _flights[flight_key] = Future() if flight is None else flight
    if flight is not None:
        _count(kind, "coalesced")
        if not wait([flight], WAIT).done:
            raise Unavailable(f"another request has been making {CACHED[kind].what} for {WAIT:.0f} s; try again")
        return flight.result()
    try:
        made = _others(engines, kind, name)
        mine.set_result(_made(engines, kind, name, make) if made is None else made)
    except BaseException as error:
        mine.set_exception(error)
    finally:
        with _lock:
            del _flights[flight_key]
    return mine.result()


def _made(engines: Engines, kind: str, name: str, make: Make) -> bytes:
    lease, seconds = _key("lease", f"{kind}:{name}"), CACHED[kind].lease
    ends = time.monotonic() + seconds
    while seconds and not engines.cache.put_new(lease, b"", seconds) and time.monotonic() < ends:
        time.sleep(POLL)
        made = _others(engines, kind, name)
        if made is not None:
            return made
    try:
        _count(kind, "miss")
        value = make()
        keep(engines, kind, {name: value})
        return value
    finally:
        if seconds:
            engines.cache.delete([lease])


def _others(engines: Engines, kind: str, name: str) -> bytes | None:
    """What somebody else has made since we looked."""
    entry = _read(engines, kind, [name]).get(name)
    if entry is None or not entry.fresh:
        return None
    _count(kind, "coalesced")
    return entry.value


def _renew(engines: Engines, kind: str, name: str, again: Make) -> None:
    with _lock:
        if (id(engines.cache), kind, name) in _flights or not _renewals.acquire(blocking=False):
            return

    def renew() -> None:
        try:
            _once(engines, kind, name, again)
        except Exception as error:
            _count(kind, "failed")
            log.warning("not renewed", kind=kind, why=str(error) or type(error).__name__)
        finally:
            _renewals.release()

    threading.Thread(target=renew, name="renewal", daemon=True).start()


def _count(kind: str, outcome: str, number: int = 1) -> None:
    with _lock:
        counts[kind, outcome] += number


def _key(kind: str, name: str) -> str:
    return f"{__version__}.{LAYOUT}:{kind}:{name}"
