"""What a worker knows of one partition of its jobs, and the records that jobs, notes and what was given up are."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from confluent_kafka import Message

from bowerbird.model import Job


class Told(msgspec.Struct, array_like=True):
    kind: str
    payload: dict[str, Any]
    id: str


class GivenUp(msgspec.Struct, array_like=True):
    job: Told
    error: str
    tries: int
    at: float


class Note(msgspec.Struct, array_like=True):
    done: list[int] = []
    tried: list[tuple[int, int, float]] = []
    """Which, how often, and until when in seconds since the epoch it is not to be tried again."""


class Task(msgspec.Struct):
    job: Job
    due: float = 0.0
    tries: int = 0
    error: str = ""
    held: bool = False
    """By a hand of this process."""


class Share:
    """One partition, as long as it is ours."""

    def __init__(self, partition: int, low: int, note: Note) -> None:
        self.partition = partition
        self.low = self.next = low
        """The first that is not done; the first that was not read yet."""
        self.tasks: dict[int, Task] = {}
        self.done = {each for each in note.done if each > low}
        self.read = False
        """To its end, once at least."""
        self.leaving = self.full = False
        self._tried = {at: (tries, due) for at, tries, due in note.tried if at >= low}

    def take(self, message: Message) -> None:
        offset = message.offset()
        self._skip(offset)
        self.next = offset + 1
        if offset >= self.low and offset not in self.done:
            tries, due = self._tried.pop(offset, (0, 0.0))
            self.tasks[offset] = Task(_job(message), due, tries)

    def _skip(self, to: int) -> None:
        """What Kafka has no more, or never had, between the last that was read and this counts as done."""
        if self.low == self.next:
            self.low = max(self.low, to)
            self.done = {each for each in self.done if each >= self.low}
        else:
            self.done.update(range(self.next, to))
        self._rise()

    def finish(self, offset: int) -> None:
        del self.tasks[offset]
        self.done.add(offset)
        self._rise()

    def _rise(self) -> None:
        while self.low in self.done:
            self.done.remove(self.low)
            self.low += 1

    def note(self) -> bytes:
        tried = [(at, task.tries, task.due) for at, task in self.tasks.items() if task.tries]
        tried += [(at, *known) for at, known in self._tried.items()]
        return msgspec.json.encode(Note(sorted(self.done), tried))


def _job(message: Message) -> Job:
    """What somebody else sent is a job of no kind: it fails, and is parked as it is."""
    try:
        return job_of(msgspec.json.decode(message.value() or b"", type=Told))
    except msgspec.DecodeError:
        return Job("", {"value": repr(message.value())}, os.urandom(16).hex())


def job_of(message: Told) -> Job:
    return Job(message.kind, message.payload, message.id)
