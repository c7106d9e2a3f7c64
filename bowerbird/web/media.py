"""Serving renditions: immutable where a public pin shows the image, by signed address where none does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable

from litestar import Request, Response
from litestar.exceptions import NotFoundException

from bowerbird.catalog import images
from bowerbird.model import WIDTHS, media_key
from bowerbird.ports import Engines, Missing

RENDITIONS = frozenset([*(f"{width}x" for width in WIDTHS), "animated"])
KEY = re.compile(r"(?P<rendition>\w+)/(?:[0-9a-f]{2}/){3}(?P<media>[0-9a-f]{40})\.webp")
PERIOD = 3600
"""Seconds. Expiries are rounded up to it, so that a page seen twice has the same addresses."""
YEAR = 31_536_000


class Signer:
    """Addresses of pictures that only some may see: HMAC-SHA256 over path and expiry, cut to 128 bits."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.new(key, b"media", hashlib.sha256)

    def sign(self, path: str, now: float | None = None) -> str:
        """`path` with an expiry of one to two hours and its signature."""
        expiry = (int(time.time() if now is None else now) // PERIOD + 2) * PERIOD
        return f"{path}?e={expiry}&s={self._signature(path, expiry)}"

    def left(self, path: str, expiry: str, signature: str, now: float | None = None) -> int:
        """Seconds for which the signature still holds; 0 for a wrong or an old one."""
        if not re.fullmatch(r"[0-9]{1,12}", expiry):
            return 0
        if not hmac.compare_digest(self._signature(path, int(expiry)).encode(), signature.encode()):
            return 0
        return max(0, int(int(expiry) - (time.time() if now is None else now)))

    def _signature(self, path: str, expiry: int) -> str:
        mac = self._key.copy()
        mac.update(f"{expiry}:{path}".encode())
        return base64.urlsafe_b64encode(mac.digest()[:16]).decode().rstrip("=")


def url(rendition: str, media: str, signer: Signer | None = None) -> str:
    """The address of a rendition; signed where a signer is given."""
    return urls([rendition], media, signer)[0]


def urls(renditions: Iterable[str], media: str, signer: Signer | None = None) -> list[str]:
    """As `url`, for several of one image."""
    tail = media_key("", media)
    paths = [f"/media/{rendition}{tail}" for rendition in renditions]
    return [signer.sign(path) for path in paths] if signer else paths


def serve(request: Request, engines: Engines, signer: Signer, key: str) -> Response[bytes]:  # type: ignore[type-arg]
    """One rendition by its blob key. What may not be seen and what is not there look the same: 404."""
    match = KEY.fullmatch(key)
    if not match or match["rendition"] not in RENDITIONS or key != media_key(match["rendition"], match["media"]):
        raise NotFoundException("There is no such picture.")
    query = request.query_params
    left = signer.left(f"/media/{key}", query.get("e", ""), query.get("s", ""))
    if left:
        cache = f"private, max-age={left}, immutable"
    elif _public(engines, match["media"]):
        cache = f"public, max-age={YEAR}, immutable"
    else:
        raise NotFoundException("There is no such picture.")
    headers = {"ETag": f'"{match["media"]}"', "Cache-Control": cache}
    if match["media"] in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type="image/webp")
    try:
        return Response(engines.blobs.get(key), headers=headers, media_type="image/webp")
    except Missing as error:
        raise NotFoundException("There is no such picture.") from error


def _public(engines: Engines, media: str) -> bool:
    with engines.database.read() as conn:
        return images.is_public(conn, media)
