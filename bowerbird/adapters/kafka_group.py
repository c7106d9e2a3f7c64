"""A place in a group of Kafka's readers, for every engine that shares work or leads by one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from bowerbird.adapters.kafka_client import Cluster
from bowerbird.ports import Unavailable

AGAIN = 1.0
"""Seconds before a member that could not take its part joins anew."""
PACE = 0.02
"""Seconds after which a member of a group looks up from waiting for messages."""


class Member:
    """Belongs to a group from when it is made; a thread of its own keeps it there, and is the only one that calls back.

    Cooperative: of what it was assigned it gives away only what others are to have.
    """

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topic: str,
        *,
        came: Callable[[Consumer, list[TopicPartition]], None],
        left: Callable[[Consumer, list[TopicPartition]], None],
        lost: Callable[[Consumer, list[TopicPartition]], None],
        each: Callable[[Consumer, Message | None], None],
    ) -> None:
        """`came` assigns; `left` may still commit, `lost` no longer. `each`: of what is read, and of nothing."""
        self._cluster, self._topic = cluster, topic
        self._conf = cluster.conf(
            group_id=group,
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=int(1000 * cluster.session),
            heartbeat_interval_ms=int(1000 * cluster.session / 4),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            enable_partition_eof=True,
            fetch_wait_max_ms=100,
            queued_max_messages_kbytes=8192,
        ) | {"on_commit": self._committed}
        self._came, self._left, self._lost, self._each = came, left, lost, each
        self._looked = time.monotonic()
        self._doubt = 0.0
        self._breaks = 0
        """Those that the cluster had when this member joined."""
        self._bare = False
        """It was told that it has no part."""
        self._closed = threading.Event()
        # A consumer is one thread's at a time: one that polls keeps a commit of another from ever beginning.
        self._wanted: deque[tuple[TopicPartition, Future[None]]] = deque()
        self._asked: deque[list[Future[None]]] = deque()
        self._thread = threading.Thread(target=self._stay, name=f"kafka-{group}", daemon=True)
        self._thread.start()

    def steady(self) -> bool:
        """Whether it surely belongs to the group. After a standstill others may long have what it had."""
        now = time.monotonic()
        return now - self._looked < self._cluster.session / 2 and now >= self._doubt

    def commit(self, place: TopicPartition) -> Future[None]:
        """In the order of the calls."""
        asked: Future[None] = Future()
        self._wanted.append((place, asked))
        return asked

    def close(self) -> None:
        """Leave the group."""
        self._closed.set()
        self._thread.join(2 * self._cluster.timeout)

    def _stay(self) -> None:
        while not self._closed.is_set():
            self._breaks, self._bare = self._cluster.breaks, False
            consumer = Consumer(self._conf)
            consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._left, on_lost=self._lost)
            try:
                while not self._closed.is_set() and not self._stranded():
                    self._look(consumer)
            except (KafkaException, Unavailable):  # what it was to have it could not take: it begins anew
                self._closed.wait(AGAIN)
            consumer.close()
            self._asked.clear()

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._came(consumer, places)
        self._bare = not consumer.assignment()

    def _stranded(self) -> bool:
        """Whether it may have joined before the topic was back, at a broker that had lost it: librdkafka does not see
        that it is there again. Raises `Unavailable` while it is not."""
        return self._bare and self._breaks != self._cluster.breaks and self._cluster.partitions(self._topic) > 0

    def _look(self, consumer: Consumer) -> None:
        message = consumer.poll(PACE)
        now = time.monotonic()
        if now - self._looked > self._cluster.session / 2:
            self._doubt = now + self._cluster.session / 2
        self._looked = now
        self._each(consumer, message)
        newest: dict[tuple[str, int], TopicPartition] = {}
        waiting: list[Future[None]] = []
        while self._wanted:
            place, asked = self._wanted.popleft()
            newest[place.topic, place.partition] = place
            waiting.append(asked)
        if waiting:
            self._asked.append(waiting)
            try:
                consumer.commit(offsets=list(newest.values()), asynchronous=True)
            except KafkaException as error:
                for each in self._asked.pop():
                    each.set_exception(error)

    def _committed(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        for each in self._asked.popleft() if self._asked else ():
            if error is None:
                each.set_result(None)
            else:
                each.set_exception(KafkaException(error))
