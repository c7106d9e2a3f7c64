"""The same picture under another hat."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pyvips

from bowerbird import wiring
from bowerbird.catalog import boards, images, pins, users
from bowerbird.catalog.faces import of_pins
from bowerbird.catalog.prints import of_faces
from bowerbird.darkroom import Spoiled, alignment
from bowerbird.darkroom.process import Darkroom
from bowerbird.ingest import pipeline, upload
from bowerbird.ingest.compare import FITS, compare
from bowerbird.model import Box, Image, media_key
from bowerbird.ports import Engines
from bowerbird.search import ask, duplicates, similar
from bowerbird.search.ask import Query
from bowerbird.search.duplicates import Kind, fold
from bowerbird.settings import Settings
from tests.search.conftest import Gallery

HASH = "0123456789abcdef"
FEW_BITS = "0123456789abcde0"  # 4 bits off
OTHER = "fedcba9876543210"


def folded(gallery: Gallery, *ids: int) -> list[int]:
    with gallery.engines.database.read() as conn:
        shown = of_pins(gallery.engines, pins.for_images(conn, ids, gallery.ada).values())
    known = {face.image_id: face for face in shown}
    looks = gallery.engines.looks.get(np.array(ids, np.int64))
    return [ids[rank] for rank in fold(ids, looks, partial(of_faces, known))]


def test_folding_needs_a_like_look_and_a_like_hash_or_nearly_the_same_look(gallery: Gallery) -> None:
    first = gallery.add(phash=HASH, phash_flip=OTHER)
    vector = gallery.vector(first.image)
    looks_like, same_hash, mirrored, only_hash, twin = (
        gallery.add(gallery.direction((vector, cosine)), phash=phash).image.id
        for cosine, phash in ((0.9, None), (0.9, FEW_BITS), (0.9, OTHER), (0.5, HASH), (0.98, None))
    )
    every = [first.image.id, looks_like, same_hash, mirrored, only_hash, twin]
    assert folded(gallery, *every) == [first.image.id, looks_like, only_hash]
    assert folded(gallery, *every[::-1]) == [twin, only_hash, mirrored, same_hash, looks_like]
    assert folded(gallery) == []


def test_chains_fold_into_their_first_and_never_change_what_came_before(gallery: Gallery) -> None:
    a = gallery.add()
    b = gallery.add(gallery.direction((gallery.vector(a.image), 0.975)))
    c = gallery.add(gallery.direction((gallery.vector(b.image), 0.975)))
    assert float(gallery.vector(a.image) @ gallery.vector(c.image)) < duplicates.SAME
    ids = [pin.image.id for pin in (a, b, c)]
    assert folded(gallery, *ids) == [ids[0]]
    assert folded(gallery, ids[0], ids[2], ids[1]) == [ids[0], ids[2]]
    for length in range(1, 4):
        assert folded(gallery, *ids)[:1] == folded(gallery, *ids[:length])[:1]


def test_the_kinds_that_hashes_tell(gallery: Gallery) -> None:
    own = gallery.add(phash=HASH, phash_flip=OTHER, size=(800, 600))
    vector = gallery.vector(own.image)
    made = {
        gallery.add(gallery.direction((vector, 0.9)), phash=phash, phash_flip=flip, size=size).image.id: kind
        for phash, flip, size, kind in (
            (FEW_BITS, OTHER, (800, 600), Kind.RECOMPRESS),
            (HASH, OTHER, (400, 300), Kind.RESIZE),
            (OTHER, HASH, (800, 600), Kind.FLIP),
        )
    }
    gallery.add(gallery.direction((vector, 0.9)))
    near = duplicates.near_duplicates(gallery.engines, own.image.id, gallery.ada)
    assert {pin.image.id: kind for pin, kind in near.pins} == made
    assert not near.whole  # the one with other hashes may be a crop
    assert duplicates.near_duplicates(gallery.engines, 999, gallery.ada) == ([], True)


def test_duplicates_of_others_secrets_are_not_told(gallery: Gallery) -> None:
    with gallery.engines.database.write() as conn:
        hidden = boards.create(conn, gallery.bob, "Hidden", secret=True)
    own = gallery.add(phash=HASH)
    gallery.add(gallery.vector(own.image), phash=HASH, user_id=gallery.bob, board_id=hidden.id)
    assert duplicates.near_duplicates(gallery.engines, own.image.id, gallery.ada).pins == []
    assert len(duplicates.near_duplicates(gallery.engines, own.image.id, gallery.bob).pins) == 1


def painted(seed: int, width: int = 480, height: int = 360) -> pyvips.Image:
    """Random soft blobs with sharper specks."""
    noise = np.random.default_rng(seed)
    coarse = pyvips.Image.new_from_array(noise.uniform(0, 255, (9, 12, 3)).astype(np.uint8))
    fine = pyvips.Image.new_from_array(noise.uniform(-60, 60, (72, 96, 3)).astype(np.float32))
    smooth = coarse.resize(width / 12, vscale=height / 9)
    specked = smooth + fine.resize(width / 96, vscale=height / 72)
    return specked.cast("uchar").copy(interpretation="srgb")


def webp(image: pyvips.Image) -> bytes:
    return bytes(image.thumbnail_image(236).webpsave_buffer(Q=80))


@pytest.mark.parametrize("keep", [0.6, 0.75, 0.9])
def test_a_part_fits_its_whole(keep: float) -> None:
    whole = painted(1)
    side = keep**0.5
    part = whole.crop(20, 13, int(480 * side), int(360 * side))
    there, mirrored = alignment.fits(None, webp(whole), webp(part))  # type: ignore[arg-type]
    assert there > FITS > mirrored
    assert alignment.fits(None, webp(part), webp(whole))[0] == pytest.approx(there, abs=0.01)  # type: ignore[arg-type]
    there, mirrored = alignment.fits(None, webp(whole.fliphor()), webp(part))  # type: ignore[arg-type]
    assert mirrored > FITS > there


def test_different_pictures_do_not_fit() -> None:
    plain = pyvips.Image.black(300, 200, bands=3) + 127
    for other in (painted(2), plain.cast("uchar"), painted(2, 120, 700), painted(2, 900, 40)):
        assert max(alignment.fits(None, webp(painted(1)), webp(other))) < FITS  # type: ignore[arg-type]


class Site:
    """The whole route with the real encoder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = Settings(data=folder)
        self.engines: Engines = wiring.connect(settings)
        self.darkroom: Darkroom = wiring.darkroom(settings)
        with self.engines.database.write() as conn:
            self.user = users.create(conn, "ada", "hash").id

    def near(self, image_id: int) -> dict[int, Kind]:
        """Of which images it is a near-duplicate, once a worker has compared it."""
        compare(self.engines, self.darkroom, image_id)
        near = duplicates.near_duplicates(self.engines, image_id, self.user)
        assert near.whole
        return {pin.image.id: kind for pin, kind in near.pins}

    def developed(self, data: bytes) -> Image:
        image_id = upload.accept(self.engines, self.user, data).pin.image.id
        pipeline.process(self.engines, self.darkroom, image_id)
        with self.engines.database.read() as conn:
            return images.by_ids(conn, [image_id])[image_id]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.darkroom.close()
    site.engines.close()


@pytest.mark.photos
@pytest.mark.slow
def test_near_duplicates_of_photographs_are_known_and_nothing_else(site: Site, photos: list[tuple[Path, str]]) -> None:
    chosen = random.Random(3).sample([path for path, _ in photos], 24)
    originals = [site.developed(path.read_bytes()) for path in chosen]
    made: dict[int, tuple[int, Kind]] = {}
    for at, path in enumerate(chosen[:8]):
        photo = pyvips.Image.new_from_file(str(path)).autorot()
        width, height = photo.width, photo.height
        part = photo.crop(width // 10, height // 9, int(width * 0.85), int(height * 0.85))
        for kind, variant, quality in (
            (Kind.CROP, part, 90),
            (Kind.RESIZE, photo.resize(0.4), 90),
            (Kind.RECOMPRESS, photo, 40),
            (Kind.FLIP, photo.fliphor(), 90),
        ):
            image = site.developed(variant.jpegsave_buffer(Q=quality, keep="none"))
            made[image.id] = (originals[at].id, kind)
    first, (source, _) = next(iter(made.items()))
    before = duplicates.near_duplicates(site.engines, first, site.user)
    assert not before.whole  # a page does not wait for what takes a worker a moment
    assert source not in {pin.image.id for pin, _ in before.pins}
    for copy, (of, kind) in made.items():
        kinds = site.near(copy)
        assert kinds[of] is kind
        family = {image_id for image_id, (whole, _) in made.items() if whole == of} | {of}
        assert set(kinds) <= family
    for original in originals[8:]:
        assert site.near(original.id) == {}

    told = _verdicts(site)
    site.near(first)
    assert told == _verdicts(site) != set()
    near = duplicates.near_duplicates(site.engines, source, site.user)
    assert first in {pin.image.id for pin, kind in near.pins if kind is Kind.CROP}  # which itself was never compared

    stranger = originals[9]
    site.engines.blobs.delete([media_key("236x", stranger.media)])  # a lost rendition is no error
    assert site.near(stranger.id) == {}

    with site.engines.database.read() as conn:
        pins_ = ask.answer(site.engines, conn, Query(image_id=originals[0].id), None, 25, 0)
    shown = [pin.image_id for pin in pins_]
    family = {image_id for image_id, (of, _) in made.items() if of == originals[0].id}
    assert len(family & set(shown)) < len(family)  # folded
    assert originals[0].id not in shown


def _verdicts(site: Site) -> set[str]:
    """Keys of the kept verdicts on pairs."""
    with closing(sqlite3.connect(site.folder / "metadata.db")) as db:
        return {row[0] for row in db.execute("SELECT key FROM documents WHERE key LIKE 'kin:%'")}


def test_what_is_no_picture_is_spoiled(site: Site) -> None:
    whole = painted(3).jpegsave_buffer(Q=90)
    for data in (b"", b"GIF89a", whole[: len(whole) // 2], b"<svg/>"):
        with pytest.raises(Spoiled):
            site.darkroom.run(similar.glance, data, Box(0.1, 0.1, 0.5, 0.5), 10**8)
    seen = site.darkroom.run(similar.glance, whole, None, 10**8)
    assert seen.shape == (site.engines.looks.dim,)
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-5)


@pytest.mark.photos
def test_a_crop_of_a_photograph_finds_it(site: Site, photos: list[tuple[Path, str]]) -> None:
    paths = random.Random(4).sample([path for path, _ in photos], 12)
    kept = {path: site.developed(path.read_bytes()) for path in paths}
    first = 0
    for path, image in kept.items():
        seen = site.darkroom.run(similar.glance, path.read_bytes(), Box(0.1, 0.15, 0.8, 0.7), 10**8)
        first += similar.near(site.engines, seen, 1)[0].image_id == image.id
        again = similar.part(site.engines, site.darkroom, image, Box(0.1, 0.15, 0.8, 0.7), 10**8)
        np.testing.assert_allclose(again, seen, atol=1e-5)
    assert first >= 11
    with site.engines.database.read() as conn:
        assert pins.count(conn) == len(images.ready_ids(conn))  # nothing of a glance is kept
