"""Adding pictures. With scripts the page talks to the API; without them a plain form does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import TooManyRequestsException
from litestar.params import Body
from litestar.response import Redirect

from bowerbird.catalog import boards, pins
from bowerbird.ingest import fetch, upload
from bowerbird.web import limits
from bowerbird.web.auth import Viewer
from bowerbird.web.pages.choosing import id_of
from bowerbird.web.pages.walls import address
from bowerbird.web.site import Site

UNFINISHED = 50
"""Pictures on their way that the page lists."""
NAME = 80
"""Characters of a file's name that the page shows."""


class Form(msgspec.Struct):
    picture: list[UploadFile] = []
    board: str = ""
    url: str = ""


@get("/upload", sync_to_thread=True, include_in_schema=False)
def form(site: Site, viewer: Viewer, board: str = "") -> Response[Any]:
    return page(site, viewer, board) if viewer.user else Redirect(address("/login", next="/upload"))


def page(site: Site, viewer: Viewer, board: str, wrong: str = "", status: int = 200) -> Response[str]:
    me = viewer.known().id
    with site.engines.database.read() as conn:
        theirs = boards.of_user(conn, me, me)
        unfinished = pins.mine_unfinished(conn, me, UNFINISHED)
    context = {"boards": theirs, "chosen": board, "unfinished": unfinished, "wrong": wrong, "tab": "upload"}
    return site.page(viewer, "upload.html", status=status, **context)


@post("/upload", sync_to_thread=True, opt={"upload": True}, include_in_schema=False)
def take(
    site: Site, viewer: Viewer, data: Annotated[Form, Body(media_type=RequestEncodingType.MULTI_PART)]
) -> Response[Any]:
    me = viewer.known().id
    name = ""
    added: list[str] = []
    try:
        board_id = id_of(data.board, "board")
        for name, one in _given(data):
            limits.allow(site.engines.cache, f"upload:{me}", site.rules.uploads_per_hour, limits.HOUR)
            _take(site, me, one, board_id)
            added.append(name)
    except (ValueError, TooManyRequestsException) as error:
        return _stopped(site, viewer, data.board, error, name, added)
    return Redirect(address("/upload", board=data.board), status_code=303)


def _given(data: Form) -> Iterator[tuple[str, UploadFile | str]]:
    """Each file and the address, with what it is called."""
    for file in data.picture:
        if file.filename:
            yield file.filename[:NAME], file
    if data.url:
        yield data.url[:NAME], data.url


def _take(site: Site, user_id: int, one: UploadFile | str, board_id: int | None) -> None:
    if isinstance(one, str):
        fetch.request(site.engines, user_id, one, board_id=board_id)
        return
    content = one.file.read(site.rules.max_upload + 1)
    upload.accept(site.engines, user_id, content, board_id=board_id, max_bytes=site.rules.max_upload)


def _stopped(site: Site, viewer: Viewer, board: str, error: Exception, name: str, added: list[str]) -> Response[str]:
    """The page again, with what was wrong with the one of this name, and what was taken before it."""
    if isinstance(error, TooManyRequestsException):
        status, words, headers = 429, error.detail, error.headers or {}
    else:
        status, words, headers = 422, str(error), {}
    wrong = f"{name}: {words}" if name else words
    if added:
        wrong += f" Added before it: {', '.join(added)}."
    answer = page(site, viewer, board, wrong, status)
    answer.headers.update(headers)
    return answer


ROUTES = [form, take]
