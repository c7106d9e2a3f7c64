"""The first page: the newest pictures."""

from __future__ import annotations

from litestar import Response, get

from bowerbird.catalog import pins
from bowerbird.web.auth import Viewer
from bowerbird.web.pages.walls import PAGE, Bookmark, Part, cut, show
from bowerbird.web.site import Site


@get("/", sync_to_thread=True, include_in_schema=False)
def home(site: Site, viewer: Viewer, bookmark: Bookmark = 0, part: Part = "") -> Response[str]:
    with site.engines.database.read() as conn:
        found = pins.newest(conn, viewer.id, bookmark or None, PAGE + 1)
    wall, more = cut(site, viewer, found, "/")
    return show(site, viewer, part, "home.html", wall, more, tab="home")


ROUTES = [home]
