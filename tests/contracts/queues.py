"""The `Queue` engines that the suites run on, and what the suites share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from bowerbird.adapters.queue.sqlite import SqliteQueue
from bowerbird.model import Delivery, Job
from bowerbird.ports import Queue
from tests import servers
from tests.proxy import Proxy
from tests.servers import kafka_proxy, namespace, need

Timer = Callable[[], float]


class Kind(NamedTuple):
    open: Callable[[Path, Timer], Queue]
    clock: bool
    """It takes its time from a clock of ours."""
    disk: bool
    """It keeps its jobs on a disk of ours."""
    grain: float = 0.0
    """Its times are rounded up to whole multiples of so many seconds."""
    knows_late: bool = True
    """A delivery whose time is over can no longer change anything."""
    whole: bool = True
    """What is sent at once is kept whole or not at all."""
    largest: int = 10**9
    """Bytes of JSON that a job may have."""
    many: int = 600
    """Jobs that show whether two workers get the same one; fewer where each call takes milliseconds."""
    server: str = ""
    """What `servers.need` knows it by; empty where it is no server."""
    receipt: str = "1:1"
    """What one looks like."""
    restarts: bool = False
    """A server that keeps its jobs when it dies."""
    rests: float = 0.0
    """Seconds in which it is not asked again after it was found away."""
    settles: float = 0.0
    """Seconds until a delivery, or an ack, can no longer be undone by its death."""
    through: Callable[[], Proxy] | None = None
    """A proxy that clients are sent to; None where one may listen anywhere."""
    behind: Callable[[Path, int], Queue] | None = None
    """The same by a port of this machine, on which a proxy may listen, with the time limits that a site has."""

    def least(self, seconds: float) -> float:
        """The shortest time that it keeps, and no less than this."""
        return max(seconds, self.grain)


def _sqs(folder: Path, endpoint: str = "") -> Queue:
    from bowerbird.adapters.queue.sqs import SqsQueue

    # A busy machine of two cores may take long; those tests that want an end soon go by another port.
    at = f"endpoint={endpoint}" if endpoint else f"timeout=15&endpoint={os.environ['BOWERBIRD_TEST_SQS']}"
    return SqsQueue(f"sqs://test:test@{namespace(folder)}?{at}")


def _postgres(folder: Path, clock: Timer | None, port: int = 0) -> Queue:
    from bowerbird.adapters.queue.postgres import PostgresQueue

    url = urlsplit(servers.database("postgres", folder))
    login = url.netloc.rpartition("@")[0]
    netloc = f"{login}@127.0.0.1:{port}" if port else url.netloc
    return PostgresQueue(url._replace(netloc=netloc).geturl(), None if clock is time.time else clock)


def _kafka(folder: Path, server: str = "kafka", timeout: int = 10) -> Queue:
    from bowerbird.adapters.queue.kafka import KafkaQueue

    url = urlsplit(need(server))
    return KafkaQueue(
        url._replace(path=f"/{namespace(folder)}", query=f"session=2&partitions=4&timeout={timeout}").geturl()
    )


ENGINES = {
    "sqlite": Kind(lambda folder, clock: SqliteQueue(folder / "queue.db", clock), clock=True, disk=True),
    "postgres": Kind(
        _postgres,
        clock=True,
        disk=False,
        many=200,
        server="postgres",
        restarts=True,
        rests=0.5,
        settles=1.0,
        behind=lambda folder, port: _postgres(folder, None, port),
    ),
    "sqs": Kind(
        lambda folder, clock: _sqs(folder),
        clock=False,
        disk=False,
        grain=1.0,
        knows_late=False,
        whole=False,
        largest=240 * 1024,
        many=60,
        server="sqs",
        behind=lambda folder, port: _sqs(folder, f"http://127.0.0.1:{port}"),
    ),
    "kafka": Kind(
        lambda folder, clock: _kafka(folder),
        clock=False,
        disk=False,
        whole=False,
        largest=900_000,
        many=90,
        server="kafka",
        receipt="1:1:1",
        through=kafka_proxy,
        behind=lambda folder, port: _kafka(folder, "kafka" if port == port_of(ENGINES["kafka"]) else "kafka_told", 2),
    ),
}


@pytest.fixture
def kind(engine: str) -> Kind:
    return ENGINES[engine]


@pytest.fixture
def queue(engine: str, tmp_path: Path) -> Iterator[Queue]:
    queue = ENGINES[engine].open(tmp_path, time.time)
    yield queue
    queue.close()


def numbered(*numbers: int) -> list[Job]:
    return [Job("process", {"image_id": n}) for n in numbers]


def numbers(deliveries: list[Delivery]) -> list[int]:
    return sorted(each.job.payload["image_id"] for each in deliveries)


def drain(queue: Queue, visibility: float = 60.0) -> list[Delivery]:
    found: list[Delivery] = []
    while more := queue.receive(10, visibility):
        found += more
    return found


def port_of(kind: Kind) -> int:
    port = urlsplit(need(kind.server)).port
    assert port is not None
    return port
