"""Adding pictures. With scripts the page talks to the API; without them a plain form does."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from bowerbird.catalog import boards, pins
from bowerbird.ingest import fetch, upload
from bowerbird.web import limits
from bowerbird.web.auth import Viewer
from bowerbird.web.pages.walls import address
from bowerbird.web.site import Site


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
        unfinished = pins.mine_unfinished(conn, me)
    context = {"boards": theirs, "chosen": board, "unfinished": unfinished[:50], "wrong": wrong, "tab": "upload"}
    return site.page(viewer, "upload.html", status=status, **context)


@post("/upload", sync_to_thread=True, opt={"upload": True}, include_in_schema=False)
def take(
    site: Site, viewer: Viewer, data: Annotated[Form, Body(media_type=RequestEncodingType.MULTI_PART)]
) -> Response[Any]:
    me = viewer.known()
    limits.allow(site.engines.cache, f"upload:{me.id}", site.rules.uploads_per_hour, limits.HOUR)
    board_id = int(data.board) if data.board.isdecimal() else None
    files = [file for file in data.picture if file.filename]
    try:
        for file in files:
            content = file.file.read(site.rules.max_upload + 1)
            upload.accept(site.engines, me.id, content, board_id=board_id, max_bytes=site.rules.max_upload)
        if data.url:
            fetch.request(site.engines, me.id, data.url, board_id=board_id)
    except ValueError as error:
        return page(site, viewer, data.board, str(error), 422)
    return Redirect(address("/upload", board=data.board), status_code=303)


ROUTES = [form, take]
