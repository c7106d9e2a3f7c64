"""A person's page: boards, and pins."""

from __future__ import annotations

from typing import Literal

from litestar import Response, get
from litestar.exceptions import NotFoundException

from bowerbird.catalog import boards, pins, users
from bowerbird.web.auth import Viewer
from bowerbird.web.cards import covers
from bowerbird.web.pages.walls import PAGE, Bookmark, Part, cut, show
from bowerbird.web.site import Site


@get("/u/{username:str}", sync_to_thread=True, include_in_schema=False)
def profile(
    site: Site,
    viewer: Viewer,
    username: str,
    what: Literal["boards", "pins"] = "boards",
    bookmark: Bookmark = 0,
    part: Part = "",
) -> Response[str]:
    with site.engines.database.read() as conn:
        person = users.by_name(conn, username)
        if person is None or (person.disabled and not viewer.is_admin):
            raise NotFoundException("There is nobody of that name.")
        theirs = boards.of_user(conn, person.id, viewer.id) if what == "boards" else []
        found = pins.of_user(conn, person.id, viewer.id, bookmark or None, PAGE + 1) if what == "pins" else []
    wall, more = cut(site, viewer, found, f"/u/{person.username}", what="pins")
    mine = person.id == viewer.id
    return show(
        site,
        viewer,
        part,
        "profile.html",
        wall,
        more,
        person=person,
        boards=[(board, covers(board, viewer.id, site.signer)[:3]) for board in theirs],
        what=what,
        mine=mine,
        tab="you" if mine else "",
    )


ROUTES = [profile]
