"""Files of every kind, made here: a red, a green, a blue and a yellow quarter, from the top left."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pyvips
from PIL import Image, ImageCms

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 40), (40, 50, 210), (235, 215, 40)

SECRET_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf>hidden-in-xmp</rdf></x:xmpmeta>'


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = RED
    pixels[: height // 2, width // 2 :] = GREEN
    pixels[height // 2 :, : width // 2] = BLUE
    pixels[height // 2 :, width // 2 :] = YELLOW
    return Image.fromarray(pixels)


def noisy(width: int, height: int, seed: int = 0) -> Image.Image:
    """Something with detail at every scale, so that files have a real size."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for cells in (3, 9, 27):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64) / 3
    return Image.fromarray(total.astype(np.uint8))


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def exif(orientation: int = 1) -> bytes:
    """With a place, a time, a camera and its serial number."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x0110] = orientation, "Canon", "Canon EOS R5"
    tags.get_ifd(0x8769).update({0x9003: "2023:05:01 12:34:56", 0xA431: "SERIAL-NUMBER-7"})
    tags.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0), 0x1D: "2023:05:01"})
    return tags.tobytes()


def jpeg(image: Image.Image | None = None, **how: Any) -> bytes:
    return saved(image or quarters(), "JPEG", **{"quality": 92, **how})


def oriented(orientation: int, kind: str = "JPEG") -> bytes:
    """Stored so that a viewer which obeys the orientation shows `quarters()`."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = quarters() if orientation == 1 else quarters().transpose(undo[orientation])
    if kind == "HEIC":
        return heic(image, exif=exif(orientation))
    return saved(image, kind, exif=exif(orientation))


def heic(image: Image.Image | None = None, **how: Any) -> bytes:
    out = io.BytesIO()
    pillow_heif.from_pillow(image or quarters()).save(out, quality=90, **how)
    return out.getvalue()


def avif(image: Image.Image | None = None) -> bytes:
    pixels = pyvips.Image.new_from_array(np.asarray(image or quarters()))
    return bytes(pixels.heifsave_buffer(compression="av1", Q=80, effort=1))


def moving(kind: str, frames: int = 5, size: tuple[int, int] = (96, 64)) -> bytes:
    """The first frame is `quarters`, the others get darker."""
    first = quarters(*size)
    more = [first.point(lambda v, n=n: int(v * (1 - n / (2 * frames)))) for n in range(1, frames)]
    return saved(first, kind, save_all=True, append_images=more, duration=[40 + 10 * n for n in range(frames)], loop=0)


def wide_gamut_profile() -> bytes:
    """An ICC profile with red and green swapped: applying it cannot be mistaken for not applying it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    at = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = (slice(at[tag] + 4, at[tag] + 12) for tag in (b"rXYZ", b"gXYZ"))
    profile[red], profile[green] = profile[green], profile[red]
    return bytes(profile).replace(b"sRGB", b"swap").replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


def png_claiming(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """A PNG whose header says so, whatever is behind it."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
    )


def gif_claiming(width: int, height: int, frames: int = 1) -> bytes:
    """A GIF of frames that take 30 bytes each, however large they say they are."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = (
        b"\x21\xf9\x04\0\x05\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"
    )
    return head + frame * frames + b"\x3b"


def of_every_kind() -> dict[str, bytes]:
    """Small good files, one or more of each format taken."""
    picture = noisy(72, 56)
    grey16 = Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    cmyk = picture.convert("CMYK")
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    return {
        "jpeg": jpeg(picture, exif=exif(6)),
        "jpeg progressive": jpeg(picture, progressive=True, icc_profile=wide_gamut_profile()),
        "jpeg cmyk": jpeg(cmyk),
        "png": saved(picture, "PNG"),
        "png palette": saved(picture.quantize(16), "PNG", transparency=3),
        "png 16 bit": saved(grey16, "PNG"),
        "png alpha": saved(clear, "PNG", exif=exif()),
        "webp": saved(picture, "WEBP", quality=80, exif=exif(8)),
        "webp moving": moving("WEBP", 4, (48, 32)),
        "avif": avif(picture),
        "heic": heic(picture, exif=exif()),
        "gif": saved(picture.quantize(32), "GIF"),
        "gif moving": moving("GIF", 4, (48, 32)),
        "tiff": saved(picture, "TIFF", compression="tiff_lzw"),
        "tiff cmyk": saved(cmyk, "TIFF"),
        "bmp": saved(picture, "BMP"),
    }
