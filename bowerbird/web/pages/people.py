"""A person's page: boards, pins, and who follows whom."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body
from litestar.response import Redirect
from sqlalchemy import Connection

from bowerbird.catalog import boards, follows, pins, users
from bowerbird.model import EventKind, User
from bowerbird.web import acts, limits
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import covers
from bowerbird.web.pages.walls import PAGE, Bookmark, Part, cut, show
from bowerbird.web.site import Site, in_turn

URL = Body(media_type=RequestEncodingType.URL_ENCODED)


class Follow(msgspec.Struct):
    off: str = ""
    """Whether to stop."""


@get("/u/{username:str}", include_in_schema=False)
@in_turn
def profile(
    site: Site,
    viewer: Viewer,
    username: str,
    what: Literal["boards", "pins", "followers", "following"] = "boards",
    bookmark: Bookmark = 0,
    part: Part = "",
) -> Response[str]:
    with site.engines.database.read() as conn:
        person = _person(conn, viewer, username)
        theirs = boards.of_user(conn, person.id, viewer.id) if what == "boards" else []
        found = pins.of_user(conn, person.id, viewer.id, bookmark or None, PAGE + 1) if what == "pins" else []
        counts = follows.counts(conn, person.id)
        followed = follows.follows_person(conn, viewer.id, person.id)
        people = {"followers": follows.followers, "following": follows.following}.get(what)
        listed = people(conn, person.id) if people else []
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
        counts=counts,
        followed=followed,
        people=listed,
        tab="you" if mine else "",
    )


@post("/u/{username:str}/follow", sync_to_thread=True, guards=[logged_in, limits.acting], include_in_schema=False)
def follow(site: Site, viewer: Viewer, username: str, data: Annotated[Follow, URL]) -> Redirect:
    me = viewer.known().id
    with site.engines.database.write() as conn:
        person = _person(conn, viewer, username)
        change = follows.unfollow_person if data.off else follows.person
        changed = person.id != me and change(conn, me, person.id)
    if changed:
        kind = EventKind.UNFOLLOW if data.off else EventKind.FOLLOW
        acts.note(site, acts.act(kind, me, followed_id=person.id))
    return Redirect(f"/u/{person.username}", status_code=303)


def _person(conn: Connection, viewer: Viewer, username: str) -> User:
    person = users.by_name(conn, username)
    if person is None or (person.disabled and not viewer.is_admin):
        raise NotFoundException("There is nobody of that name.")
    return person


ROUTES = [profile, follow]
