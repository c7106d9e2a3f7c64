"""One way of reaching Kafka, for every engine that is topics there: `kafka://host:9092,host:9092/topic`.

librdkafka tries on for minutes; here every call has a deadline, and says why it was not kept.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bowerbird.ports import Unavailable

TIMEOUT = 3.0
"""Seconds after which a question counts as unanswered, and what was sent as lost, unless the URL says otherwise."""
LINGER = 5
"""Milliseconds that what is sent waits for more to go with it."""
LOOK = 5
"""Milliseconds that the broker waits for news before it says that there are none."""
LARGEST = 900_000
"""Bytes of a record; brokers take a megabyte unless told otherwise."""
MUCH = 500
"""Who reads so many at once will go on from there."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_HOSTS = re.compile(r"[^,/\s]+:\d+(,[^,/\s]+:\d+)*")
_WORDS = "kafka://user:password@host:9092,host:9092/topic?tls=true&ca=…&sasl=SCRAM-SHA-512&session=10"


class Record(NamedTuple):
    """What is to be sent."""

    value: bytes | None
    """None takes back what has the same key, where the topic is compacted."""
    partition: int = 0
    key: bytes | None = None


class Cluster:
    """Where the brokers are, and how they are reached."""

    def __init__(self, url: str, **options: str) -> None:
        """`options`: further words that the URL may have, each with what it is otherwise. Nothing is sent yet.

        Raises `ValueError` for a URL that cannot be meant.
        """
        front, _, query = url.partition("://")[2].partition("?")
        login, _, place = front.rpartition("@")
        self.hosts, _, self.topic = place.partition("/")
        known = {"tls": "", "ca": "", "sasl": "PLAIN", "session": "10", "timeout": str(TIMEOUT), **options}
        asked = dict(parse_qsl(query))
        if unknown := sorted(asked.keys() - known.keys()):
            raise ValueError(f"{', '.join(unknown)} is not known here; write {_WORDS}")
        self.options = known | asked
        user, _, password = login.partition(":")
        if not _HOSTS.fullmatch(self.hosts) or not _NAME.fullmatch(self.topic) or bool(user) != bool(password):
            raise ValueError(f"write {_WORDS}")
        self.session, self.timeout = (_seconds(name, self.options[name]) for name in ("session", "timeout"))
        tls = self.options["tls"].lower() in ("1", "true", "yes", "on") or bool(self.options["ca"])
        self._conf: dict[str, Any] = {
            "bootstrap.servers": self.hosts,
            "security.protocol": ("SASL_" if user else "") + ("SSL" if tls else "PLAINTEXT"),
            "socket.timeout.ms": int(1000 * self.timeout),
            "socket.connection.setup.timeout.ms": int(1000 * self.timeout),
            "reconnect.backoff.max.ms": 500,
            "topic.metadata.refresh.interval.ms": 5000,
            # A sender whose broker came back empty would else have its topic made with as few partitions as the
            # broker thinks fit, before `make` can.
            "allow.auto.create.topics": False,
            "log_level": 2,  # what goes wrong is told by who called
            "error_cb": self._heard,
        }
        if user:
            self._conf |= {
                "sasl.mechanism": self.options["sasl"],
                "sasl.username": unquote(user),
                "sasl.password": unquote(password),
            }
        if self.options["ca"]:
            self._conf["ssl.ca.location"] = self.options["ca"]
        self.breaks = 0
        """How often a line broke. What came back may know nothing of what was there before."""
        self._why = ""
        self._admin: AdminClient | None = None
        self._lock = threading.Lock()

    def conf(self, **more: object) -> dict[str, Any]:
        return self._conf | {key.replace("_", "."): value for key, value in more.items()}

    def make(self, topics: Mapping[str, int], **config: str) -> None:
        """Topics with so many partitions, if they are not there. Raises `Unavailable`."""
        wanted = [NewTopic(name, parts, -1, config=config) for name, parts in topics.items()]
        for made in self.ask(lambda admin: admin.create_topics(wanted, request_timeout=self.timeout)).values():
            # Whether one that may not be made is there is seen when it is used.
            self.answer(
                made,
                KafkaError.TOPIC_ALREADY_EXISTS,
                KafkaError.TOPIC_AUTHORIZATION_FAILED,
                KafkaError.CLUSTER_AUTHORIZATION_FAILED,
            )

    def partitions(self, topic: str) -> int:
        """How many it has. Raises `Unavailable`, and that for a topic that is not there."""
        found = self.ask(lambda admin: admin.list_topics(topic, timeout=self.timeout)).topics[topic]
        if found.error is not None or not found.partitions:
            raise self.unavailable(found.error or "it has no partitions")
        return len(found.partitions)

    def ask(self, question: Callable[[AdminClient], Any]) -> Any:
        try:
            with self._lock:
                self._admin = self._admin or AdminClient(self.conf())
            return question(self._admin)
        except KafkaException as error:
            raise self.unavailable(error.args[0]) from error

    def answer(self, asked: Future[Any], *fine: int) -> Any:
        """What was asked of an `AdminClient`, unless its error is one of those that are `fine`."""
        try:
            return asked.result(self.timeout + 1)
        except KafkaException as error:
            if error.args[0].code() in fine:
                return None
            raise self.unavailable(error.args[0]) from error
        except Late as error:
            raise self.unavailable("it does not answer") from error

    @contextmanager
    def turn(self, lock: threading.Lock) -> Iterator[None]:
        """While it is held. Who waits behind a broker that is silent waits no longer than who asked it."""
        if not lock.acquire(timeout=self.timeout):
            raise self.unavailable("it does not answer")
        try:
            yield
        finally:
            lock.release()

    def unavailable(self, why: object) -> Unavailable:
        self.breaks += 1
        if self._admin is not None:
            self._admin.poll(0)  # it tells why only who asks
        text = why.str() if isinstance(why, KafkaError) else str(why)
        return Unavailable(f"Kafka at {self.hosts}: {text}" + (f" ({self._why})" if self._why else ""))

    def _heard(self, error: KafkaError) -> None:
        """What librdkafka says beside: a line broke, a password was refused."""
        self.breaks += 1
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # it says nothing of why
            self._why = error.str().partition(": ")[2].partition(" (after")[0]


class Sender:
    """Sends by any thread; what threads send at the same time goes together."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._line: _Line | None = None

    def send(self, topic: str, records: Sequence[Record]) -> list[int]:
        """The offset of each. On return every replica that counts has them; after `Unavailable` some may be there."""
        with self._lock:
            line = self._line = self._line or _Line(self._cluster)
        try:
            return line.send(topic, records)
        except Unavailable:
            # Its numbering may have a hole now that the broker would wait for, or be unknown to it.
            with self._lock:
                self._line = None if self._line is line else self._line
            line.close()
            raise

    def close(self) -> None:
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None


class _Line:
    """A producer, and the thread that hears what became of what it sent."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producer = Producer(
            cluster.conf(
                acks="all",
                enable_idempotence=True,
                linger_ms=LINGER,
                message_timeout_ms=int(1000 * cluster.timeout),
                message_max_bytes=LARGEST + 10_000,
            )
        )
        self._closed = threading.Event()
        threading.Thread(target=self._hear, name="kafka-sent", daemon=True).start()

    def send(self, topic: str, records: Sequence[Record]) -> list[int]:
        offsets = [-1] * len(records)
        left = len(records)
        why: Any = None
        done = threading.Event()

        def told(at: int, error: KafkaError | None, message: Message) -> None:
            nonlocal left, why
            why, left = why or error, left - 1
            offsets[at] = -1 if error else message.offset()
            if not left:
                done.set()

        until = time.monotonic() + self._cluster.timeout
        for at, record in enumerate(records):
            while True:
                try:
                    self._producer.produce(
                        topic,
                        record.value,
                        record.key,
                        record.partition,
                        on_delivery=lambda error, message, at=at: told(at, error, message),
                    )
                    break
                except BufferError as error:  # so much waits that there is no room
                    if time.monotonic() > until:
                        raise self._cluster.unavailable("it is too slow for what is sent") from error
                    time.sleep(0.01)
                except KafkaException as error:
                    raise self._cluster.unavailable(error.args[0]) from error
        if not done.wait(self._cluster.timeout + 1):
            raise self._cluster.unavailable("it does not answer")
        if why is not None:
            raise self._cluster.unavailable(why)
        return offsets

    def close(self) -> None:
        self._closed.set()

    def _hear(self) -> None:
        while not self._closed.is_set():
            self._producer.poll(0.2)
        self._producer.purge()
        self._producer.flush(0.2)


class Reading:
    """Reads by offset, outside of any group, for one thread at a time. Between two looks it asks the broker nothing."""

    def __init__(self, cluster: Cluster, group: str) -> None:
        """`group`: whose commits `committed` tells of."""
        self._cluster = cluster
        self._consumer = Consumer(
            cluster.conf(
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                enable_partition_eof=True,
                fetch_wait_max_ms=LOOK,
                fetch_queue_backoff_ms=10,
                queued_max_messages_kbytes=8192,
            )
        )
        self._lock = threading.Lock()
        self._at: tuple[str, int, int] | None = None

    def read(self, topic: str, partition: int, start: int, most: int) -> list[Message]:
        """What the partition has from `start` on, as of now; from its beginning, if that was trimmed away. Nothing
        where `start` is past its end."""
        found: list[Message] = []
        with self._cluster.turn(self._lock):
            if self._at != (topic, partition, start):
                self._consumer.assign([TopicPartition(topic, partition, start)])
            self._at = None
            until = time.monotonic() + self._cluster.timeout
            while len(found) < most:
                message = self._poll(until, lambda: self._past(topic, partition, start))
                if message is None or message.error() is not None or message.offset() < start:
                    break
                found.append(message)
                until = time.monotonic() + self._cluster.timeout
            if len(found) == most >= MUCH:
                self._at = (topic, partition, start := found[-1].offset() + 1)
            else:
                self._consumer.unassign()
        return found

    def newest(self, topic: str, partitions: int) -> dict[int, Message]:
        """The newest of each partition that has any."""
        places = enumerate(self.ends(topic, partitions))
        return {each: found[-1] for each, end in places if end and (found := self.read(topic, each, end - 1, MUCH - 1))}

    def ends(self, topic: str, partitions: int) -> list[int]:
        """The offset after the newest of each."""
        with self._cluster.turn(self._lock):
            ends = {each: self._bounds(topic, each)[1] for each in range(partitions)}
            # Tansu tells where the newest batch begins; from there it is read.
            self._at = None
            self._consumer.assign([TopicPartition(topic, each, end) for each, end in ends.items()])
            left, until = partitions, time.monotonic() + self._cluster.timeout
            while left:
                message = self._poll(until)
                assert message is not None
                if message.error() is None:
                    ends[message.partition()] = message.offset() + 1
                else:
                    left -= 1
            self._consumer.unassign()
        return [ends[each] for each in range(partitions)]

    def first(self, topic: str, partition: int) -> int:
        """The oldest offset that it still has."""
        return self._bounds(topic, partition)[0]

    def committed(self, topic: str, partitions: int) -> list[TopicPartition]:
        places = [TopicPartition(topic, each) for each in range(partitions)]
        try:
            return list(self._consumer.committed(places, timeout=self._cluster.timeout))
        except KafkaException as error:
            raise self._cluster.unavailable(error.args[0]) from error

    def close(self) -> None:
        with self._lock:
            self._consumer.close()

    def _poll(self, until: float, nothing: Callable[[], bool] = lambda: False) -> Message | None:
        """The next message, or the news that there is none; None once `nothing` says so."""
        why: object = "it does not answer"
        while (left := until - time.monotonic()) > 0:
            message = self._consumer.poll(min(left, 0.25))
            if message is None:
                if nothing():
                    return None
            elif message.error() is None or message.error().code() == KafkaError._PARTITION_EOF:
                return message
            else:
                why = message.error()
                time.sleep(0.02)
        self._consumer.unassign()
        raise self._cluster.unavailable(why)

    def _bounds(self, topic: str, partition: int) -> tuple[int, int]:
        try:
            place = TopicPartition(topic, partition)
            low, high = self._consumer.get_watermark_offsets(place, timeout=self._cluster.timeout)
            return int(low), int(high)
        except KafkaException as error:
            raise self._cluster.unavailable(error.args[0]) from error

    def _past(self, topic: str, partition: int, start: int) -> bool:
        """Tansu is silent where Kafka says that an offset is out of range."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
        return bool(0 <= end < start)


def _seconds(name: str, text: str) -> float:
    try:
        if 0.1 <= (seconds := float(text)) <= 600:
            return seconds
    except ValueError:
        pass
    raise ValueError(f"{name} is from 0.1 to 600 seconds, not {text!r}")
