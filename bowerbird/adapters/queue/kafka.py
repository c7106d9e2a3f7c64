"""Jobs as a topic in Kafka, and beside it `<topic>.parked` for what was given up.

Kafka knows of a group of readers only how far each partition was read. What is done past that, what is being worked on
until when, and how often it was tried is noted in `<topic>.notes`, so it survives the worker that knew it: the newest
record of a partition there is about the same partition of the jobs.
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import TimeoutError as Late

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bowerbird.adapters.kafka_client import LARGEST, Cluster, Reading, Record, Sender
from bowerbird.adapters.kafka_group import Member
from bowerbird.adapters.queue.kafka_share import GivenUp, Note, Share, Task, Told, job_of
from bowerbird.adapters.queue.rows import SILENT
from bowerbird.model import MAX_TRIES, Delivery, Job, Parked
from bowerbird.ports import Unavailable

PARTITIONS = 16
"""Of a topic that is made here; as many workers share the work at most."""
AHEAD = 100
"""Jobs of one partition that a worker knows of; with so many unfinished it waits."""
PARTING = 5.0
"""Seconds that a partition which another worker is to have waits for what is in hand."""
KEPT = 14 * 24 * 3600 * 1000
"""Milliseconds after which Kafka forgets a job, done or not."""
MAX_ERROR = 2000
"""Characters."""

GONE = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError._ASSIGNMENT_LOST)
"""The group went on without us."""


class KafkaQueue:
    """Workers are a group, and each partition belongs to one of them. Times go by the clocks of the workers."""

    def __init__(self, url: str) -> None:
        """Makes both topics if they are not there. Raises `Unavailable`, and `ValueError` for a URL that cannot be
        meant."""
        self._cluster = Cluster(url, partitions=str(PARTITIONS))
        self._topic = self._cluster.topic
        self._parked = f"{self._topic}.parked"
        self._notes = f"{self._topic}.notes"
        self._group = f"{self._topic}.workers"
        self._sender = Sender(self._cluster)
        self._reading = Reading(self._cluster, self._group)
        self._breaks = -1
        self._partitions = 0
        self._turn = random.randrange(1 << 16)
        self._sent: dict[int, int] = {}
        """By partition, the newest that this process sent."""
        self._counting = threading.Lock()
        self._keys: set[bytes] = set()
        """Keys of the parked jobs, up to the offset `_counted` of their topic."""
        self._counted = 0
        self._member: Member | None = None
        self._shares: dict[int, Share] = {}
        self._joined = False
        self._news = threading.Condition()
        self._sure()

    def send(self, jobs: Sequence[Job]) -> None:
        messages = [Told(job.kind, job.payload, job.id or os.urandom(16).hex()) for job in jobs]
        bodies = [_encode(each, LARGEST) for each in messages]
        if not bodies:
            return
        self._sure()
        with self._news:
            self._turn += 1
            parts = [(self._turn + n) % self._partitions for n in range(len(bodies))]
        records = [Record(body, part) for body, part in zip(bodies, parts, strict=True)]
        offsets = self._sender.send(self._topic, records)
        with self._news:
            for part, offset in zip(parts, offsets, strict=True):
                self._sent[part] = max(offset, self._sent.get(part, -1))

    def receive(self, most: int = 1, visibility: float = 60.0, wait: float = 0.0) -> list[Delivery]:
        if most < 1 or visibility <= 0:
            raise ValueError(f"cannot receive {most} jobs for {visibility} s")
        self._join()
        until = time.monotonic() + wait
        while True:
            with self._news:
                spent, found = self._pick(most, visibility)
                if not spent and not found:
                    left = until - time.monotonic()
                    if left <= 0:
                        break
                    self._news.wait(min(left, self._next_due()))
                    continue
            try:
                for part, offset in spent:
                    self._park(part, offset, MAX_TRIES, "")
                # Before they are handed out: who dies of one must have been seen to try it.
                self._note({_receipt(each)[0] for each in found})
            except Unavailable:
                self._take_back(found)
                raise
            if found:
                return found
        self._cluster.partitions(self._topic)  # an empty queue and one that is away are two things
        return []

    def ack(self, delivery: Delivery) -> None:
        if self._change(delivery, lambda share, offset, _: share.finish(offset)):
            self._finished(*_receipt(delivery)[:2])

    def extend(self, delivery: Delivery, visibility: float) -> None:
        def later(share: Share, offset: int, task: Task) -> None:
            task.due = time.time() + visibility

        if self._change(delivery, later):
            self._note([_receipt(delivery)[0]])

    def fail(self, delivery: Delivery, error: str, delay: float = 0.0) -> None:
        part, offset, tries = _receipt(delivery)
        if tries >= MAX_TRIES and self._task(part, offset, tries):
            self._park(part, offset, tries, error)
            return

        def later(share: Share, offset: int, task: Task) -> None:
            task.due, task.error, task.held = time.time() + delay, error, False

        if self._change(delivery, later):
            self._note([part])

    def depth(self) -> int:
        self._sure()
        ends = self._reading.ends(self._topic, self._partitions)
        lows = self._reading.committed(self._topic, self._partitions)
        # Of a partition of which nothing was done yet, or so long ago that Kafka forgot it.
        first = {each.partition: self._reading.first(self._topic, each.partition) for each in lows if each.offset < 0}
        return sum(max(0, ends[each.partition] - first.get(each.partition, each.offset)) for each in lows)

    def parked(self, most: int = 100) -> list[Parked]:
        """The newest first."""
        found = sorted(self._given_up().values(), key=lambda each: -each.at)[:most]
        return [Parked(job_of(each.job), each.error, each.tries, each.at) for each in found]

    def parked_depth(self) -> int:
        """Reads what came since the last time; the first time, all of it."""
        self._sure()
        with self._cluster.turn(self._counting):
            while messages := self._reading.read(self._parked, 0, self._counted, 1000):
                self._counted = messages[-1].offset() + 1
                for each in messages:
                    (self._keys.discard if each.value() is None else self._keys.add)(each.key())
            return len(self._keys)

    def retry(self, job_ids: Sequence[str] | None = None) -> int:
        wanted = None if job_ids is None else set(job_ids)
        again = {key: each.job for key, each in self._given_up().items() if wanted is None or each.job.id in wanted}
        if again:
            # Sent first: who dies in between leaves a job twice, not a job lost.
            self.send([job_of(each) for each in again.values()])
            self._sender.send(self._parked, [Record(None, key=key) for key in again])
        return len(again)

    def close(self) -> None:
        with self._news:
            member, self._member, self._joined = self._member, None, False
        if member is not None:
            member.close()
        self._sender.close()
        self._reading.close()

    def _sure(self) -> None:
        """The topics are there. Looked at again whenever a line broke: a broker may come back empty."""
        if self._breaks != self._cluster.breaks:
            breaks = self._cluster.breaks
            wanted = int(self._cluster.options["partitions"])
            self._cluster.make({self._topic: wanted, self._notes: wanted}, **{"retention.ms": str(KEPT)})
            self._cluster.make({self._parked: 1}, **{"cleanup.policy": "compact"})
            self._partitions = self._cluster.partitions(self._notes)
            self._breaks = breaks
            with self._news:
                self._sent.clear()
            with self._cluster.turn(self._counting):
                self._keys, self._counted = set(), 0

    def _join(self) -> None:
        """Returns when this worker has its share of the partitions, and has read what it sent itself. Raises
        `Unavailable`."""
        self._sure()
        if self._member is None:
            self._cluster.partitions(self._topic)  # from one that is silent nobody can be told to leave again
        with self._news:
            if self._member is None:
                self._member = Member(
                    self._cluster,
                    self._group,
                    self._topic,
                    came=self._came,
                    left=self._left,
                    lost=self._lost,
                    each=self._each,
                )
            # A first one waits for others, and for those that died without a word.
            first = 0 if self._joined else 3 * self._cluster.session + self._cluster.timeout
            until = time.monotonic() + self._cluster.timeout + first
            while not self._up_to_date():
                if not self._news.wait(min(1.0, max(0.0, until - time.monotonic()))):
                    self._cluster.partitions(self._topic)
                if time.monotonic() > until:
                    raise self._cluster.unavailable("the group of workers does not come together")

    def _up_to_date(self) -> bool:
        return self._joined and all(
            share.leaving or len(share.tasks) >= AHEAD // 2 or (share.read and share.next > self._sent.get(part, -1))
            for part, share in self._shares.items()
        )

    def _pick(self, most: int, visibility: float) -> tuple[list[tuple[int, int]], list[Delivery]]:
        """What is due: where it was tried too often, and what is delivered now. Oldest first as far as it goes."""
        now = time.time()
        due = sorted(
            (task.due, at, part, task)
            for part, share in self._shares.items()
            if not share.leaving
            for at, task in share.tasks.items()
            if task.due <= now
        )
        spent = [(part, at) for _, at, part, task in due if task.tries >= MAX_TRIES]
        found = []
        for _, at, part, task in [each for each in due if each[3].tries < MAX_TRIES][:most]:
            task.tries, task.due, task.held = task.tries + 1, now + visibility, True
            found.append(Delivery(task.job, f"{part}:{at}:{task.tries}", task.tries))
        return spent, found

    def _take_back(self, found: Sequence[Delivery]) -> None:
        """What was not handed out was not tried."""
        with self._news:
            for each in found:
                task = self._task(*_receipt(each))
                if task is not None:
                    task.tries, task.due, task.held = task.tries - 1, 0.0, False

    def _next_due(self) -> float:
        """Seconds until something that is known comes due; a second at most."""
        due = (task.due for share in self._shares.values() for task in share.tasks.values())
        return max(0.01, min(1.0, min(due, default=math.inf) - time.time()))

    def _task(self, part: int, offset: int, tries: int) -> Task | None:
        """None for a delivery whose time is over, and which has come again or is another worker's."""
        share = self._shares.get(part)
        task = share.tasks.get(offset) if share is not None else None
        return task if task is not None and task.tries == tries else None

    def _change(self, delivery: Delivery, change: Callable[[Share, int, Task], None]) -> bool:
        """Whether it still counts."""
        part, offset, tries = _receipt(delivery)
        with self._news:
            task = self._task(part, offset, tries)
            if task is not None:
                change(self._shares[part], offset, task)
                self._news.notify_all()
        if task is None:
            self._cluster.partitions(self._topic)  # who comes too late is not told off, but of an outage
        return task is not None

    def _finished(self, part: int, offset: int) -> None:
        with self._news:
            early = part in self._shares and offset in self._shares[part].done
        if early:
            self._note([part])
        else:
            self._commit(part)

    def _park(self, part: int, offset: int, tries: int, error: str) -> None:
        with self._news:
            task = self._task(part, offset, tries)
        if task is None:
            return
        job = Told(task.job.kind, task.job.payload, task.job.id)
        parked = GivenUp(job, (error or task.error or SILENT)[:MAX_ERROR], tries, time.time())
        # First: who dies in between leaves it in both places.
        self._sender.send(self._parked, [Record(_encode(parked, LARGEST + 20_000), key=os.urandom(16).hex().encode())])
        with self._news:
            if self._task(part, offset, tries):
                self._shares[part].finish(offset)
                self._news.notify_all()
        self._finished(part, offset)

    def _note(self, parts: Iterable[int]) -> None:
        """Have others know what is known here of these partitions, should this worker die. Raises `Unavailable`."""
        with self._news:
            notes = [Record(self._shares[part].note(), part) for part in parts if part in self._shares]
        if notes:
            self._sender.send(self._notes, notes)

    def _commit(self, part: int) -> None:
        """Raises `Unavailable`. Where the group went on without us there is nobody to tell."""
        with self._news:
            if self._member is None or part not in self._shares:
                return
            asked = self._member.commit(TopicPartition(self._topic, part, self._shares[part].low))
        try:
            asked.result(self._cluster.timeout + 1)
        except Late as error:
            raise self._cluster.unavailable("it does not answer") from error
        except KafkaException as error:
            if error.args[0].code() not in GONE:
                raise self._cluster.unavailable(error.args[0]) from error

    def _given_up(self) -> dict[bytes, GivenUp]:
        """By the key of its record."""
        self._sure()
        found: dict[bytes, GivenUp] = {}
        at = 0
        while messages := self._reading.read(self._parked, 0, at, 1000):
            at = messages[-1].offset() + 1
            for each in messages:
                found.pop(each.key(), None)
                if each.value() is not None:
                    found[each.key()] = msgspec.json.decode(each.value(), type=GivenUp)
        return found

    def _came(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        shares = []
        if places:
            notes = self._reading.newest(self._notes, self._partitions)
            for each in consumer.committed(places, timeout=self._cluster.timeout):
                told = notes.get(each.partition)
                note = msgspec.json.decode(told.value(), type=Note) if told is not None else Note()
                shares.append(Share(each.partition, max(0, each.offset), note))
        with self._news:
            self._shares |= {share.partition: share for share in shares}
            self._joined = True
            self._news.notify_all()
        consumer.incremental_assign([TopicPartition(self._topic, share.partition, share.low) for share in shares])

    def _left(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        until = time.monotonic() + min(PARTING, self._cluster.session)
        with self._news:
            mine = [self._shares[each.partition] for each in places if each.partition in self._shares]
            for share in mine:
                share.leaving = True
            # On closing nobody would see it done.
            while self._member and any(_held(share) for share in mine) and time.monotonic() < until:
                self._news.wait(0.1)
        self._lost(consumer, places)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        with self._news:
            for each in places:
                self._shares.pop(each.partition, None)
        consumer.incremental_unassign(places)

    def _each(self, consumer: Consumer, message: Message | None) -> None:
        with self._news:
            if message is not None and (share := self._shares.get(message.partition())) is not None:
                if message.error() is None:
                    share.take(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    share.read = True
            full = [each for each in self._shares.values() if not each.full and len(each.tasks) >= AHEAD]
            free = [each for each in self._shares.values() if each.full and len(each.tasks) < AHEAD // 2]
            for each in full + free:
                each.full = not each.full
            if message is not None:
                self._news.notify_all()
        if full:
            consumer.pause([TopicPartition(self._topic, each.partition) for each in full])
        if free:
            consumer.resume([TopicPartition(self._topic, each.partition) for each in free])


def _held(share: Share) -> bool:
    return any(task.held for task in share.tasks.values())


def _receipt(delivery: Delivery) -> tuple[int, int, int]:
    parts = delivery.receipt.split(":")
    if len(parts) != 3 or not all(each.isdecimal() for each in parts):
        raise ValueError(f"{delivery.receipt!r} is no receipt of this queue")
    return int(parts[0]), int(parts[1]), int(parts[2])


def _encode(message: Told | GivenUp, most: int) -> bytes:
    try:
        body = msgspec.json.encode(message)
    except TypeError as error:
        raise ValueError(f"a job's payload must be JSON: {error}") from error
    if len(body) > most:
        raise ValueError(f"a job has at most {most} bytes as JSON, not {len(body)}")
    return body
