"""The `EventLog` engines that the suites run on, and what the suites share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from bowerbird.adapters.events.sqlite import SqliteEvents
from bowerbird.model import Event
from bowerbird.ports import EventLog
from tests.proxy import Proxy
from tests.servers import kafka_proxy, namespace


class Kind(NamedTuple):
    open: Callable[[Path], EventLog]
    disk: bool
    """It keeps its events on a disk of ours."""

    trims: bool = True
    """The engine of the tests forgets what it is told to; one that cannot has a time after which it does so itself."""
    whole: bool = True
    """What is appended at once is kept whole or not at all."""
    server: str = ""
    """What `servers.need` knows it by; empty where it is no server."""
    takeover: float = 1.0
    """Seconds in which another leads once the one that did is dead."""
    follows_frozen: bool = False
    """Who says nothing for long is followed like the dead."""
    hasty: Callable[[Path], EventLog] | None = None
    """The same with short time limits."""
    behind: Callable[[Path], tuple[Proxy, EventLog]] | None = None
    """The same, with a proxy on the way to it."""


def _kafka(folder: Path, server: str = "kafka", timeout: int = 10) -> EventLog:
    from bowerbird.adapters.events.kafka import KafkaEvents

    url = urlsplit(os.environ[f"BOWERBIRD_TEST_{server.upper()}"])
    return KafkaEvents(url._replace(path=f"/{namespace(folder)}", query=f"session=2&timeout={timeout}").geturl())


def _kafka_behind(folder: Path) -> tuple[Proxy, EventLog]:
    proxy = kafka_proxy()
    return proxy, _kafka(folder, "kafka_told", timeout=2)


ENGINES = {
    "sqlite": Kind(lambda folder: SqliteEvents(folder / "events.db"), disk=True),
    "kafka": Kind(
        _kafka,
        disk=False,
        trims=False,
        whole=False,
        server="kafka",
        takeover=20.0,
        follows_frozen=True,
        hasty=lambda folder: _kafka(folder, timeout=1),
        behind=_kafka_behind,
    ),
}


@pytest.fixture
def log(engine: str, tmp_path: Path) -> Iterator[EventLog]:
    log = ENGINES[engine].open(tmp_path)
    yield log
    log.close()


def saves(*pins: int, user: int = 1) -> list[Event]:
    return [Event("save", at=1.5, user_id=user, pin_id=pin) for pin in pins]
