"""What every test may ask for."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"


def engine_missing(name: str) -> None:
    """Skip by name on a laptop; fail where every engine is required."""
    if os.environ.get("BOWERBIRD_TEST_REQUIRE_ENGINES") == "1":
        pytest.fail(f"{name} is required here and is missing")
    pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="session", autouse=True)
def uncached_logs() -> Iterator[None]:
    """A logger that an application in this process had cached would tell `capture_logs` nothing."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", lambda **words: configure(**words | {"cache_logger_on_first_use": False}))
        yield


@pytest.fixture
def heard() -> None:
    """Warnings are logged from here on, whatever an application in this process had set."""
    structlog.reset_defaults()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that lives is asked, however slow this machine is just now and however far behind it is."""
    from bowerbird.adapters.database import node, replicated

    monkeypatch.setattr(node, "READER_PATIENCE", 30.0)
    monkeypatch.setattr(replicated, "TOO_FAR", 60.0)


@pytest.fixture(scope="session")
def trees() -> None:
    """LightGBM's wheel has all but OpenMP, which slim images lack."""
    try:
        import lightgbm  # noqa: F401
    except OSError:
        engine_missing("libgomp1 (OpenMP, for LightGBM)")


@pytest.fixture(scope="session")
def photos() -> list[tuple[Path, str]]:
    """The labelled photographs: (file, label)."""
    if not PHOTOS.exists():
        pytest.skip("../shared/photos is not here")
    with (PHOTOS / "labels.csv").open(encoding="utf-8") as file:
        return [(PHOTOS / row["file"], row["label"]) for row in csv.DictReader(file)]


def pytest_sessionfinish() -> None:
    from tests import servers

    servers.stop_all()
