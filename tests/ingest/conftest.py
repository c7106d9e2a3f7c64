from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bowerbird import wiring
from bowerbird.catalog import images, users
from bowerbird.darkroom.process import Darkroom
from bowerbird.ingest import pipeline, upload
from bowerbird.model import Image, Look, Pin
from bowerbird.ports import Engines
from bowerbird.settings import Settings
from tests.darkroom.works import Mosaic


@pytest.fixture(scope="session")
def room() -> Iterator[Darkroom]:
    with Darkroom(Mosaic, timeout=30) as room:
        yield room


@dataclasses.dataclass
class Place:
    """The real embedded engines on a folder, two people, and short words for what tests ask."""

    folder: Path
    engines: Engines
    room: Darkroom
    ada: int
    bob: int

    def upload(self, data: bytes, user: int | None = None, **form: object) -> Pin:
        return upload.accept(self.engines, user or self.ada, data, **form).pin  # type: ignore[arg-type]

    def image(self, image_id: int) -> Image | None:
        with self.engines.database.read() as conn:
            return images.by_id(conn, image_id)

    def developed(self, data: bytes, **form: object) -> tuple[Image, Look]:
        """Uploaded and through the pipeline."""
        pin = self.upload(data, **form)
        pipeline.process(self.engines, self.room, pin.image.id)
        image = self.image(pin.image.id)
        assert image is not None
        found = self.engines.metadata.get(f"look:{image.media}")
        assert found is not None, image
        return image, msgspec.json.decode(found, type=Look)

    def stored(self) -> set[str]:
        return set(self.engines.blobs.keys())


@pytest.fixture
def place(tmp_path: Path, room: Darkroom) -> Iterator[Place]:
    engines = wiring.connect(Settings(data=tmp_path / "data"))
    with engines.database.write() as conn:
        ada, bob = (users.create(conn, name, "x").id for name in ("ada", "bob"))
    yield Place(tmp_path / "data", engines, room, ada, bob)
    engines.close()
