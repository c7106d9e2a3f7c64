"""A page with a wall on it, or only the further cards that endless scroll asks for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from litestar import Response
from litestar.params import PathParameter, QueryParameter

from bowerbird.model import Pin
from bowerbird.web.auth import Viewer
from bowerbird.web.cards import Card, cards
from bowerbird.web.site import Site

PAGE = 36
"""Cards that come at once; enough to fill a wide screen and a half."""

Bookmark = Annotated[int, QueryParameter(name="bookmark", ge=0, le=2**63 - 1)]
Mark = Annotated[str, QueryParameter(name="bookmark", pattern="^([0-9A-Za-z_-]{1,60}[.])?[0-9]{0,18}$")]
"""Of a wall that may have been made for someone: the list's name and a place on it."""
Part = Literal["", "wall", "dialog", "kin"]
PathId = Annotated[int, PathParameter(ge=1, le=2**63 - 1)]


def show(
    site: Site,
    viewer: Viewer,
    part: Part,
    template: str,
    wall: Sequence[Card],
    more: str,
    request: str = "",
    **context: Any,
) -> Response[str]:
    """`template` with a wall, or only its cards; `more` is the address of the next page, if there is one, and
    `request` names the feed request that a wall made for this viewer comes from."""
    if part == "wall":
        return site.page(viewer, "wall.html", cards=wall, more=more, first=2, request=request)
    return site.page(viewer, template, cards=wall, more=more, request=request, **context)


def cut(site: Site, viewer: Viewer, pins: list[Pin], path: str, **query: str) -> tuple[list[Card], str]:
    """Cards of the first PAGE of `pins`, one more of which was asked for, and the address of the next page."""
    page = pins[:PAGE]
    more = address(path, **query, bookmark=str(page[-1].id)) if len(pins) > PAGE else ""
    return cards(site.engines, page, site.signer), more


def address(path: str, **query: str) -> str:
    return f"{path}?{urlencode({name: value for name, value in query.items() if value})}".removesuffix("?")


def day(seconds: float) -> str:
    return time.strftime("%-d %b %Y", time.gmtime(seconds))
