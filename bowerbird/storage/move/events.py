"""What happened, in its order, each event under the offset it had: what was folded of it stays folded."""

from __future__ import annotations

import msgspec

from bowerbird.model import Event
from bowerbird.ports import EventLog
from bowerbird.storage.move import Differs, Digest, Moved, Report, agreed

BATCH = 1000

_encode = msgspec.msgpack.Encoder().encode


def empty(target: EventLog) -> bool:
    return target.end() == 0


def move(source: EventLog, target: EventLog, report: Report) -> list[Moved]:
    """What was trimmed of the source stays so. An interrupted copy goes on after the last event that the target has."""
    first, end = source.read(0, 1), source.end()
    before = first[0].offset - 1 if first else end
    if empty(target) and before:
        target.begin(before)
    after = max(target.end(), before)
    while some := source.read(after, BATCH):
        target.append(some)
        after = some[-1].offset
        if target.end() != after:
            raise Differs(f"The log gave offset {target.end()} to event {after}. Does somebody else append to it?")
        report("Events", after - before, end - before)
    here, there = _digest(source, before), _digest(target, before)
    return [agreed("events", here, there)]


def _digest(log: EventLog, after: int) -> Digest:
    digest = Digest()
    while some := log.read(after, BATCH):
        for event in some:
            digest.add(_encode(_plain(event)))
        after = some[-1].offset
    return digest


def _plain(event: Event) -> dict[str, object]:
    return msgspec.structs.asdict(event)
