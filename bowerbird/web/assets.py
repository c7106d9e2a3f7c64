"""Static files under one address that names their content, held in memory, compressed once.

`/static/<version>/app.js`: the version is a hash of all of them together, so that modules may import
each other and style sheets their icons by relative path, and every file may be kept for ever.
"""

from __future__ import annotations

import hashlib
import mimetypes
import zlib
from pathlib import Path
from typing import NamedTuple

from litestar import Request, Response
from litestar.exceptions import NotFoundException

from bowerbird.web.edge import COMPRESSIBLE
from bowerbird.web.media import YEAR

FOLDER = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".webmanifest": "application/json"}


class Asset(NamedTuple):
    body: bytes
    gzip: bytes
    """Empty where compression does not pay."""
    kind: str


class Assets:
    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _asset(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        mark = hashlib.sha256()
        for name, asset in self._files.items():
            mark.update(f"{name}:{len(asset.body)}:".encode() + asset.body)
        self.version = mark.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of a file; raises KeyError for one that is not there, so that a typing error shows at once."""
        if name not in self._files:
            raise KeyError(f"there is no static file {name}")
        return f"/static/{self.version}/{name}"

    def serve(self, request: Request, version: str, name: str) -> Response[bytes]:  # type: ignore[type-arg]
        asset = self._files.get(name.lstrip("/"))
        if asset is None:
            raise NotFoundException("There is no such file.")
        # A page from before an upgrade asks for an old version: it gets today's file, not to be kept.
        current = version == self.version
        headers = {"Cache-Control": f"public, max-age={YEAR}, immutable" if current else "no-cache"}
        if asset.gzip and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.gzip, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.kind)
        return Response(asset.body, headers=headers, media_type=asset.kind)


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    small = squeeze.compress(body) + squeeze.flush()
    worth = kind.encode().startswith(COMPRESSIBLE) and len(small) < 0.9 * len(body)
    return Asset(body, small if worth else b"", kind)
