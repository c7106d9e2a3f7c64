"""The log's long memory: Parquet files in the blob store, one or more an hour, for reports and training.

A file is named by the hour in which its events happened and by the offset of its first. Where the archive went on
after a crash it finds the same first events again, and writes the same files over, none of them smaller.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec
import structlog

from bowerbird.model import Event
from bowerbird.ports import Engines, EventLog, Unavailable

logger = structlog.get_logger("bowerbird.events")

CHECKPOINT = "offset:archive"
UNTRIMMED = "archive:untrimmed"
"""There once it was told that this log cannot be trimmed."""
FOLDER = "events/"
HOUR = 3600.0
MOST = 25_000
"""Events archived at a time; they take about 30 MB meanwhile."""
STEP = 20_000
"""Events forgotten at a time, so that who appends never waits long."""
COLUMNS = {
    "seq": "BIGINT",
    "kind": "VARCHAR",
    "at": "DOUBLE",
    "user_id": "BIGINT",
    "pin_id": "BIGINT",
    "id": "VARCHAR",
    "page": "VARCHAR",
    "request": "VARCHAR",
    "position": "INTEGER",
    "source": "VARCHAR",
    "board_id": "BIGINT",
    "secret": "BOOLEAN",
    "data": "VARCHAR",
}
"""Of the files: an event, what is asked of its data most, and all its data as JSON."""
TEXTS, NUMBERS = ("page", "request", "source"), {"position": 2**31, "board_id": 2**63}


class Place(msgspec.Struct, frozen=True):
    """How far the log is archived; kept in metadata."""

    offset: int = 0


_place = msgspec.json.Decoder(Place).decode
_encode = msgspec.json.Encoder().encode


def archived(engines: Engines) -> int:
    """The offset up to which all is archived."""
    known = engines.metadata.get(CHECKPOINT)
    return _place(known).offset if known else 0


def run(engines: Engines, now: float | None = None, most: int = MOST) -> int:
    """Archive the hours that are over; how many events. What comes late goes to a further file of its hour."""
    now = time.time() if now is None else now
    done = 0
    while events := _closed(read(engines.events, archived(engines), most), now):
        for hour, some in groupby(sorted(events, key=_hour), key=_hour):  # sorting keeps the log's order within one
            inside = list(some)
            engines.blobs.put(key(hour, inside[0].offset), parquet(inside))
        engines.metadata.put(CHECKPOINT, _encode(Place(events[-1].offset)))
        done += len(events)
    return done


def read(log: EventLog, after: int, most: int) -> list[Event]:
    """As the log does, in steps that hold up nobody."""
    events: list[Event] = []
    while len(events) < most and (more := log.read(events[-1].offset if events else after, min(5000, most))):
        events += more
    return events[:most]


def _closed(events: Sequence[Event], now: float) -> Sequence[Event]:
    """Those before the first of the hour that is still open. One from the future, which a clock that was set back
    leaves, holds up nothing."""
    opened = now // HOUR * HOUR
    for number, event in enumerate(events):
        if opened <= event.at <= now:
            return events[:number]
    return events


def _hour(event: Event) -> int:
    # A clock may say anything; a date has four digits.
    return int(min(max(event.at, 0.0), 2.5e11) // HOUR) if math.isfinite(event.at) else 0


def key(hour: int, first: int) -> str:
    """`events/2026/11/24/05-<first offset>.parquet`; `hour` is counted from the epoch."""
    return f"{FOLDER}{time.strftime('%Y/%m/%d/%H', time.gmtime(hour * HOUR))}-{first}.parquet"


def row(event: Event) -> dict[str, object]:
    """An event under `COLUMNS`; what its data has of another type than the column's is in `data` alone."""
    data = event.data
    found: dict[str, object] = {name: value for name in TEXTS if isinstance(value := data.get(name), str)}
    for name, limit in NUMBERS.items():
        value = data.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit:
            found[name] = value
    told = {"kind": event.kind, "at": event.at, "user_id": event.user_id, "pin_id": event.pin_id, "id": event.id}
    return {**told, **found, "seq": event.offset, "secret": bool(data.get("secret")), "data": _encode(data).decode()}


def write_rows(path: Path, events: Sequence[Event]) -> None:
    """JSON lines, which DuckDB reads without any library between."""
    with path.open("wb") as file:
        for event in events:
            file.write(_encode(row(event)) + b"\n")


def parquet(events: Sequence[Event]) -> bytes:
    """One file of them, compressed, in the log's order."""
    # It takes 60 MB, which a process need not have that archives nothing.
    import duckdb

    with tempfile.TemporaryDirectory(prefix="bowerbird-archive-") as folder, duckdb.connect() as db:
        rows, made = Path(folder, "rows.json"), Path(folder, "made.parquet")
        write_rows(rows, events)
        db.execute("SET threads = 1")
        db.execute(f"COPY ({rows_of(rows)} ORDER BY seq) TO '{made}' (FORMAT parquet, COMPRESSION zstd)")
        return made.read_bytes()


def rows_of(path: Path) -> str:
    """SQL that reads what `write_rows` wrote."""
    columns = ", ".join(f"\"{name}\": '{kind}'" for name, kind in COLUMNS.items())
    return (
        f"SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {{{columns}}},"  # noqa: S608
        " maximum_object_size = 67108864)"
    )


def files(engines: Engines, since: float = 0.0) -> Iterator[str]:
    """Keys of the files of that hour and later, in no order."""
    first = time.strftime("%Y/%m/%d/%H", time.gmtime(max(0.0, since) // HOUR * HOUR))
    return (name for name in engines.blobs.keys(FOLDER) if name.removeprefix(FOLDER) >= first)


def forget(engines: Engines, before: int, keep_days: int, keep_mb: int, now: float | None = None) -> int:
    """Trim the log to its age and size, but nothing at or past `before` and nothing that is not archived; up to
    which offset. A log that answers and cannot be trimmed is left as it is."""
    now = time.time() if now is None else now
    log, free = engines.events, min(before, archived(engines) + 1)
    oldest = log.read(0, 1)
    if not oldest:
        return 0
    first = start = oldest[0].offset
    taken, kept = log.bytes(), keep_mb * 2**20
    wanted = _first_since(log, first, now - keep_days * 86_400.0)
    if taken > kept:  # events are of about one size
        wanted = max(wanted, first + math.ceil((log.end() + 1 - first) * (1 - kept / taken)))
    wanted = min(wanted, free)
    while start < wanted:
        try:
            log.trim(min(start + STEP, wanted))
        except Unavailable as error:
            log.end()  # raises where all of it is away
            _tell_untrimmed(engines, error)
            break
        start = min(start + STEP, wanted)
    return start


def _tell_untrimmed(engines: Engines, why: Unavailable) -> None:
    """The first time as a warning: every hour would only teach people to read over it."""
    first = engines.metadata.put_new(UNTRIMMED, b"1")
    say = logger.warning if first else logger.info
    say("the event log cannot be trimmed and keeps all events; give its topic a retention of its own", why=str(why))


def _first_since(log: EventLog, first: int, since: float) -> int:
    """The offset of about the first event that happened since; the times of a log rise, but for some late ones."""
    low, high = first, log.end() + 1
    while low < high:
        middle = (low + high) // 2
        found = log.read(middle - 1, 1)
        if found and found[0].at < since:
            low = middle + 1
        else:
            high = middle
    return low
