"""People who ask all the time, and remember how they were answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Self

import httpx


class Said(NamedTuple):
    at: float
    took: float
    status: int
    """0 for a connection that failed."""
    retry: bool
    """Whether it said when to come again."""


class Crowd:
    """While it is entered, each of `works` runs in a thread of its own; it is to end once `stop` is set. What they ask
    is of these `kinds`."""

    def __init__(self, kinds: Iterable[str], works: Sequence[Callable[[], None]]) -> None:
        self.said: dict[str, list[Said]] = {kind: [] for kind in kinds}
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def ask(self, kind: str, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        """The answer, of which `said` keeps how it was; None where the connection failed."""
        started = time.monotonic()
        try:
            answer = ask()
        except httpx.TransportError:
            self.said[kind].append(Said(started, time.monotonic() - started, 0, False))
            return None
        retry = "retry-after" in answer.headers
        self.said[kind].append(Said(started, time.monotonic() - started, answer.status_code, retry))
        return answer
