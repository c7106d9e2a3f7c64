"""What a file is, by its first bytes. A name or a declared type is never believed."""

from __future__ import annotations

from bowerbird.darkroom import Spoiled

NAMES = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "avif": "AVIF",
    "heic": "HEIC",
    "gif": "GIF",
    "tiff": "TIFF",
    "bmp": "BMP",
}
"""The formats taken, and how people write them."""

_HEVC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_AV1 = {b"avif", b"avis"}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_REFUSED = {
    b"%PDF": "a PDF document",
    b"%!PS": "a PostScript document",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL picture",
    b"8BPS": "a Photoshop document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a compressed archive",
    b"\x1aE\xdf\xa3": "a video",
}


def sniff(data: bytes) -> str:
    """The format of `data`, a key of `NAMES`. Raises `Spoiled`."""
    found = _image(data[:4096])
    if found is not None:
        return found
    what = _other(data[:1024])
    wanted = ", ".join(NAMES.values())
    raise Spoiled("sniff", f"This is {what}. Pictures may be {wanted}.")


def _image(head: bytes) -> str | None:
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(_TIFF):
        return "tiff"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if head[4:8] == b"ftyp":
        return _boxed(head)
    return None


def _boxed(head: bytes) -> str | None:
    """HEIC or AVIF by the brands of an ISO base media file (ISO/IEC 14496-12, 4.3)."""
    end = min(max(int.from_bytes(head[:4], "big"), 16), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    for brand in brands:
        if brand in _AV1:
            return "avif"
        if brand in _HEVC:
            return "heic"
    return None


def _other(head: bytes) -> str:
    for magic, what in _REFUSED.items():
        if head.startswith(magic):
            return what
    if head[4:8] == b"ftyp":
        return "a video"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        return "an SVG drawing"
    if text.startswith((b"<!doctype html", b"<html")) or b"<html" in text:
        return "a web page"
    if text.startswith(b"<?xml"):
        return "an XML document"
    return "no picture that is known here"
