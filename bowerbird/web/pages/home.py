"""The first page: what was chosen for someone, what they follow, what is popular, what is new."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Response, get
from litestar.params import QueryParameter

from bowerbird.catalog import follows, pins
from bowerbird.web import feeds
from bowerbird.web.auth import Viewer
from bowerbird.web.pages.search import suggested
from bowerbird.web.pages.walls import PAGE, Mark, Part, address, cut, show
from bowerbird.web.site import Site, in_turn

Tab = Literal["", "following", "popular", "newest"]
Tag = Annotated[str, QueryParameter(pattern=feeds.TAG)]
"""Of what is popular, only what has it."""


@get("/", include_in_schema=False)
@in_turn
def home(
    site: Site, viewer: Viewer, what: Tab = "", tag: Tag = "", bookmark: Mark = "", part: Part = ""
) -> Response[str]:
    chosen = what or ("" if viewer.id else "newest")
    plain = int(bookmark) if bookmark.isdecimal() else 0
    tags: list[str] = []
    if chosen == "following" and viewer.id:
        with site.engines.database.read() as conn:
            found = follows.wall(conn, viewer.id, plain or None, PAGE + 1)
        wall, more = cut(site, viewer, found, "/", what=chosen)
    elif chosen == "popular":
        wall, following = feeds.popular(site, viewer.id, plain, PAGE, tag)
        more = address("/", what=chosen, tag=tag, bookmark=str(following)) if following else ""
        tags = suggested(site, viewer, wall, tag) if wall and not part else []
    elif chosen == "" and viewer.id:
        made = feeds.home(site, viewer.id, bookmark, PAGE)
        more = address("/", bookmark=made.bookmark or "") if made.bookmark else ""
        return show(
            site, viewer, part, "home.html", made.cards, more, made.request, what="", tab="home", tag="", tags=[]
        )
    else:
        chosen = "newest"
        with site.engines.database.read() as conn:
            found = pins.newest(conn, viewer.id, plain or None, PAGE + 1)
        wall, more = cut(site, viewer, found, "/", what=what)
    return show(site, viewer, part, "home.html", wall, more, what=chosen, tab="home", tag=tag, tags=tags)


ROUTES = [home]
