"""The eight ports: what Bowerbird asks of an engine, and what each engine guarantees.

A port promises only what its weakest engine can do. All calls are synchronous and thread-safe, and
every engine may be opened by several processes at once. A call that cannot reach its engine raises
`Unavailable`; what the caller did wrong raises `ValueError`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bowerbird.model import Delivery, Event, Job, Parked, Tag

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]


class Unavailable(Exception):
    """The engine is away, too slow or full. The message says which and what to do."""


class Full(Unavailable):
    """The disk under the engine is full: it comes back when somebody makes room, not by itself."""


class Missing(KeyError):
    """There is no such blob."""


class Blobs(Protocol):
    """Bytes by key. A `put` that returned is durable and whole; no reader ever sees half of one.

    Keys are relative paths of `[a-z0-9._/-]`. A put over an existing key replaces it atomically.
    """

    def put(self, key: str, data: bytes) -> None: ...
    def get(self, key: str) -> bytes:
        """Raises `Missing`."""
        ...

    def exists(self, key: str) -> bool: ...
    def delete(self, keys: Iterable[str]) -> None:
        """Keys that are not there are no error."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """In no particular order; what is written meanwhile may or may not show."""
        ...


class Queue(Protocol):
    """At least once, in no order. An unacknowledged delivery comes back after its visibility time.

    A job delivered more than `model.MAX_TRIES` times without an `ack` is parked with its last error.
    """

    def send(self, jobs: Sequence[Job]) -> None:
        """Durable on return."""
        ...

    def receive(self, most: int = 1, visibility: float = 60.0, wait: float = 0.0) -> list[Delivery]:
        """An empty list when nothing waits and nothing came within `wait` seconds. `visibility` is in seconds; an
        engine may round both up to whole ones."""
        ...

    def ack(self, delivery: Delivery) -> None: ...
    def extend(self, delivery: Delivery, visibility: float) -> None: ...
    def fail(self, delivery: Delivery, error: str, delay: float = 0.0) -> None:
        """Give it back, to come again after `delay` seconds, or park it if its tries are spent."""
        ...

    def depth(self) -> int:
        """Jobs waiting or in flight; approximate."""
        ...

    def parked(self, most: int = 100) -> list[Parked]: ...
    def parked_depth(self) -> int:
        """How many are parked, without looking at them; approximate."""
        ...

    def retry(self, job_ids: Sequence[str] | None = None) -> int:
        """Send parked jobs again with their tries at zero (all of them for None); how many."""
        ...

    def close(self) -> None: ...


class Metadata(Protocol):
    """Small documents (under 400 KB) by key, at a high rate; single-key atomicity, no order."""

    def get(self, key: str) -> bytes | None: ...
    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Keys that are not there are left out."""
        ...

    def put(self, key: str, value: bytes, ttl: float | None = None, durable: bool = True) -> None:
        """`ttl` in seconds; what has expired is not returned. With `durable` false a power cut may undo it, where that
        is cheaper; the death of a process does not."""
        ...

    def put_many(self, values: Mapping[str, bytes], ttl: float | None = None) -> None:
        """As many `put`s; a crash may leave some of them done."""
        ...

    def put_new(self, key: str, value: bytes) -> bool:
        """Only where nothing is; whether it was written."""
        ...

    def add(self, key: str, fields: Mapping[str, int]) -> dict[str, int]:
        """Add to the counters of one key, atomically; their new values. Counters and documents
        live under different keys."""
        ...

    def documents(self) -> Iterator[tuple[str, bytes, float | None]]:
        """Every key, its document and the seconds it has left (None: it stays), in no order. What is written meanwhile
        may or may not show."""
        ...

    def counters(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Every key that has counters, likewise."""
        ...

    def delete(self, keys: Iterable[str]) -> None: ...
    def close(self) -> None: ...


class LeftOut(NamedTuple):
    """A reader of the database that is not asked now."""

    number: int
    """In the order of the setting, from 1."""
    plain: str
    """Why, in words that name no host: it is down, does not answer, or is behind."""
    where: str
    why: str
    """In the engine's words."""


class Database(Protocol):
    """Relations, by SQLAlchemy Core. One writer at a time; a committed write is durable.

    `read` may lag behind `write` of another process; within one process a read sees its own writes.
    """

    def read(self) -> AbstractContextManager[Connection]: ...
    def write(self) -> AbstractContextManager[Connection]:
        """One transaction: committed at the end, rolled back on an exception."""
        ...

    def position(self) -> str:
        """As far as this process has written, as a word for `catch_up`; empty where no read may lag."""
        ...

    def catch_up(self, position: str) -> None:
        """What this context (a request) reads from now on has all up to there. What is no position asks for nothing."""
        ...

    def left_out(self) -> list[LeftOut]:
        """Readers that are not asked now; asks nobody."""
        ...

    def close(self) -> None: ...


class Cache(Protocol):
    """Bytes that may vanish at any time. A dead cache is a slow page, not an error: only `ping` raises."""

    @property
    def errors(self) -> int:
        """Calls that did not reach it, since it was opened."""
        ...

    def get(self, key: str) -> bytes | None: ...
    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Asked once for all; keys that are not there are left out."""
        ...

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """`ttl` in seconds; an engine may count whole ones only."""
        ...

    def put_many(self, values: Mapping[str, bytes], ttl: float) -> None: ...
    def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        """Only where nothing is; whether it was written. A dead cache says yes, for nobody else hears a no."""
        ...

    def delete(self, keys: Iterable[str]) -> None: ...
    def hit(self, key: str, window: float) -> int:
        """Count one more hit on `key`; how many within this window of seconds (rate limits). While the cache is dead
        each process counts for itself: a limit lets more through then, and never shuts anyone out."""
        ...

    def ping(self) -> None:
        """Raises `Unavailable` with why it is not in use: for `/readyz` and the doctor."""
        ...


class Lead(Protocol):
    """A wish to be the one process, on any machine, that does something: granted when it can be, and it may be lost."""

    def held(self) -> bool:
        """Whether it is ours now: to be asked again right before anything that only one may do."""
        ...

    def done(self, offset: int) -> None:
        """What is done up to there, for those who watch the engine; nothing rests on it."""
        ...

    def close(self) -> None:
        """Another may have it."""
        ...


class EventLog(Protocol):
    """An ordered log. An append that returned is durable; readers keep their own offsets."""

    def append(self, events: Sequence[Event]) -> None: ...
    def read(self, after: int, most: int = 1000) -> list[Event]:
        """Events with an offset above `after`, oldest first; an empty list when there are none."""
        ...

    def begin(self, after: int) -> None:
        """Have a log that never had an event give its first one the offset above `after`: what was folded of another
        log stays folded. Raises `ValueError` for one that had any."""
        ...

    def end(self) -> int:
        """The offset of the newest event, also if it was trimmed away; 0 for a log that never had any."""
        ...

    def trim(self, before: int) -> None:
        """Forget events with offsets below `before`."""
        ...

    def bytes(self) -> int:
        """What the log takes; approximate."""
        ...

    def lead(self, name: str) -> Lead:
        """A wish to be the only one that does `name` with this log. One that dies is followed by another."""
        ...

    def close(self) -> None: ...


class Found(NamedTuple):
    ids: Ints
    """(queries, k); -1 where fewer than k were found."""
    scores: Floats
    """(queries, k); inner products, falling."""


class Vectors(Protocol):
    """Nearest neighbours by inner product over L2-normalised rows of `dim` float32.

    What is added is durable on return and found within a second in every process; what is removed is
    gone at once in this process and within a second in the others. Adding an id again replaces it.
    """

    dim: int

    def add(self, ids: Ints, vectors: Floats) -> None:
        """`ids` (n,), `vectors` (n, dim)."""
        ...

    def remove(self, ids: Ints) -> None: ...
    def search(self, queries: Floats, k: int) -> Found:
        """`queries` (q, dim)."""
        ...

    def get(self, ids: Ints) -> Floats:
        """(n, dim); a row of zeros for an id that is not there."""
        ...

    def as_searched(self, vectors: Floats) -> Floats:
        """These rows (n, dim) as `search` compares them: themselves, unless it looks through a learned projection."""
        ...

    def settle(self) -> None:
        """Returns when all that was added is found as fast as it ever will be."""
        ...

    def __len__(self) -> int: ...
    def drop(self) -> None:
        """Close it, and remove all that it kept. For an index that no process asks any more."""
        ...

    def close(self) -> None: ...


class Projection(NamedTuple):
    """A learned change of the space of vectors; `search.learn` makes it."""

    centre: Floats
    """(dim,)"""
    matrix: Floats
    """(dim, dim)"""

    def of(self, vectors: Floats) -> Floats:
        """(n, dim), L2-normalised; a row of zeros stays one."""
        moved = (vectors - self.centre) @ self.matrix
        moved[~vectors.any(axis=1)] = 0
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved / np.maximum(lengths, 1e-12), np.float32)


class Seen(NamedTuple):
    vectors: Floats
    """(n, dim), L2-normalised."""
    tags: list[tuple[Tag, ...]]
    """For each picture the labels the model is confident of, best first; empty where it has none."""


class Encoder(Protocol):
    """Pictures to vectors. The same pixels give the same vector for ever under one `version`."""

    dim: int
    size: int
    """The side in pixels of the square it sees."""
    version: str
    """Names the model, its pooling and its reduction; a new one means a new index."""

    def encode(self, pixels: Pixels) -> Seen:
        """`pixels` (n, size, size, 3) sRGB uint8."""
        ...


class Engines(NamedTuple):
    """Every open engine, made by `wiring.connect`."""

    database: Database
    blobs: Blobs
    queue: Queue
    metadata: Metadata
    cache: Cache
    events: EventLog
    looks: Vectors
    """What pictures look like: one row an image id, from the encoder."""
    colours: Vectors
    """What colours they have: one row an image id, from `search.colour`."""

    def close(self) -> None:
        for engine in self:
            closing: Any = getattr(engine, "close", None)
            if closing is not None:
                closing()
