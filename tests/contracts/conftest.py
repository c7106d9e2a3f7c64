"""What the contract suites share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.faults import SmallDisk, small_files, small_mount


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
