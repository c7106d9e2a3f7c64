"""Files to pixels: upright, sRGB, 8 bit. Only ever called inside the darkroom's child process."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyvips

from bowerbird.darkroom import Spoiled
from bowerbird.darkroom.formats import NAMES
from bowerbird.darkroom.formats import sniff as sniff

if TYPE_CHECKING:
    from bowerbird.ports import Pixels

MAX_ASPECT = 100
"""A strip longer than this is no picture that a wall could show."""

MAX_FRAMES = 2000

LONGEST = 16383
"""Pixels of a WebP's side at most (its format's limit)."""

pyvips.cache_set_max(0)
# Each loader is called by its name below; these never are, whatever a file says it is.
pyvips.block_untrusted_set(True)
for _loader in ("VipsForeignLoadSvg", "VipsForeignLoadPdf", "VipsForeignLoadMagick", "VipsForeignLoadMagick7"):
    pyvips.operation_block_set(_loader, True)


class Facts(msgspec.Struct, frozen=True):
    """What the file says about itself."""

    format: str
    width: int
    height: int
    """Upright, in pixels, of the original, even where it was decoded smaller."""
    pages: int = 1
    taken_at: str = ""
    camera: str = ""


def open_picture(data: bytes, max_pixels: int, enough: int = 0) -> tuple[pyvips.Image, Facts]:
    """The first frame of `data`, upright, sRGB, 8 bit, with 3 bands, or 4 where it has transparency.

    Where the format can be decoded smaller for less work and `enough` is given, the picture may come
    smaller, but with no side below `enough` pixels that was above it. Raises `Spoiled`, or
    `pyvips.Error` when the pixels turn out to be damaged later.
    """
    kind = sniff(data)
    try:
        header = _load(kind, data)
        image, facts = header, _facts(kind, header)
        _check(facts, max_pixels)
        if enough and kind in ("jpeg", "webp"):
            image = _load(kind, data, smaller=min(facts.width, facts.height) / enough)
        return _upright_srgb(image), facts
    except pyvips.Error as error:
        raise Spoiled("decode", unreadable(kind, error)) from None


def unreadable(kind: str, error: Exception) -> str:
    """A sentence for the owner of a damaged file."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = r"(?i)premature|truncat|corrupt|end of|expected|invalid"
    detail = next((line for line in lines if re.search(telling, line)), "")
    return f"The {NAMES[kind]} file is damaged or cut off" + (f" ({detail[:120]})." if detail else ".")


def open_frames(data: bytes, kind: str, frames: int) -> pyvips.Image:
    """The first `frames` frames of a GIF or WebP under one another, sRGB, 8 bit; page-height is set."""
    return _load(kind, data, frames=frames).colourspace("srgb")


def shrunk(image: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """`image` no wider than `width` and no higher than `height`, its shape kept; never enlarged."""
    scale = min(width / image.width, height / image.height, 1.0)
    if scale == 1.0:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.thumbnail_image(size[0], height=size[1], size="force", no_rotate=True)


def opaque(image: pyvips.Image) -> pyvips.Image:
    """Transparency over white, as on a page."""
    return image.flatten(background=255) if image.bands == 4 else image


def sample(image: pyvips.Image, width: int, height: int) -> Pixels:
    """`image` squeezed to (height, width, bands) uint8."""
    small = image.thumbnail_image(width, height=height, size="force", no_rotate=True)
    return np.asarray(small.numpy())


def _load(kind: str, data: bytes, smaller: float = 1.0, frames: int = 1) -> pyvips.Image:
    """The matching decoder, called by name; nothing but the header is read yet, except for HEIC and BMP."""
    whole: dict[str, Any] = {"access": "sequential", "fail_on": "error"}
    match kind:
        case "jpeg":
            factor = next(f for f in (8, 4, 2, 1) if f <= max(smaller, 1))
            return pyvips.Image.jpegload_buffer(data, shrink=factor, **whole)
        case "webp":
            return pyvips.Image.webpload_buffer(data, n=frames, scale=min(1 / max(smaller, 1), 1), **whole)
        case "gif":
            if data[6:8] == b"\0\0" or data[8:10] == b"\0\0":  # libnsgif would take it for 1
                raise Spoiled("decode", "It has no pixels.")
            return pyvips.Image.gifload_buffer(data, n=frames, **whole)
        case "png":
            return pyvips.Image.pngload_buffer(data, **whole)
        case "tiff":
            return pyvips.Image.tiffload_buffer(data, **whole)
        case "avif":
            return pyvips.Image.heifload_buffer(data, **whole)
        case "heic":
            return _heic(data)
        case _:
            return _bmp(data)


def _facts(kind: str, image: pyvips.Image) -> Facts:
    turned = _get(image, "orientation", 1) in (5, 6, 7, 8)
    width, height = image.width, image.height
    taken_at, camera = _exif(_get(image, "exif-data", b""))
    return Facts(
        format=kind,
        width=height if turned else width,
        height=width if turned else height,
        pages=int(_get(image, "n-pages", 1)) if kind in ("gif", "webp") else 1,
        taken_at=taken_at,
        camera=camera,
    )


def _check(facts: Facts, max_pixels: int) -> None:
    pixels = facts.width * facts.height
    size = f"{facts.width:,} × {facts.height:,} pixels"
    if pixels == 0:
        raise Spoiled("decode", "It has no pixels.")
    if pixels > max_pixels:
        raise Spoiled("decode", f"It is {size}; at most {max_pixels / 1e6:,.0f} million pixels are taken.")
    if facts.pages > MAX_FRAMES or pixels * facts.pages > max_pixels:
        raise Spoiled("decode", f"It moves over {facts.pages:,} frames of {size}, which is too much.")
    if max(facts.width, facts.height) > MAX_ASPECT * min(facts.width, facts.height):
        raise Spoiled("decode", f"It is {size}: a strip more than {MAX_ASPECT} times as long as wide.")


def _upright_srgb(image: pyvips.Image) -> pyvips.Image:
    image = _srgb(image)
    if image.bands > 4:
        image = image.extract_band(0, n=3)
    if _get(image, "orientation", 1) != 1:
        image = image.copy_memory().autorot()  # turning needs all of it; a sequential decoder gives rows once
    return image


def _srgb(image: pyvips.Image) -> pyvips.Image:
    profile = _get(image, "icc-profile-data", b"")
    cmyk = image.interpretation == "cmyk"
    if (profile and not _is_srgb(profile)) or cmyk:
        with contextlib.suppress(pyvips.Error):  # a broken profile is no reason to lose the picture
            how: dict[str, Any] = {"embedded": True, "intent": "relative", "black_point_compensation": True}
            if cmyk:
                how["input_profile"] = "cmyk"
            image = image.icc_transform("srgb", **how)
    if image.interpretation != "srgb" or image.format != "uchar" or image.bands < 3:
        image = image.colourspace("srgb").cast("uchar")
    return image


def _is_srgb(profile: bytes) -> bool:
    """Whether the profile's description says sRGB (ICC.1:2022, 7.3 tag table): then nothing is to be done."""
    count = int.from_bytes(profile[128:132], "big")
    for at in range(132, 132 + 12 * min(count, 100), 12):
        if profile[at : at + 4] == b"desc":
            offset, size = (int.from_bytes(profile[at + k : at + k + 4], "big") for k in (4, 8))
            text = profile[offset : offset + size]
            return b"sRGB" in text or "sRGB".encode("utf-16-be") in text
    return False


def _heic(data: bytes) -> pyvips.Image:
    # libvips' wheel comes without an HEVC decoder. libheif turns the picture upright itself.
    import pi_heif
    from pi_heif import options

    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    try:
        file = pi_heif.open_heif(io.BytesIO(data))
        width, height = file.size
        if width * height > 2**28:
            raise Spoiled("decode", f"It is {width:,} × {height:,} pixels, which is too much.")
        pi_heif.set_orientation(file.info)  # else it would be turned again
        pixels = np.array(file)  # a copy: the decoder frees its own with `file`
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError, IndexError) as error:
        raise Spoiled("decode", unreadable("heic", error)) from None
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb" if pixels.ndim == 3 else "b-w")
    for name, blob in (("exif-data", file.info.get("exif")), ("icc-profile-data", file.info.get("icc_profile"))):
        if blob:
            image.set_type(pyvips.GValue.blob_type, name, blob)
    return image


def _bmp(data: bytes) -> pyvips.Image:
    import PIL.Image

    PIL.Image.MAX_IMAGE_PIXELS = None  # `_check` decides, and says so in words
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["BMP"]) as file:
            if file.width * file.height > 2**28:
                raise Spoiled("decode", f"It is {file.width:,} × {file.height:,} pixels, which is too much.")
            pixels = np.asarray(file.convert("RGBA" if "A" in file.getbands() else "RGB"))
    except (ValueError, EOFError, SyntaxError, OSError) as error:
        raise Spoiled("decode", unreadable("bmp", error)) from None
    return pyvips.Image.new_from_array(pixels, interpretation="srgb")


def _exif(blob: bytes) -> tuple[str, str]:
    """When it was taken, as ISO 8601 local time, and by which camera; empty where unknown."""
    import PIL.Image

    exif = PIL.Image.Exif()
    try:
        exif.load(blob)
        more = exif.get_ifd(0x8769)
        taken = str(more.get(0x9003) or exif.get(0x0132) or "")
        make, model = (str(exif.get(tag) or "").replace("\0", " ").strip() for tag in (0x010F, 0x0110))
    except Exception:  # a foreign parser over foreign bytes: whatever it raises, there is no date
        return "", ""
    found = re.match(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d:\d\d:\d\d)", taken)
    camera = model if not make or model.lower().startswith(make.split()[0].lower()) else f"{make} {model}"
    return "{}-{}-{}T{}".format(*found.groups()) if found else "", camera.strip()[:100]


def _get(image: pyvips.Image, name: str, otherwise: Any) -> Any:
    return image.get(name) if image.get_typeof(name) else otherwise
