"""Near-duplicates of photographs: how many are recognised, and how often different ones are taken for one.

    python -m bench.duplicates [--photos ../shared/photos] [--variants 150] [--others 300]

Every photo is kept; then a random part of one (60 to 90 % of its area, its shape changed by up to 8 %), a
smaller, a recompressed (JPEG, quality 40) and a mirrored version of `--variants` of them are asked about,
with the same function that tells the uploader. `--others` photos are asked about before that, when nothing
but different photos is there.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyvips
from rich.console import Console
from rich.table import Table

from bowerbird import wiring
from bowerbird.catalog import images, pins, users
from bowerbird.darkroom import fingerprint
from bowerbird.darkroom.framing import square
from bowerbird.darkroom.picture import sample
from bowerbird.ingest.compare import compare
from bowerbird.model import Look, media_key
from bowerbird.search.duplicates import Kind, near_duplicates
from bowerbird.settings import Settings


class Shelf:
    """Pictures as the pipeline leaves them, without the renditions that nobody asks for here."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(data=folder)
        self.engines = wiring.connect(settings)
        self.encoder = wiring.encoder(settings)
        self.darkroom = wiring.darkroom(settings)
        self._number = 0
        with self.engines.database.write() as conn:
            self.user = users.create(conn, "ada", "hash").id

    def put(self, picture: pyvips.Image) -> int:
        """Its image id."""
        self._number += 1
        small = picture.thumbnail_image(236, height=16383, size="down").copy_memory()
        phash, phash_flip = fingerprint.phashes(sample(small, fingerprint.SIDE, fingerprint.SIDE))
        with self.engines.database.write() as conn:
            image, _ = images.accept(conn, f"{self._number:064x}", 1)
            pins.create(conn, self.user, image.id)
            images.ready(conn, image.id, [])
        look = Look(picture.width, picture.height, "jpeg", (), "", (), phash, phash_flip)
        self.engines.metadata.put(f"look:{image.media}", msgspec.json.encode(look))
        self.engines.blobs.put(media_key("236x", image.media), small.webpsave_buffer(Q=80, keep="none"))
        vector = self.encoder.encode(square(picture, self.encoder.size)[None]).vectors
        self.engines.looks.add(np.array([image.id], np.int64), vector)
        return image.id

    def ask(self, image_id: int) -> tuple[dict[int, Kind], float, float]:
        """What it is a near-duplicate of, and the milliseconds that a worker took to compare it and that the answer
        took."""
        start = time.perf_counter()
        compare(self.engines, self.darkroom, image_id)
        compared = time.perf_counter()
        near = near_duplicates(self.engines, image_id, self.user)
        answered = time.perf_counter()
        assert near.whole
        return {pin.image.id: kind for pin, kind in near.pins}, (compared - start) * 1e3, (answered - compared) * 1e3

    def drop(self, image_id: int) -> None:
        self.engines.looks.remove(np.array([image_id], np.int64))

    def close(self) -> None:
        self.darkroom.close()
        self.engines.close()


def opened(source: Path | bytes) -> pyvips.Image:
    image = (
        pyvips.Image.new_from_buffer(source, "") if isinstance(source, bytes) else pyvips.Image.new_from_file(source)
    )
    return image.autorot().colourspace("srgb").copy_memory()


def variants(photo: pyvips.Image, chance: random.Random) -> Iterator[tuple[str, Kind, pyvips.Image]]:
    for keep in (0.6, 0.7, 0.8, 0.9):
        shape = chance.uniform(0.92, 1.08)
        width = min(photo.width, int(photo.width * (keep * shape) ** 0.5))
        height = min(photo.height, int(photo.height * (keep / shape) ** 0.5))
        left, top = chance.randint(0, photo.width - width), chance.randint(0, photo.height - height)
        yield f"crop to {keep:.0%}", Kind.CROP, photo.crop(left, top, width, height).copy_memory()
    yield "resize to 30 %", Kind.RESIZE, photo.resize(0.3).copy_memory()
    yield "JPEG quality 40", Kind.RECOMPRESS, opened(photo.jpegsave_buffer(Q=40))
    yield "mirror", Kind.FLIP, photo.fliphor().copy_memory()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"))
    parser.add_argument("--variants", type=int, default=150)
    parser.add_argument("--others", type=int, default=300)
    args = parser.parse_args()
    files = sorted(args.photos.glob("*.jpg"))
    chance = random.Random(11)
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        kept = [shelf.put(opened(file)) for file in files]
        wrong = [
            (image_id, other)
            for image_id in chance.sample(kept, min(args.others, len(kept)))
            for other in shelf.ask(image_id)[0]
        ]
        asked, found, named, strangers = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        comparing: list[float] = []
        answering: list[float] = []
        for at in chance.sample(range(len(files)), min(args.variants, len(files))):
            for name, kind, picture in variants(opened(files[at]), chance):
                image_id = shelf.put(picture)
                answer, compared, answered = shelf.ask(image_id)
                asked[name] += 1
                found[name] += kept[at] in answer
                named[name] += answer.get(kept[at]) is kind
                strangers[name] += len(answer.keys() - {kept[at]})
                comparing.append(compared)
                answering.append(answered)
                shelf.drop(image_id)
        shelf.close()

    table = Table("made by", "asked", "recognised", "with the right name", "different photos named", box=None)
    for name in asked:
        shares = (f"{counter[name] / asked[name]:.1%}" for counter in (found, named))
        table.add_row(name, str(asked[name]), *shares, str(strangers[name]))
    console = Console()
    console.print(table)
    console.print(
        f"{len(wrong)} false answers to {min(args.others, len(kept))} photos that are like none of the other "
        f"{len(kept) - 1}. A worker compares a picture in {statistics.median(comparing):.0f} ms, and an answer takes "
        f"{statistics.median(answering):.1f} ms (medians)."
    )
    for one, other in wrong:
        console.print(f"  {files[kept.index(one)].name}  {files[kept.index(other)].name}")


if __name__ == "__main__":
    main()
