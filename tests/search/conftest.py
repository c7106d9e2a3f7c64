"""The real embedded engines, filled by hand: vectors, looks and pins, without a pipeline."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bowerbird import wiring
from bowerbird.catalog import images, pins, users
from bowerbird.model import Image, Look, Pin, Swatch
from bowerbird.ports import Engines, Floats
from bowerbird.search import ask, colour
from bowerbird.search.ask import Query
from bowerbird.settings import Settings


class Gallery:
    """A site in which pictures are what the test says they are."""

    def __init__(self, folder: Path) -> None:
        self.engines: Engines = wiring.connect(Settings(data=folder))
        self._numbers = itertools.count(1)
        self._noise = np.random.default_rng(7)
        with self.engines.database.write() as conn:
            self.ada, self.bob = (users.create(conn, name, "hash").id for name in ("ada", "bob"))

    def direction(self, *towards: tuple[Floats, float]) -> Floats:
        """A new random direction (dim,), with the given cosines towards others that are orthogonal enough."""
        vector = self._noise.standard_normal(self.engines.looks.dim).astype(np.float32)
        for other, _ in towards:
            vector -= (vector @ other) * other
        vector /= np.linalg.norm(vector)
        rest = np.sqrt(max(0.0, 1 - sum(cosine**2 for _, cosine in towards)))
        vector = vector * rest + sum(other * cosine for other, cosine in towards)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    def add(
        self,
        vector: Floats | None = None,
        title: str = "",
        colours: Sequence[tuple[str, float]] = (("#808080", 1.0),),
        phash: str | None = None,
        phash_flip: str | None = None,
        user_id: int | None = None,
        board_id: int | None = None,
        size: tuple[int, int] = (800, 600),
        ready: bool = True,
    ) -> Pin:
        number = next(self._numbers)
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        palette = tuple(Swatch(hex=code, share=share) for code, share in colours)
        with self.engines.database.write() as conn:
            image, _ = images.accept(conn, sha256, 1)
            pin, _ = pins.create(conn, user_id or self.ada, image.id, title=title, board_id=board_id)
            if ready:
                images.ready(conn, image.id, [])
        look = Look(
            width=size[0],
            height=size[1],
            format="jpeg",
            renditions=(),
            thumbhash="",
            palette=palette,
            phash=phash or sha256[:16],
            phash_flip=phash_flip or sha256[16:32],
        )
        self.engines.metadata.put(f"look:{image.media}", msgspec.json.encode(look))
        ids = np.array([image.id], np.int64)
        self.engines.looks.add(ids, (self.direction() if vector is None else vector)[None])
        self.engines.colours.add(ids, colour.histogram(palette)[None])
        return pin

    def vector(self, image: Image) -> Floats:
        return self.engines.looks.get(np.array([image.id], np.int64))[0]

    def answer(self, query: Query, viewer: int | None = None, k: int = 25, skip: int = 0) -> list[int]:
        """Pin ids."""
        with self.engines.database.read() as conn:
            return [pin.id for pin in ask.answer(self.engines, conn, query, viewer, k, skip)]


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    gallery = Gallery(tmp_path / "data")
    yield gallery
    gallery.engines.close()
