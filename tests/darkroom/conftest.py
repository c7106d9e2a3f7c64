from __future__ import annotations

from collections.abc import Iterator

import pytest

from bowerbird.darkroom.process import Darkroom
from tests.darkroom.works import Mosaic


@pytest.fixture(scope="session")
def room() -> Iterator[Darkroom]:
    with Darkroom(Mosaic, memory_mb=2048, timeout=30) as room:
        yield room
