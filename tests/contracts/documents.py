"""The `Metadata` engines that the suites run on, and what the suites share."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bowerbird.adapters.metadata.sqlite import SqliteMetadata
from bowerbird.ports import Metadata
from tests.contracts.conftest import Clock
from tests.servers import namespace

Timer = Callable[[], float]


class Kind(NamedTuple):
    open: Callable[[Path, Timer], Metadata]
    clock: bool
    """It takes its time from a clock of ours."""
    disk: bool
    """It keeps its documents on a disk of ours."""
    many: int = 80
    """Writes that show whether any is lost; fewer where each takes milliseconds."""
    server: str = ""
    """What `servers.need` knows it by; empty where it is no server."""
    behind: Callable[[Path, int], Metadata] | None = None
    """The same by a port of this machine, on which a proxy may listen, with the time limits that a site has."""


def _dynamodb(folder: Path, clock: Timer, endpoint: str = "") -> Metadata:
    from bowerbird.adapters.metadata.dynamodb import DynamoMetadata

    # A busy machine of two cores may take long; those tests that want an end soon go by another port.
    at = f"endpoint={endpoint}" if endpoint else f"timeout=15&endpoint={os.environ['BOWERBIRD_TEST_DYNAMODB']}"
    return DynamoMetadata(f"dynamodb://test:test@{namespace(folder)}?{at}", clock)


ENGINES = {
    "sqlite": Kind(lambda folder, clock: SqliteMetadata(folder / "metadata.db", clock), clock=True, disk=True),
    "dynamodb": Kind(
        _dynamodb,
        clock=True,
        disk=False,
        many=30,
        server="dynamodb",
        behind=lambda folder, port: _dynamodb(folder, time.time, f"http://127.0.0.1:{port}"),
    ),
}


@pytest.fixture
def metadata(engine: str, tmp_path: Path, clock: Clock) -> Iterator[Metadata]:
    metadata = ENGINES[engine].open(tmp_path, clock if ENGINES[engine].clock else time.time)
    yield metadata
    metadata.close()


@pytest.fixture
def wait(engine: str, clock: Clock) -> Callable[[float], None]:
    """Lets so many seconds pass for `metadata`."""

    def turn(seconds: float) -> None:
        clock.now += seconds

    return turn if ENGINES[engine].clock else time.sleep
