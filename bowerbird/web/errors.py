"""What went wrong, told clearly: JSON `{"error": {"code", "message"}}` under /api, a page elsewhere."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import ClientException, HTTPException, ValidationException
from litestar.response import Redirect

from bowerbird import catalog
from bowerbird.darkroom import Spoiled
from bowerbird.ingest.upload import Refused
from bowerbird.ports import Full, Unavailable
from bowerbird.web.auth import NOBODY
from bowerbird.web.site import Site

log = structlog.get_logger("bowerbird.web")


WHAT = {
    "database": "The catalogue of pins and boards",
    "blobs": "The store of pictures",
    "queue": "The queue of work",
    "metadata": "What is known of pictures and people",
    "events": "The log of what happens",
    "vectors": "Search by look",
    "darkroom": "The room where pictures are opened",
}
"""In a visitor's words, what an adapter's folder stands for."""
COMFORT = "Nothing that was saved is lost. Please try again in a moment."
FULL = "The disk of this server is full; its administrator must make room. Nothing that was saved is lost."


class Wrong(msgspec.Struct, frozen=True):
    code: str
    """A word for programs: `not_found`, `too_many_requests`, …"""
    message: str
    """A sentence for people."""


class Error(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: Wrong


@contextmanager
def told() -> Iterator[None]:
    """Around catalog calls with what someone typed: their ValueErrors become 422 with the same words."""
    try:
        yield
    except catalog.Taken:
        raise
    except ValueError as error:
        raise ClientException(str(error), status_code=HTTPStatus.UNPROCESSABLE_ENTITY) from error


def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The handler of every exception that leaves a route, or for which there is no route."""
    code, message, headers = _explained(error)
    status = int(code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("failed", path=request.scope["path"], status=status, exc_info=error)
    path = request.scope["path"]
    if status == HTTPStatus.UNAUTHORIZED and request.method == "GET" and not path.startswith(("/api/", "/media/")):
        asked = urlencode({"next": request.url.path + (f"?{request.url.query}" if request.url.query else "")})
        return Redirect(f"/login?{asked}", status_code=303)
    if path.startswith("/api/"):
        body = Error(Wrong(HTTPStatus(status).name.lower(), message))
        return Response(body, status_code=status, headers=headers, media_type="application/json")
    return _page(request, status, message, headers)


def _explained(error: Exception) -> tuple[int, str, dict[str, str]]:
    match error:
        case ValidationException():
            return HTTPStatus.UNPROCESSABLE_ENTITY, _details(error), {}
        case HTTPException():
            known = HTTPStatus(error.status_code)
            plain = error.detail if error.detail and error.detail != known.phrase else f"{known.phrase}."
            return error.status_code, plain, _headers(error)
        case catalog.NotFound():
            return HTTPStatus.NOT_FOUND, _words(error), {}
        case catalog.Taken():
            return HTTPStatus.CONFLICT, _words(error), {}
        case catalog.Forbidden():
            return HTTPStatus.FORBIDDEN, _words(error), {}
        case Refused():
            return HTTPStatus.UNPROCESSABLE_ENTITY, _words(error), {}
        case Spoiled():
            return HTTPStatus.UNPROCESSABLE_ENTITY, error.reason, {}
        case Full():
            return HTTPStatus.INSUFFICIENT_STORAGE, FULL, {}
        case Unavailable():
            what = next((WHAT[port] for port in _ports(error) if port in WHAT), "Part of the service")
            return HTTPStatus.SERVICE_UNAVAILABLE, f"{what} cannot be reached just now. {COMFORT}", {"Retry-After": "5"}
        case _:
            return HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.", {}


def _ports(error: Unavailable) -> Iterator[str]:
    """Those whose adapters it came through. Its own words name hosts, which are no visitor's business: they are in the
    log."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        kind, _, rest = frame.f_globals.get("__name__", "").removeprefix("bowerbird.").partition(".")
        if kind in ("adapters", "darkroom"):
            yield rest.partition(".")[0] if kind == "adapters" else kind


def _headers(error: HTTPException) -> dict[str, str]:
    headers = {name.title(): value for name, value in (error.headers or {}).items()}
    if "GET" in headers.get("Allow", ""):
        headers["Allow"] += ", HEAD"
    return headers


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else str(error) or type(error).__name__


def _details(error: ValidationException) -> str:
    if not isinstance(error.extra, list):
        return error.detail
    parts = [f"{part.get('key', '')}: {part.get('message', '')}".lstrip(": ") for part in error.extra]
    return "; ".join(parts) or error.detail


def _page(request: Request[Any, Any, Any], status: int, message: str, headers: dict[str, str]) -> Response[str]:
    site: Site = request.app.state.site
    viewer = request.scope.get("user") or NOBODY
    try:
        page = site.page(viewer, "error.html", status=status, code=status, message=message)
    except Exception as failure:  # whatever is wrong with the page, what went wrong before it must be told
        log.error("no error page", exc_info=failure)
        page = Response(f"{status}: {message}\n", status_code=status, media_type="text/plain")
    page.headers.update(headers)
    return page
