"""A cache in this process's memory: the least recently used go first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

_OVERHEAD = 250
"""Bytes that an entry takes beside its key and value, as measured."""

_MOST_COUNTS = 100_000
_NOTHING = (None, 0.0)


class MemoryCache:
    """`hit` counts within windows that begin with a key's first hit. They are kept apart from the
    values, so that a flood of values cannot make a rate limit forget."""

    errors = 0

    def __init__(self, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._clock = clock
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        with self._lock:
            now = self._clock()
            found = {key: self._get(key, now) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def put(self, key: str, value: bytes, ttl: float) -> None:
        with self._lock:
            self._put(key, value, ttl)

    def put_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        with self._lock:
            for key, value in values.items():
                self._put(key, value, ttl)

    def put_new(self, key: str, value: bytes, ttl: float) -> bool:
        with self._lock:
            if self._get(key) is not None:
                return False
            self._put(key, value, ttl)
            return True

    def delete(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._drop(key)

    def hit(self, key: str, window: float) -> int:
        with self._lock:
            now = self._clock()
            count, ends = self._counts.get(key, (0, 0.0))
            if ends <= now:
                self._counts.pop(key, None)
                count, ends = 0, now + window
            self._counts[key] = (count + 1, ends)
            oldest = next(iter(self._counts))
            if len(self._counts) > _MOST_COUNTS or self._counts[oldest][1] <= now:
                del self._counts[oldest]
            return count + 1

    def ping(self) -> None:
        """It is always there."""

    def _get(self, key: str, now: float | None = None) -> bytes | None:
        value, expires = self._entries.get(key, _NOTHING)
        if value is None:
            return None
        if expires <= (self._clock() if now is None else now):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def _put(self, key: str, value: bytes, ttl: float) -> None:
        self._drop(key)
        if ttl <= 0 or _size(key, value) > self._max:
            return
        self._entries[key] = (bytes(value), self._clock() + ttl)
        self._bytes += _size(key, value)
        while self._bytes > self._max:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry[0])


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD
