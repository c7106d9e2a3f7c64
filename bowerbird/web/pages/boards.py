"""A board's page, and making, changing and deleting boards."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body, QueryParameter
from litestar.response import Redirect
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, boards, follows, pins, users
from bowerbird.model import Board, EventKind
from bowerbird.web import acts, feeds, limits
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import Card
from bowerbird.web.errors import told
from bowerbird.web.pages.choosing import id_of
from bowerbird.web.pages.walls import PAGE, Mark, Part, PathId, address, cut, show
from bowerbird.web.site import Site, in_turn


class BoardForm(msgspec.Struct):
    name: str = ""
    description: str = ""
    secret: str = ""


class MemberForm(msgspec.Struct):
    username: str = ""
    remove: str = ""


class Follow(msgspec.Struct):
    off: str = ""
    """Whether to stop."""


NONE: tuple[list[Card], str, str] = ([], "", "")
Form = Annotated[BoardForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
Members = Annotated[MemberForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


def href(board: Board) -> str:
    return f"/u/{board.username}/{board.slug}"


@get("/u/{username:str}/{slug:str}", include_in_schema=False)
@in_turn
def board(
    site: Site,
    viewer: Viewer,
    username: str,
    slug: str,
    what: Literal["pins", "ideas"] = "pins",
    bookmark: Mark = "",
    part: Part = "",
) -> Response[str]:
    with site.engines.database.read() as conn:
        found = boards.by_slug(conn, username, slug, viewer.id)
        if found is None:
            raise NotFoundException("There is no such board, or it is not for you to see.")
        about = _about(conn, viewer, found)
        after = int(bookmark) if bookmark.isdecimal() else None
        on_it = pins.of_board(conn, found.id, viewer.id, after, PAGE + 1) if what == "pins" else []
    wall, more = cut(site, viewer, on_it, href(found))
    wanted = what == "ideas" or not (more or part)
    ideas, further, request = _ideas(site, viewer, found, bookmark if what == "ideas" else "") if wanted else NONE
    if part == "wall" and what == "ideas":
        return show(site, viewer, part, "board.html", ideas, further, request)
    return show(site, viewer, part, "board.html", wall, more, request, ideas=ideas, further=further, what=what, **about)


def _ideas(site: Site, viewer: Viewer, found: Board, bookmark: str) -> tuple[list[Card], str, str]:
    """What would fit on the board, the address of the next page of it, and the list's name; for people only."""
    if viewer.id is None or not found.pin_count:
        return NONE
    made = feeds.more(site, viewer.id, found.id, bookmark, PAGE)
    further = address(href(found), what="ideas", bookmark=made.bookmark) if made.bookmark else ""
    return made.cards, further, made.request


def _about(conn: Connection, viewer: Viewer, found: Board) -> dict[str, Any]:
    return {
        "board": found,
        "members": boards.members(conn, found.id),
        "mine": found.user_id == viewer.id,
        "may_write": viewer.id is not None and boards.may_write(conn, found.id, viewer.id),
        "followers": follows.board_followers(conn, found.id),
        "followed": follows.follows_board(conn, viewer.id, found.id),
    }


@get("/boards/new", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def new_form(site: Site, viewer: Viewer) -> Response[str]:
    return site.page(viewer, "board_form.html", board=None, form=BoardForm(), members=[], wrong="")


@post("/boards/new", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def create(site: Site, viewer: Viewer, data: Form) -> Response[str] | Redirect:
    try:
        with site.engines.database.write() as conn:
            made = boards.create(conn, viewer.known().id, data.name, data.description, bool(data.secret))
    except ValueError as error:
        context: dict[str, Any] = {"board": None, "form": data, "members": [], "wrong": str(error)}
        return site.page(viewer, "board_form.html", status=422, **context)
    return Redirect(href(made), status_code=303)


@get("/boards/{board_id:int}/edit", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def edit_form(
    site: Site, viewer: Viewer, board_id: PathId, wrong: Annotated[str, QueryParameter(max_length=200)] = ""
) -> Response[str]:
    with site.engines.database.read() as conn:
        found = boards.get(conn, board_id, viewer.id)
        if found is None or found.user_id != viewer.id:
            raise NotFound("There is no such board of yours.")
        members = boards.members(conn, board_id)
    form = BoardForm(found.name, found.description, "1" if found.secret else "")
    return site.page(viewer, "board_form.html", board=found, form=form, members=members, wrong=wrong)


@post("/boards/{board_id:int}/edit", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def edit(site: Site, viewer: Viewer, board_id: PathId, data: Form) -> Redirect:
    try:
        with site.engines.database.write() as conn:
            fields = {"name": data.name, "description": data.description, "secret": bool(data.secret)}
            changed, turned = acts.change_board(conn, viewer.known().id, board_id, **fields)
    except ValueError as error:
        return Redirect(address(f"/boards/{board_id}/edit", wrong=str(error)), status_code=303)
    acts.note(site, turned)
    return Redirect(href(changed), status_code=303)


@post("/boards/{board_id:int}/members", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def members(site: Site, viewer: Viewer, board_id: PathId, data: Members) -> Redirect:
    me = viewer.known().id
    wrong = ""
    try:
        removed = id_of(data.remove, "member")
    except ValueError as error:
        return Redirect(address(f"/boards/{board_id}/edit", wrong=str(error)), status_code=303)
    with site.engines.database.write() as conn:
        if removed is not None:
            boards.remove_member(conn, board_id, removed, me)
        elif (person := users.by_name(conn, data.username)) is None:
            wrong = "There is nobody of that name."
        elif person.id == me:
            wrong = "The board is yours already."
        else:
            boards.add_member(conn, board_id, person.id, me)
    return Redirect(address(f"/boards/{board_id}/edit", wrong=wrong), status_code=303)


@post("/boards/{board_id:int}/delete", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def delete(site: Site, viewer: Viewer, board_id: PathId) -> Redirect:
    me = viewer.known()
    with site.engines.database.write() as conn:
        gone = acts.delete_board(conn, me.id, board_id)
    acts.note(site, gone)
    return Redirect(f"/u/{me.username}", status_code=303)


@post("/boards/{board_id:int}/follow", sync_to_thread=True, guards=[logged_in, limits.acting], include_in_schema=False)
def follow(
    site: Site,
    viewer: Viewer,
    board_id: PathId,
    data: Annotated[Follow, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    me = viewer.known().id
    with told(), site.engines.database.write() as conn:
        found = boards.get(conn, board_id, me)
        if found is None:
            raise NotFound("There is no such board.")
        changed = (follows.unfollow_board if data.off else follows.board)(conn, me, board_id)
    if changed:
        kind = EventKind.UNFOLLOW if data.off else EventKind.FOLLOW
        acts.note(site, acts.act(kind, me, board_id=board_id))
    return Redirect(href(found), status_code=303)


ROUTES = [board, follow, new_form, create, edit_form, edit, members, delete]
