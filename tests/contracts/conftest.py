"""What the contract suites share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bowerbird.fleet.server import Server
from tests import servers
from tests.contracts import pairs
from tests.contracts.faults import SmallDisk, small_files, small_mount
from tests.contracts.pairs import Kind, Pair
from tests.contracts.test_database import prepare

ABLE = {"small_disk": "disk", "place": "server", "places": "server"}
"""What an engine must be able to for a test that asks for one of these."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`engine`: each of the port's."""
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", metafunc.module.ENGINES, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Its name; it runs."""
    server = request.module.ENGINES[request.param].server
    if server:
        servers.need(server)
    return str(request.param)


@pytest.fixture
def places(request: pytest.FixtureRequest, engine: str) -> list[Server]:
    """The engine's own processes."""
    return servers.running[request.module.ENGINES[engine].server].servers


@pytest.fixture
def place(places: list[Server]) -> Server:
    return places[0]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test is left to those engines that are what it takes: whatever is skipped, then, is missing."""
    out = [item for item in items if isinstance(item, pytest.Function) and not _able(item)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in out]


def _able(item: pytest.Function) -> bool:
    takes = [each for mark in item.iter_markers("able") for each in mark.args]
    if item.path.parent == Path(__file__).parent:
        takes += [able for name, able in ABLE.items() if name in item.fixturenames]
    if not takes:
        return True
    params = item.callspec.params
    kind = pairs.ENGINES[str(params["kind"])] if "kind" in params else item.module.ENGINES[params["engine"]]
    return all(getattr(kind, each) for each in takes)


@pytest.fixture(params=["mounted", "limited"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk that is soon full: a real one of 1 MB, or a limit on the size of files."""
    if request.param == "limited":
        with small_files(tmp_path / "disk") as disk:
            yield disk
        return
    with small_mount(tmp_path / "disk") as mounted:
        if mounted is None:
            pytest.skip("this user may not mount a small disk")
        yield mounted


class Clock:
    """A time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=pairs.ENGINES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return pairs.ENGINES[request.param]


@pytest.fixture
def pair(kind: Kind, tmp_path: Path) -> Iterator[Pair]:
    servers.need(kind.server)
    made = Pair(kind, servers.running[kind.server], tmp_path)
    prepare(made.process())
    yield made
    made.close()


@pytest.fixture
def own_pair(kind: Kind, tmp_path: Path) -> Iterator[Pair]:
    """Servers that the test may break."""
    with servers.of_ones_own(kind.server) as running:
        made = Pair(kind, running, tmp_path)
        prepare(made.process())
        yield made
        made.close()
