"""Search: by words, by colour, by picture, by a part of a picture, or by several of these at once."""

from __future__ import annotations

import re
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body, QueryParameter

from bowerbird.ingest import upload
from bowerbird.model import EventKind, Scope
from bowerbird.search.ask import Query
from bowerbird.web import acts, finding, limits
from bowerbird.web.api.shapes import Bookmark, Limit, PathId, PictureQuery, Wall
from bowerbird.web.auth import Viewer
from bowerbird.web.errors import told
from bowerbird.web.finding import BoxText
from bowerbird.web.site import Site, in_turn

UPLOAD = Body(media_type=RequestEncodingType.MULTI_PART)
Words = Annotated[str, QueryParameter(max_length=200, description="Words; the last may be a beginning.")]
Colour = Annotated[str, QueryParameter(pattern="^(#?[0-9A-Fa-f]{6})?$", description="A colour as `rrggbb`.")]


@get("/search", guards=[limits.part_looked_at])
@in_turn
def search(
    site: Site,
    viewer: Viewer,
    q: Words = "",
    colour: Colour = "",
    pin: PathId | None = None,
    box: BoxText = None,
    bookmark: Bookmark = None,
    limit: Limit = 25,
) -> Wall:
    """Words, a colour, a pin or a part of it (`box`), each alone or fused into one ranking."""
    hexed = _hexed(colour)
    if not (re.search(r"\w", q) or hexed or pin):
        raise ClientException("Ask for words (`q`), a `colour` or a `pin`.", status_code=422)
    query = finding.of_pin(site, viewer.id, pin, box, q, hexed) if pin else Query(words=q, colour=hexed)
    if q.strip() and viewer.id and not bookmark:
        acts.later(site, acts.act(EventKind.SEARCH, viewer.id, words=q.strip()))
    with told():
        return Wall(*finding.found(site, viewer.id, query, bookmark, limit))


@post("/search/picture", opt={"scope": Scope.READ, "upload": True, "also": [429]}, status_code=200, sync_to_thread=True)
def search_picture(
    request: Request[Any, Any, Any],
    site: Site,
    viewer: Viewer,
    data: Annotated[PictureQuery, UPLOAD],
    limit: Limit = 25,
) -> Wall:
    """Pictures that belong with one that you upload, or with a part of it; with words (`q`) or a `colour`, fused into
    one ranking. It is not kept."""
    limits.allow_look(request, viewer.id)
    content = data.picture.file.read(site.rules.max_upload + 1)
    with told():
        upload.check(content, site.rules.max_upload)
    vector = finding.of_picture(site, content, data.box)
    query = Query(words=data.q, colour=_hexed(data.colour), vector=vector)
    with told():
        found, _ = finding.found(site, viewer.id, query, None, limit)
    return Wall(found, None)


def _hexed(colour: str) -> str:
    return f"#{colour.removeprefix('#')}" if colour else ""
