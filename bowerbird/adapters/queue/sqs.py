"""Jobs in Amazon SQS, or in what speaks like it: a queue, and beside it one for what was parked.

A job that is given up is moved by us, with its error. SQS itself moves what has come too often with no word from
any worker, so a job that kills whoever takes it ends there too.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from bowerbird.adapters.aws import Absent, Patience, Refused, Service
from bowerbird.adapters.queue.rows import SILENT
from bowerbird.model import MAX_TRIES, Delivery, Job, Parked
from bowerbird.ports import Unavailable

MAX_BODY = 256 * 1024
"""Bytes of a request that sends, and so of a message."""
MAX_JOB = 240 * 1024
"""Bytes of a job; the rest is for what is said when it is parked."""
MAX_ERROR = 2000
"""Characters; each may take six bytes."""
BATCH = 10
POLL = 1.0
"""Seconds that one request waits for a message."""
PATIENCE = 3.0
"""Seconds to wait for another thread that looks at the parked jobs."""
LONGEST = 12 * 3600
"""Seconds that SQS hides a message."""
KEPT = 14 * 24 * 3600
"""Seconds that it keeps one."""
HELD = 10
"""Seconds for which a look at the parked jobs hides them from others, if it does not end before."""

_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
# The message has come again, is gone, or was held for twelve hours: who has this receipt may say nothing more of it.
_LATE = re.compile("ReceiptHandleIsInvalid|MessageNotInflight|InvalidParameterValue")


class _Message(msgspec.Struct, omit_defaults=True):
    kind: str
    id: str
    payload: dict[str, Any]
    error: str = ""
    tries: int = 0
    at: float = 0.0
    """When it was parked."""


class SqsQueue:
    """Times are whole seconds, rounded up, and twelve hours at most."""

    def __init__(self, url: str) -> None:
        """Makes both queues if they are not there. Raises `ValueError` for a URL that cannot be meant."""
        self._service = Service("sqs", url, POLL)
        name = self._service.place
        if name.endswith(".fifo"):
            raise ValueError(f"{name!r} is a FIFO queue; a standard one is needed")
        self._aside = self._found(f"{name}-parked", {})
        arn = self._told(self._aside, "QueueArn")["QueueArn"]
        redrive = msgspec.json.encode({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_TRIES}).decode()
        self._queue = self._found(name, {"RedrivePolicy": redrive})
        self._looking = threading.Lock()

    def send(self, jobs: Sequence[Job]) -> None:
        messages = [_Message(job.kind, job.id or os.urandom(16).hex(), job.payload) for job in jobs]
        self._send(self._queue, [_body(each, MAX_JOB) for each in messages])

    def receive(self, most: int = 1, visibility: float = 60.0, wait: float = 0.0) -> list[Delivery]:
        if most < 1 or visibility <= 0:
            raise ValueError(f"cannot receive {most} jobs for {visibility} s")
        until = time.monotonic() + wait
        found: list[Delivery] = []
        while len(found) < most:
            left = 0.0 if found else max(0.0, until - time.monotonic())
            messages = self._take(self._queue, most - len(found), visibility, min(left, POLL))
            found += [delivery for each in messages if (delivery := self._delivered(each)) is not None]
            if not messages and left <= POLL:
                break
        return found

    def ack(self, delivery: Delivery) -> None:
        self._if_current("delete_message", delivery)

    def extend(self, delivery: Delivery, visibility: float) -> None:
        self._if_current("change_message_visibility", delivery, VisibilityTimeout=_seconds(visibility))

    def fail(self, delivery: Delivery, error: str, delay: float = 0.0) -> None:
        if delivery.tries >= MAX_TRIES:
            self._park(delivery, error)
        else:
            self.extend(delivery, delay)

    def depth(self) -> int:
        return self._count(self._queue)

    def parked(self, most: int = 100) -> list[Parked]:
        """The newest first, of those that nobody else is looking at."""
        with self._alone():
            held: dict[str, Any] = {}
            for messages in self._held():
                held |= {each["MessageId"]: each for each in messages}
                if len(held) >= most:
                    break
            self._let_go(list(held.values()))
        return sorted(map(_given_up, held.values()), key=lambda each: -each.parked_at)[:most]

    def parked_depth(self) -> int:
        return self._count(self._aside)

    def retry(self, job_ids: Sequence[str] | None = None) -> int:
        wanted = None if job_ids is None else set(job_ids)
        with self._alone():
            others: list[Any] = []
            count = 0
            for messages in self._held():
                jobs = [(each, _read(each)) for each in messages]
                again = [(each, job) for each, job in jobs if wanted is None or job.id in wanted]
                others += [each for each, job in jobs if wanted is not None and job.id not in wanted]
                # Sent first: who dies in between leaves a job twice, not a job lost.
                self._send(self._queue, [_body(_Message(job.kind, job.id, job.payload)) for _, job in again])
                self._each("delete_message_batch", self._aside, [_handle(each) for each, _ in again])
                count += len(again)
            self._let_go(others)
        return count

    def close(self) -> None:
        self._service.close()

    def _delivered(self, message: Mapping[str, Any]) -> Delivery | None:
        """None for one that has come too often to a queue that SQS does not clear of such."""
        job, tries = _read(message), int(message["Attributes"]["ApproximateReceiveCount"])
        delivery = Delivery(Job(job.kind, job.payload, job.id), message["ReceiptHandle"], tries)
        if tries > MAX_TRIES:
            self._park(delivery, SILENT)
            return None
        return delivery

    def _park(self, delivery: Delivery, error: str) -> None:
        job = delivery.job
        last = _Message(job.kind, job.id, job.payload, error[:MAX_ERROR], min(delivery.tries, MAX_TRIES), time.time())
        self._send(self._aside, [_body(last)])
        self.ack(delivery)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time looks at the parked jobs, for each hides them from the others. Nobody waits for long."""
        if not self._looking.acquire(timeout=PATIENCE):
            raise Unavailable(f"{self._service.name} has not shown its parked jobs to another for {PATIENCE:.0f} s")
        try:
            yield
        finally:
            self._looking.release()

    def _held(self) -> Iterator[list[Any]]:
        """The parked messages, some at a time, each hidden from others for a while."""
        left = self._count(self._aside)
        # SQS counts late and looks at a part of its machines at a time; who waits is told of all.
        while left and (messages := self._take(self._aside, BATCH, HELD, 1.0)):
            yield messages
            left = max(0, left - len(messages))

    def _let_go(self, messages: Sequence[Any]) -> None:
        entries = [{**_handle(each), "VisibilityTimeout": 0} for each in messages]
        self._each("change_message_visibility_batch", self._aside, entries)

    def _take(self, queue: str, most: int, visibility: float, wait: float) -> list[Any]:
        answer = self._service.call(
            "receive_message",
            QueueUrl=queue,
            MaxNumberOfMessages=min(most, BATCH),
            VisibilityTimeout=_seconds(visibility),
            WaitTimeSeconds=math.ceil(wait),
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        messages: list[Any] = answer.get("Messages", [])
        return messages

    def _send(self, queue: str, bodies: Sequence[str]) -> None:
        batch: list[Any] = []
        size = 0
        for body in bodies:
            if batch and size + len(body.encode()) > MAX_BODY:
                self._each("send_message_batch", queue, batch)
                batch, size = [], 0
            batch.append({"MessageBody": body})
            size += len(body.encode())
        self._each("send_message_batch", queue, batch)

    def _each(self, operation: str, queue: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """The same for many messages. What SQS puts off is asked again; who comes too late changes nothing."""
        for start in range(0, len(entries), BATCH):
            left = [{**each, "Id": str(n)} for n, each in enumerate(entries[start : start + BATCH])]
            patience = Patience()
            while left:
                failed = self._service.call(operation, QueueUrl=queue, Entries=left).get("Failed", [])
                wrong = [each for each in failed if each["SenderFault"]]
                if wrong and not ("ReceiptHandle" in left[0] and _LATE.search(wrong[0]["Code"])):
                    raise Refused(wrong[0]["Code"], wrong[0].get("Message", ""))
                again = {each["Id"] for each in failed if not each["SenderFault"]}
                left = [each for each in left if each["Id"] in again]
                if left:
                    patience.spend(Unavailable(f"{self._service.name} is too busy for {operation}"))

    def _if_current(self, operation: str, delivery: Delivery, **words: Any) -> None:
        try:
            self._service.call(operation, QueueUrl=self._queue, ReceiptHandle=delivery.receipt, **words)
        except Refused as error:
            if not _LATE.search(error.code):
                raise

    def _count(self, queue: str) -> int:
        return sum(map(int, self._told(queue, *_COUNTS).values()))

    def _told(self, queue: str, *names: str) -> dict[str, str]:
        answer = self._service.call("get_queue_attributes", QueueUrl=queue, AttributeNames=list(names))
        told: dict[str, str] = answer["Attributes"]
        return told

    def _found(self, name: str, attributes: Mapping[str, str]) -> str:
        """The address of a queue, made if it is not there."""
        try:
            return str(self._service.call("get_queue_url", QueueName=name)["QueueUrl"])
        except Absent:
            wanted = {"MessageRetentionPeriod": str(KEPT), **attributes}
            url = str(self._service.call("create_queue", QueueName=name, Attributes=wanted)["QueueUrl"])
        patience = Patience()  # for a second after this it is not known everywhere
        while True:
            try:
                self._told(url, "QueueArn")
                return url
            except Absent as error:
                patience.spend(error)


def _body(message: _Message, most: int = MAX_BODY) -> str:
    try:
        body = msgspec.json.encode(message)
    except TypeError as error:
        raise ValueError(f"a job's payload must be JSON: {error}") from error
    if len(body) > most:
        raise ValueError(f"a job has at most {most} bytes as JSON, not {len(body)}")
    # The two characters that JSON takes as they are and SQS does not.
    return body.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def _read(message: Mapping[str, Any]) -> _Message:
    """What somebody else sent is a job of no kind: it fails, and is parked as it is."""
    try:
        return msgspec.json.decode(message["Body"], type=_Message)
    except msgspec.DecodeError:
        return _Message("", message["MessageId"], {"body": message["Body"]})


def _given_up(message: Mapping[str, Any]) -> Parked:
    found = _read(message)
    # SQS tells when it was sent, not when it moved it.
    at = found.at or int(message["Attributes"]["SentTimestamp"]) / 1000
    job = Job(found.kind, found.payload, found.id)
    return Parked(job, found.error or SILENT, found.tries or MAX_TRIES, at)


def _handle(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"ReceiptHandle": message["ReceiptHandle"]}


def _seconds(time: float) -> int:
    return min(math.ceil(time), LONGEST)
