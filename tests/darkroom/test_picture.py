from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from bowerbird.darkroom.process import Darkroom, Spoiled
from tests.darkroom import pictures, works
from tests.darkroom.pictures import BLUE, GREEN, RED, YELLOW, jpeg, quarters, saved


def close(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]], within: int = 12) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= within, (found, wanted)


ALL = [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(room: Darkroom, kind: str, orientation: int) -> None:
    data = pictures.oriented(orientation, kind)
    close(room.run(works.corners, data), ALL, within=25)
    facts, pixels = room.run(works.opened, data)
    assert (facts.width, facts.height) == (96, 64) == pixels.shape[1::-1]


def test_every_format_shows_its_picture(room: Darkroom) -> None:
    image = quarters()
    files = {
        "jpeg": jpeg(),
        "png": saved(image, "PNG"),
        "webp": saved(image, "WEBP", quality=95),
        "avif": pictures.avif(),
        "heic": pictures.heic(),
        "gif": saved(image, "GIF"),
        "tiff": saved(image, "TIFF"),
        "bmp": saved(image, "BMP"),
        "webp, moving": pictures.moving("WEBP"),
        "gif, moving": pictures.moving("GIF"),
        "png of a palette": saved(image.quantize(8), "PNG"),
        "tiff of jpeg": saved(image, "TIFF", compression="jpeg"),
        "bmp of a palette": saved(image.quantize(8), "BMP"),
    }
    for name, data in files.items():
        close([colour[:3] for colour in room.run(works.corners, data)], ALL, within=30)
        facts, pixels = room.run(works.opened, data)
        assert pixels.shape[:2] == (64, 96), name
        assert pixels.shape[2] == 3 or (pixels[..., 3] == 255).all(), name
        assert facts.format == name.split(",")[0].split()[0]
        assert facts.pages == (5 if "moving" in name else 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP", "BMP", "GIF"])
def test_grey_becomes_three_bands(room: Darkroom, kind: str) -> None:
    grey = Image.linear_gradient("L").resize((96, 64))
    _, pixels = room.run(works.opened, saved(grey, kind))
    assert pixels.shape == (64, 96, 3)
    assert np.abs(pixels.astype(int) - np.asarray(grey)[..., None]).max() <= 12


def test_sixteen_bits_become_eight(room: Darkroom) -> None:
    ramp = np.linspace(0, 65535, 96).astype(np.uint16)[None].repeat(64, axis=0)
    for kind in ("PNG", "TIFF"):
        _, pixels = room.run(works.opened, saved(Image.fromarray(ramp), kind))
        assert pixels.dtype == np.uint8
        assert np.abs(pixels[0, :, 0].astype(int) - (ramp[0] >> 8)).max() <= 1


def test_one_bit_becomes_eight(room: Darkroom) -> None:
    bits = Image.fromarray(np.indices((64, 96)).sum(axis=0) // 32 % 2 == 0)
    for kind in ("PNG", "TIFF"):
        _, pixels = room.run(works.opened, saved(bits, kind))
        np.testing.assert_array_equal(pixels[..., 1], np.asarray(bits) * 255)


def test_cmyk_becomes_rgb(room: Darkroom) -> None:
    # No profile is embedded, so colours shift as ink does; what is red must still be red.
    for kind in ("JPEG", "TIFF"):
        red, green, blue, yellow = room.run(works.corners, saved(quarters().convert("CMYK"), kind))
        assert red[0] > 150 > 100 > max(red[1:])
        assert green[1] > green[0] + 50
        assert blue[2] > blue[0] + 50
        assert min(yellow[:2]) > yellow[2] + 80


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_kept(room: Darkroom, kind: str) -> None:
    image = quarters()
    image.putalpha(Image.fromarray(np.where(np.indices((64, 96))[1] < 48, 255, 0).astype(np.uint8)))
    _, pixels = room.run(works.opened, saved(image, kind))
    assert pixels.shape == (64, 96, 4)
    assert pixels[32, 10, 3] == 255
    assert pixels[32, 90, 3] == 0


def test_grey_with_transparency(room: Darkroom) -> None:
    image = Image.merge("LA", (Image.new("L", (40, 30), 128), Image.linear_gradient("L").resize((40, 30))))
    _, pixels = room.run(works.opened, saved(image, "PNG"))
    assert pixels.shape == (30, 40, 4)
    assert pixels[..., 3].max() > 200 > 50 > pixels[..., 3].min()


def test_an_embedded_profile_is_applied(room: Darkroom) -> None:
    swapped = pictures.wide_gamut_profile()
    for data in (
        jpeg(icc_profile=swapped),
        saved(quarters(), "PNG", icc_profile=swapped),
        saved(quarters(), "WEBP", quality=95, icc_profile=swapped),
        pictures.heic(icc_profile=swapped),
    ):
        red, green, *_ = room.run(works.corners, data)
        assert red[1] > red[0] + 60
        assert green[0] > green[1] + 60


def test_a_broken_profile_is_passed_over(room: Darkroom) -> None:
    close(room.run(works.corners, jpeg(icc_profile=b"no profile" * 40)), ALL)


def test_what_the_camera_wrote(room: Darkroom) -> None:
    for data in (
        jpeg(exif=pictures.exif()),
        saved(quarters(), "WEBP", exif=pictures.exif()),
        saved(quarters(), "PNG", exif=pictures.exif()),
        pictures.heic(exif=pictures.exif()),
    ):
        facts, _ = room.run(works.opened, data)
        assert (facts.taken_at, facts.camera) == ("2023-05-01T12:34:56", "Canon EOS R5")
    facts, _ = room.run(works.opened, jpeg())
    assert (facts.taken_at, facts.camera) == ("", "")


def test_large_photos_are_decoded_smaller_but_never_too_small(room: Darkroom) -> None:
    big = pictures.noisy(3000, 2000)
    for kind in ("JPEG", "WEBP"):
        facts, pixels = room.run(works.opened, saved(big, kind), 10**8, 700)
        assert (facts.width, facts.height) == (3000, 2000)
        assert 700 <= min(pixels.shape[:2]) < 1500, kind
        _, whole = room.run(works.opened, saved(big, kind))
        assert whole.shape == (2000, 3000, 3)


def damaged_header(kind: str, width: int, height: int) -> bytes:
    """A good file whose header now claims other dimensions."""
    data = bytearray(saved(quarters(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    if kind == "PNG":
        return pictures.png_claiming(width, height)
    if kind == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif kind == "GIF":
        return pictures.gif_claiming(width, height)
    elif kind == "BMP":
        data[18:26] = struct.pack("<ii", width, height)
    elif kind == "WEBP":
        bits = (width - 1 & 0x3FFF) | (height - 1 & 0x3FFF) << 14
        data[21:25] = struct.pack("<I", bits)
    elif kind == "TIFF":
        start = int.from_bytes(data[4:8], "little")
        for n in range(int.from_bytes(data[start : start + 2], "little")):
            at = start + 2 + 12 * n
            tag = int.from_bytes(data[at : at + 2], "little")
            if tag in (256, 257):
                data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, width if tag == 256 else height)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("size", [(40_000, 40_000), (0, 64), (64, 0)])
def test_headers_that_lie_are_refused_before_decoding(room: Darkroom, kind: str, size: tuple[int, int]) -> None:
    before = room.pid
    with pytest.raises(Spoiled) as caught:
        room.run(works.opened, damaged_header(kind, *size), 150_000_000)
    assert caught.value.step == "decode"
    assert caught.value.reason.endswith(".")
    assert "crash" not in caught.value.reason
    assert room.pid == before or before is None


def test_a_strip_is_refused_with_its_size(room: Darkroom) -> None:
    rows = b"\0\0\0\0" * 100_000
    with pytest.raises(Spoiled, match="1 × 100,000 pixels: a strip"):
        room.run(works.opened, pictures.png_claiming(1, 100_000, rows=rows))
    _, pixels = room.run(works.opened, saved(Image.new("RGB", (10, 1000)), "PNG"))
    assert pixels.shape == (1000, 10, 3)


def test_a_true_bomb_is_refused_by_its_size(room: Darkroom) -> None:
    # 30,000 × 30,000 in one bit: 110 MB of zeros in 110 KB.
    bomb = pictures.png_claiming(30_000, 30_000, depth=1, colour=0, rows=bytes(3751) * 30_000)
    assert len(bomb) < 200_000
    with pytest.raises(Spoiled, match="30,000 × 30,000") as caught:
        room.run(works.opened, bomb, 150_000_000)
    assert "150 million" in caught.value.reason


def test_a_moving_bomb_is_refused_by_its_frames(room: Darkroom) -> None:
    with pytest.raises(Spoiled, match="3,000 frames"):
        room.run(works.opened, pictures.gif_claiming(20, 20, frames=3000))
    with pytest.raises(Spoiled, match="900 frames of 1,000 × 1,000"):
        room.run(works.opened, pictures.gif_claiming(1000, 1000, frames=900), 150_000_000)


def test_a_cut_off_file_says_so(room: Darkroom) -> None:
    data = jpeg(pictures.noisy(200, 150))
    with pytest.raises(Spoiled, match="is damaged"):
        room.run(works.opened, data[: len(data) // 2])


def test_other_loaders_are_shut() -> None:
    import pyvips

    with pytest.raises(pyvips.Error):
        pyvips.Image.svgload_buffer(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    assert Image.open(io.BytesIO(jpeg())).size == (96, 64)
