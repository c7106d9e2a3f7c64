"""Search: by words, by colour, by a picture that is not kept, or by these together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body, QueryParameter

from bowerbird.catalog import pins
from bowerbird.darkroom import Spoiled
from bowerbird.model import EventKind
from bowerbird.search.ask import Query
from bowerbird.web import acts, finding, limits
from bowerbird.web.auth import Viewer
from bowerbird.web.cards import Card, looks
from bowerbird.web.pages.colours import COLOURS
from bowerbird.web.pages.walls import PAGE, Bookmark, Part, address, show
from bowerbird.web.site import Site, in_turn

Words = Annotated[str, QueryParameter(name="q", max_length=200)]
Colour = Annotated[str, QueryParameter(name="colour", max_length=9)]
HEX = re.compile(r"#?([0-9a-fA-F]{6})")
SUGGESTED = 12


class Asked(msgspec.Struct):
    picture: UploadFile | None = None
    box: str = ""
    q: str = ""
    colour: str = ""


@get("/search", include_in_schema=False)
@in_turn
def search(
    site: Site, viewer: Viewer, q: Words = "", colour: Colour = "", bookmark: Bookmark = 0, part: Part = ""
) -> Response[str]:
    words = q.strip()
    hue = hue_of(colour)
    query = Query(words=words, colour=hue)
    asked = bool(words or hue)
    wall, following = finding.found(site, viewer.id, query, str(bookmark), PAGE) if asked else ([], None)
    more = address("/search", q=words, colour=hue[1:], bookmark=following) if following else ""
    about = {"words": words, "colour": hue, "asked": asked, "heading": heading(words, hue), "tab": "search"}
    tags = [] if part else suggested(site, viewer, wall, words)
    if words and viewer.id and not part and not bookmark:
        acts.later(site, acts.act(EventKind.SEARCH, viewer.id, words=words))
    return show(site, viewer, part, "search.html", wall, more, "", tags=tags, **about)


def hue_of(colour: str) -> str:
    """`#rrggbb`, or nothing for nothing. Raises 422 for what is no colour."""
    match = HEX.fullmatch(colour.strip())
    if colour.strip() and not match:
        raise ClientException("A colour is six hex digits, like 2f45c5.", status_code=422)
    return f"#{match[1].lower()}" if match else ""


def heading(words: str, hue: str) -> str:
    name = next((name.lower() for known, name, _ in COLOURS if known == hue), hue)
    if words and hue:
        return f"Pictures for “{words}” in {name}"
    return f"Pictures for “{words}”" if words else f"Pictures in {name}" if hue else "Search"


def suggested(site: Site, viewer: Viewer, wall: Sequence[Card], words: str) -> list[str]:
    """Tags that lead on: the commonest of what was found, or of the newest pictures before anything is asked."""
    with site.engines.database.read() as conn:
        if wall:
            shown = list(pins.get_many(conn, [int(card.id) for card in wall], viewer.id).values())
        else:
            shown = pins.newest(conn, viewer.id, None, 2 * PAGE)
    known = looks(site.engines, [pin.image.media for pin in shown])
    counted = Counter(tag.name for look in known.values() for tag in look.tags)
    asked = words.lower()
    return [name for name, _ in counted.most_common(SUGGESTED + 1) if name.lower() != asked][:SUGGESTED]


@get("/visual", sync_to_thread=True, include_in_schema=False)
def visual(site: Site, viewer: Viewer) -> Response[str]:
    return site.page(viewer, "visual.html", cards=None, more="", wrong="", tab="search")


@post("/visual", sync_to_thread=True, status_code=200, opt={"upload": True}, include_in_schema=False)
def by_picture(
    site: Site,
    viewer: Viewer,
    request: Request,  # type: ignore[type-arg]
    data: Annotated[Asked, Body(media_type=RequestEncodingType.MULTI_PART)],
    part: Part = "",
) -> Response[str]:
    """Pictures like an upload that is not kept, or like its part; narrowed by words and a colour, if there are any."""
    limits.allow_look(request, viewer.id)
    content = data.picture.file.read(site.rules.max_upload + 1) if data.picture else b""
    try:
        if not content or len(content) > site.rules.max_upload:
            raise Spoiled("open", "Choose a picture." if not content else "The file is too large.")
        vector = finding.of_picture(site, content, data.box)
    except Spoiled as error:
        if part:
            raise
        context = {"cards": None, "more": "", "wrong": str(error.reason), "tab": "search"}
        return site.page(viewer, "visual.html", status=422, **context)
    query = Query(words=data.q.strip()[:200], colour=hue_of(data.colour), vector=vector)
    wall, _ = finding.found(site, viewer.id, query, None, 2 * PAGE)
    return show(site, viewer, part, "visual.html", wall, "", wrong="", tab="search")


ROUTES = [search, visual, by_picture]
