"""Embedded engines with some pins that events can be about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bowerbird import wiring
from bowerbird.catalog import images, pins, users
from bowerbird.ports import Engines
from bowerbird.settings import Settings

PINS = 12


def opened(folder: Path) -> Engines:
    return wiring.connect(Settings(data=folder, encoder="efficientnet-lite0"))


def furnish(engines: Engines, count: int = PINS) -> None:
    """Pins 1 to `count`, of images 1 to `count`, by user 1."""
    with engines.database.write() as conn:
        user = users.create(conn, "ann", "no hash")
        for n in range(count):
            image, _ = images.accept(conn, f"{n:064x}", 100)
            pin, _ = pins.create(conn, user.id, image.id)
            assert (pin.id, image.id) == (n + 1, n + 1)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    built = opened(tmp_path / "data")
    furnish(built)
    yield built
    built.close()
