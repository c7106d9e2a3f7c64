"""The event log as a topic of one partition in Kafka."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from bowerbird.adapters.kafka_client import LARGEST, Cluster, Reading, Record, Sender
from bowerbird.adapters.kafka_group import Member
from bowerbird.model import Event
from bowerbird.ports import Unavailable

T = TypeVar("T")

HOLE = 2.0
"""Seconds that a reader waits for a record whose successor is already there."""
SAMPLE = 100
"""Records by which the size of all is guessed."""


class _Event(msgspec.Struct, array_like=True):
    kind: str
    at: float
    user_id: int
    pin_id: int
    data: dict[str, Any]
    id: str


_read = msgspec.json.Decoder(_Event).decode


class KafkaEvents:
    """The one partition keeps the total order that readers are promised; what bounds it is one broker's disk, and one
    process folds far less than that. An event's offset is Kafka's and a base: the topic `<topic>.base` tells where the
    log began to count. That is the time of its first event, in microseconds, so a log that was lost and began anew goes
    on above all that was ever given."""

    def __init__(self, url: str) -> None:
        """Makes both topics if they are not there. Raises `Unavailable`, and `ValueError` for a URL or a topic that
        cannot be meant."""
        self._cluster = Cluster(url)
        self._topic = self._cluster.topic
        self._sender = Sender(self._cluster)
        self._reading = Reading(self._cluster, f"{self._topic}.readers")
        self._lock = threading.Lock()
        self._base: int | None = None
        self._breaks = -1
        self._known_base()
        if (partitions := self._cluster.partitions(self._topic)) != 1:
            raise ValueError(f"the topic {self._topic} has {partitions} partitions; events need one, for their order")

    def append(self, events: Sequence[Event]) -> None:
        records = [Record(_encode(each)) for each in events]
        if not records:
            return
        if self._known_base() is None:
            self._begin(int(time.time() * 1e6))
        self._sender.send(self._topic, records)

    def read(self, after: int, most: int = 1000) -> list[Event]:
        return self._numbered([], lambda base: self._read(base, after, most)) if most > 0 else []

    def _read(self, base: int, after: int, most: int) -> list[Event]:
        start = max(0, after - base)
        found = self._reading.read(self._topic, 0, start, most)
        patience = time.monotonic() + HOLE
        while (whole := self._whole(found, start)) < len(found) and not whole and time.monotonic() < patience:
            time.sleep(0.02)
            found = self._reading.read(self._topic, 0, start, most)
        return [_event(each, base) for each in (found[:whole] or found)]

    def begin(self, after: int) -> None:
        if self._known_base() is not None or self._kafka_end():
            raise ValueError("this log has had events")
        self._begin(after)

    def end(self) -> int:
        return self._numbered(0, lambda base: base + self._kafka_end())

    def trim(self, before: int) -> None:
        """Where the broker cannot, the topic's own retention has to do it."""
        base = self._known_base()
        if base is None:
            return
        first = min(before - 1 - base, self._kafka_end())
        if first <= 0:
            return
        place = TopicPartition(self._topic, 0, first)
        for done in self._cluster.ask(lambda admin: admin.delete_records([place])).values():
            self._cluster.answer(done, KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE)

    def bytes(self) -> int:
        first = self._reading.first(self._topic, 0)
        some = self._reading.read(self._topic, 0, first, SAMPLE)
        size = sum(len(each) + 70 for each in some) / max(1, len(some))  # what Kafka keeps beside a record
        return int((self._kafka_end() - first) * size)

    def lead(self, name: str) -> KafkaLead:
        return KafkaLead(self._cluster, f"{self._topic}.{name}", lambda: self._known_base() or 0)

    def close(self) -> None:
        self._sender.close()
        self._reading.close()

    def _known_base(self) -> int | None:
        """None for a log that has not begun. Asked again whenever a line broke: it may be another log then."""
        with self._cluster.turn(self._lock):
            breaks = self._cluster.breaks
            if self._base is None or self._breaks != breaks:
                if self._breaks != breaks:
                    keep = {"cleanup.policy": "delete", "retention.ms": "-1"}
                    self._cluster.make({self._topic: 1, f"{self._topic}.base": 1}, **keep)
                first = self._reading.read(f"{self._topic}.base", 0, 0, 1)
                self._base = int(first[0].value()) if first else None
                self._breaks = breaks
            return self._base

    def _numbered(self, nothing: T, ask: Callable[[int], T]) -> T:
        """What is asked by the base, and again if a line broke meanwhile; `nothing` of a log that has not begun."""
        for _ in range(3):
            if (base := self._known_base()) is None:
                return nothing
            answer = ask(base)
            if self._breaks == self._cluster.breaks:
                break
        return answer

    def _begin(self, base: int) -> None:
        """Of several that begin it at once the first one counts."""
        self._sender.send(f"{self._topic}.base", [Record(str(base).encode())])
        self._known_base()

    def _kafka_end(self) -> int:
        return self._reading.ends(self._topic, 1)[0]

    def _whole(self, found: Sequence[Message], start: int) -> int:
        """How many of them follow each other. Kafka shows nothing before all that is older is there; Tansu may, for a
        moment."""
        for at, each in enumerate(found):
            if each.offset() != start + at:
                if not at and each.offset() <= self._reading.first(self._topic, 0):
                    return self._whole(found, each.offset())  # what is missing was trimmed away
                return at
        return len(found)


class KafkaLead:
    """Whoever the group gives the partition folds. Another takes over when it says goodbye, or `session` seconds after
    it was last heard of."""

    def __init__(self, cluster: Cluster, group: str, base: Any) -> None:
        self._base, self._topic = base, cluster.topic
        self._mine = False
        self._told = 0.0
        self._member = Member(
            cluster, group, cluster.topic, came=self._came, left=self._lost, lost=self._lost, each=lambda *_: None
        )

    def held(self) -> bool:
        return self._mine and self._member.steady()

    def done(self, offset: int) -> None:
        if time.monotonic() - self._told > 1.0:  # for those who look at the group, not for us
            self._told = time.monotonic()
            with contextlib.suppress(Unavailable):
                self._member.commit(TopicPartition(self._topic, 0, max(0, offset - self._base())))

    def close(self) -> None:
        self._mine = False
        self._member.close()

    def _came(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        if places:
            consumer.pause(places)  # it is read by offset
            self._mine = True

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        if places:
            self._mine = False
        consumer.incremental_unassign(places)


def _encode(event: Event) -> bytes:
    try:
        told = msgspec.json.encode(_Event(event.kind, event.at, event.user_id, event.pin_id, event.data, event.id))
    except TypeError as error:
        raise ValueError(f"an event's data must be JSON: {error}") from error
    if len(told) > LARGEST:
        raise ValueError(f"an event has at most {LARGEST} bytes as JSON, not {len(told)}")
    return told


def _event(message: Message, base: int) -> Event:
    offset = base + message.offset() + 1
    try:
        told = _read(message.value() or b"")
    except msgspec.DecodeError:  # somebody else's: no reader knows it, and all pass over it
        return Event("", message.timestamp()[1] / 1000, offset=offset)
    return Event(told.kind, told.at, told.user_id, told.pin_id, told.data, offset, told.id)
