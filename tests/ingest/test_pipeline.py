from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from bowerbird.catalog import images
from bowerbird.catalog.kin import distance
from bowerbird.darkroom import colour, thumbhash
from bowerbird.ingest import lifecycle, pipeline
from bowerbird.model import State, media_key
from bowerbird.ports import Unavailable
from tests.darkroom import pictures
from tests.darkroom.pictures import jpeg, noisy, quarters, saved
from tests.ingest.conftest import Place


def rendition(place: Place, name: str, media: str) -> Pillow.Image:
    return Pillow.open(io.BytesIO(place.engines.blobs.get(media_key(name, media))))


def test_steps_in_their_order() -> None:
    order = "sniff decode render animate squeeze blur palette fingerprint embed store index record announce"
    assert " ".join(pipeline.STEPS) == order


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1600, 1200), {"236x": (236, 177), "474x": (474, 356), "736x": (736, 552), "1200x": (1200, 900)}),
        ((736, 552), {"236x": (236, 177), "474x": (474, 356), "736x": (736, 552)}),
        ((500, 250), {"236x": (236, 118), "474x": (474, 237), "736x": (500, 250)}),
        ((200, 300), {"236x": (200, 300)}),
        ((1, 1), {"236x": (1, 1)}),
        ((100, 9000), {"236x": (100, 9000)}),
        ((1000, 40_000), {"236x": (236, 9440), "474x": (410, 16383), "736x": (410, 16383)}),
    ],
)
def test_renditions_are_as_wide_as_they_say_and_never_enlarged(
    place: Place, size: tuple[int, int], wanted: dict[str, tuple[int, int]]
) -> None:
    image, look = place.developed(saved(noisy(*size) if size[1] < 5000 else quarters(*size), "PNG"))
    assert (look.width, look.height) == size
    if size == (1000, 40_000):  # WebP ends at 16,383 pixels
        assert all(max(r.width, r.height) <= 16383 for r in look.renditions)
        return
    assert [(r.width, r.height) for r in look.renditions] == list(wanted.values())
    for (name, dims), noted in zip(wanted.items(), look.renditions, strict=True):
        picture = rendition(place, name, image.media)
        assert (picture.format, picture.size) == ("WEBP", dims)
        assert noted.bytes == len(place.engines.blobs.get(media_key(name, image.media)))
    assert len(place.stored()) == len(wanted) + 1


def test_a_rendition_looks_like_its_original(place: Place) -> None:
    original = noisy(1500, 1000, seed=5)
    image, look = place.developed(jpeg(original))
    for name, noted in zip(("236x", "474x", "736x", "1200x"), look.renditions, strict=True):
        shown = np.asarray(rendition(place, name, image.media).convert("RGB"), float)
        ideal = np.asarray(original.resize((noted.width, noted.height), Pillow.Resampling.LANCZOS), float)
        error = np.sqrt(((shown - ideal) ** 2).mean())
        assert error < 6, (name, error)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_renditions_are_upright(place: Place, orientation: int) -> None:
    image, look = place.developed(pictures.oriented(orientation))
    assert (look.width, look.height) == (96, 64)
    shown = rendition(place, "236x", image.media).convert("RGB")
    found = [shown.getpixel(at) for at in ((20, 14), (76, 14), (20, 50), (76, 50))]
    for one, other in zip(found, (pictures.RED, pictures.GREEN, pictures.BLUE, pictures.YELLOW), strict=True):
        assert isinstance(one, tuple)
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) < 30


PRIVATE = [b"EXIF", b"XMP ", b"ICCP", b"Exif", b"GPS", b"SERIAL-NUMBER", b"Canon", b"hidden-in", b"2023:05:01"]


def with_secrets() -> dict[str, bytes]:
    picture, moving = noisy(300, 200), {"save_all": True, "append_images": [noisy(300, 200, 1)]}
    more = {"exif": pictures.exif(), "icc_profile": pictures.wide_gamut_profile()}
    return {
        "jpeg": jpeg(picture, comment=b"hidden-in-comment", xmp=pictures.SECRET_XMP, **more),
        "png": saved(picture, "PNG", **more),
        "webp": saved(picture, "WEBP", xmp=pictures.SECRET_XMP, **more),
        "webp moving": saved(picture, "WEBP", xmp=pictures.SECRET_XMP, **moving, **more),
        "gif moving": saved(picture, "GIF", comment=b"hidden-in-comment", **moving),
        "heic": pictures.heic(picture, xmp=pictures.SECRET_XMP, **more),
        "tiff": saved(picture, "TIFF", **more),
    }


@pytest.mark.parametrize("name", list(with_secrets()))
def test_nothing_private_is_served(place: Place, name: str) -> None:
    data = with_secrets()[name]
    image, look = place.developed(data)
    assert any(secret in data for secret in PRIVATE)  # it was there
    served = [key for key in place.stored() if not key.startswith("originals/")]
    assert len(served) == 2 + ("moving" in name)
    for key in served:
        webp = place.engines.blobs.get(key)
        assert not [secret for secret in PRIVATE if secret in webp], key
    if "moving" not in name and name != "tiff":
        assert (look.taken_at, look.camera) == ("2023-05-01T12:34:56", "Canon EOS R5")
    assert place.engines.blobs.get(image.original) == data


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
@pytest.mark.parametrize("size", [(96, 64), (960, 640)])
def test_what_moves_keeps_moving(place: Place, kind: str, size: tuple[int, int]) -> None:
    image, look = place.developed(pictures.moving(kind, 5, size))
    assert look.animated
    moving = rendition(place, "animated", image.media)
    assert (moving.size, getattr(moving, "n_frames", 1)) == ((min(size[0], 474), min(size[1], 316)), 5)
    durations, brightness = [], []
    for frame in range(5):
        moving.seek(frame)
        moving.load()
        durations.append(moving.info["duration"])
        brightness.append(np.asarray(moving.convert("RGB")).mean())
    assert durations == [40, 50, 60, 70, 80]
    assert brightness == sorted(brightness, reverse=True)
    # A frame's lowest row must not hold anything of the next frame.
    still = rendition(place, "236x", image.media)
    assert getattr(still, "n_frames", 1) == 1


def test_a_still_gif_does_not_move(place: Place) -> None:
    _, look = place.developed(saved(quarters(), "GIF"))
    assert not look.animated


def test_transparency_is_served_where_there_is_any(place: Place) -> None:
    clear = quarters(300, 200)
    clear.putalpha(Pillow.linear_gradient("L").resize((300, 200)))
    image, _ = place.developed(saved(clear, "PNG"))
    assert rendition(place, "236x", image.media).mode == "RGBA"
    idle = quarters(300, 200)
    idle.putalpha(255)
    image, _ = place.developed(saved(idle, "PNG"))
    assert rendition(place, "236x", image.media).mode == "RGB"


def test_what_is_learned_of_a_picture(place: Place) -> None:
    image, look = place.developed(jpeg(quarters(600, 400)))
    assert image.state is State.READY
    assert {swatch.hex[:2] for swatch in look.palette} == {"#d", "#1", "#2", "#e"} or len(look.palette) == 4
    assert all(abs(swatch.share - 0.25) < 0.03 for swatch in look.palette)
    shown = thumbhash.decode(base64.b64decode(look.thumbhash))
    assert shown[3, 3, 0] > 150 > shown[3, 3, 2]
    vectors = place.engines.looks.get(np.array([image.id]))
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-4)
    colours = place.engines.colours.get(np.array([image.id]))
    np.testing.assert_allclose(colours[0], colour.histogram(look.palette), atol=1e-5)


def test_the_mirrored_picture_is_known_by_its_hash(place: Place) -> None:
    picture = noisy(600, 400, 8)
    _, look = place.developed(jpeg(picture))
    _, flipped = place.developed(jpeg(picture.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)))
    assert distance(flipped.phash, look.phash_flip) <= 2
    assert distance(flipped.phash, look.phash) > 10


def test_a_second_run_changes_nothing(place: Place) -> None:
    image, _ = place.developed(jpeg(noisy(800, 600)))
    before = {key: place.engines.blobs.get(key) for key in place.stored()}
    told = place.engines.events.end()
    for again in (False, True):
        pipeline.process(place.engines, place.room, image.id, again=again)
    assert {key: place.engines.blobs.get(key) for key in place.stored()} == before
    assert len(place.engines.looks) == len(place.engines.colours) == 1
    assert place.engines.events.end() == told + 1  # only what was done again is told again
    assert place.image(image.id) == image


@pytest.mark.parametrize(
    ("data", "step", "reason"),
    [
        (jpeg(noisy(400, 300))[:9000], "decode", "damaged or cut off"),
        (pictures.png_claiming(40_000, 40_000), "decode", "40,000 × 40,000"),
        (pictures.gif_claiming(0, 10), "decode", "no pixels"),
        (pictures.gif_claiming(20, 20, frames=3000), "decode", "3,000 frames"),
    ],
)
def test_a_picture_that_fails_says_where_and_why(place: Place, data: bytes, step: str, reason: str) -> None:
    pin = place.upload(data)
    pipeline.process(place.engines, place.room, pin.image.id)
    image = place.image(pin.image.id)
    assert image is not None
    assert (image.state, image.step) == (State.FAILED, step)
    assert reason in image.error
    *_, event = place.engines.events.read(0)
    assert (event.kind, event.data) == ("failed", {"image_id": image.id})
    assert place.stored() == {image.original}


def test_a_lost_original_is_told(place: Place) -> None:
    pin = place.upload(jpeg())
    place.engines.blobs.delete([pin.image.original])
    pipeline.process(place.engines, place.room, pin.image.id)
    image = place.image(pin.image.id)
    assert image is not None
    assert (image.state, image.error) == (State.FAILED, "Its original is gone from the store.")


class Away:
    """A real engine, one method of which fails for a while."""

    def __init__(self, engine: Any, method: str) -> None:
        self._engine, self._method = engine, method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise Unavailable(f"{name}: the disk is full; free some space")
        return getattr(self._engine, name)


@pytest.mark.parametrize(
    ("engine", "method"), [("blobs", "put"), ("looks", "add"), ("colours", "add"), ("metadata", "put")]
)
def test_an_engine_that_is_away_leaves_the_picture_pending_and_whole(place: Place, engine: str, method: str) -> None:
    pin = place.upload(jpeg(noisy(500, 400)))
    away = place.engines._replace(**{engine: Away(getattr(place.engines, engine), method)})
    with pytest.raises(Unavailable):
        pipeline.process(away, place.room, pin.image.id)
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.PENDING
    pipeline.process(place.engines, place.room, pin.image.id)
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.READY


def test_news_that_cannot_be_told_holds_nothing_up(place: Place) -> None:
    pin = place.upload(jpeg())
    away = place.engines._replace(events=Away(place.engines.events, "append"))
    pipeline.process(away, place.room, pin.image.id)
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.READY


def test_a_picture_deleted_and_uploaded_again_meanwhile_is_kept(place: Place) -> None:
    data = jpeg(noisy(500, 400))
    pin = place.upload(data)

    class Meanwhile:
        def run(self, *args: Any) -> Any:
            made = place.room.run(*args)
            lifecycle.delete_pin(place.engines, pin.id, place.ada)
            assert lifecycle.purge(place.engines, pin.image.id)
            place.developed(data)
            return made

    pipeline.process(place.engines, Meanwhile(), pin.image.id)  # type: ignore[arg-type]
    assert len(place.stored()) == 4
    assert len(place.engines.looks) == len(place.engines.colours) == 1
    with place.engines.database.read() as conn:
        (again,) = images.every(conn)
    assert (again.state, again.id != pin.image.id) == (State.READY, True)
    assert place.engines.metadata.get(f"look:{again.media}") is not None


def test_a_picture_deleted_meanwhile_leaves_nothing(place: Place) -> None:
    pin = place.upload(jpeg(noisy(500, 400)))

    class DeletedMeanwhile:
        def run(self, *args: Any) -> Any:
            made = place.room.run(*args)
            lifecycle.delete_pin(place.engines, pin.id, place.ada)
            assert lifecycle.purge(place.engines, pin.image.id)
            return made

    pipeline.process(place.engines, DeletedMeanwhile(), pin.image.id)  # type: ignore[arg-type]
    assert place.stored() == set()
    assert len(place.engines.looks) == len(place.engines.colours) == 0
    assert place.engines.metadata.get(f"look:{pin.image.media}") is None
    with place.engines.database.read() as conn:
        assert sum(images.counts(conn).values()) == 0
