"""A pin's page, its words, and the boards it is saved to."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import msgspec
import structlog
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException
from litestar.params import Body
from litestar.response import Redirect
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, boards, faces, pins, users
from bowerbird.ingest import lifecycle
from bowerbird.model import Board, Look, Pin, State
from bowerbird.ports import Unavailable
from bowerbird.web import acts, feeds, finding, limits
from bowerbird.web.acts import Via
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import Card, animation, cards, covers, looks, renditions
from bowerbird.web.finding import BoxText
from bowerbird.web.pages.choosing import id_of
from bowerbird.web.pages.walls import PAGE, Mark, Part, PathId, address, show
from bowerbird.web.site import Site, in_turn

log = structlog.get_logger("bowerbird.web")

URL = Body(media_type=RequestEncodingType.URL_ENCODED)
FIELDS = ("title", "description", "link", "alt")


KINDS = {"crop": "cropped", "resize": "other size", "recompress": "saved anew", "flip": "mirrored"}
MOST_KIN = 6


class Words(msgspec.Struct):
    title: str = ""
    description: str = ""
    link: str = ""
    alt: str = ""


class Choice(msgspec.Struct):
    """A board by id, to save to or (`off`) to take from; or the name of a new one."""

    board: str = ""
    off: str = ""
    name: str = ""
    secret: str = ""
    via: str = ""
    """Where the picture was found, as `acts.where` reads it."""


class Kin(NamedTuple):
    kind: str
    card: Card


class Row(NamedTuple):
    board: Board
    held: bool
    cover: str


@get("/pin/{pin_id:int}", guards=[limits.part_looked_at], include_in_schema=False)
@in_turn
def pin(
    site: Site, viewer: Viewer, pin_id: PathId, box: BoxText = None, bookmark: Mark = "", part: Part = ""
) -> Response[str]:
    shown = finding.pin(site, viewer.id, pin_id)
    if part == "kin":
        kin, late = _kin(site, viewer, shown) if shown.user_id == viewer.id else ([], False)
        return site.page(viewer, "kin.html", kin=kin, late=late)
    near, following, request = _related(site, viewer, shown, box, bookmark)
    more = address(f"/pin/{pin_id}", box=box or "", bookmark=following) if following else ""
    if part == "wall":
        return show(site, viewer, part, "pin.html", near, more, request)
    look = looks(site.engines, [shown.image.media]).get(shown.image.media)
    about = _about(site, viewer, shown, look)
    return show(site, viewer, part, "pin.html", near, more, request, box=box, **about)


def _related(
    site: Site, viewer: Viewer, shown: Pin, box: str | None, bookmark: str
) -> tuple[list[Card], str | None, str]:
    if shown.image.state is not State.READY:
        return [], None, ""
    if not box:
        made = feeds.related(site, viewer.id, shown.id, bookmark, PAGE)
        return made.cards, made.bookmark, made.request
    plain = bookmark if bookmark.isdecimal() else None
    return *finding.related(site, viewer.id, shown.id, box, plain, PAGE), ""


def _about(site: Site, viewer: Viewer, shown: Pin, look: Look | None) -> dict[str, Any]:
    """What the page says of a pin."""
    mine = shown.user_id == viewer.id
    with site.engines.database.read() as conn:
        owner = users.by_id(conn, shown.user_id)
        held = boards.holding(conn, shown.id, viewer.id, limit=6)
    sources = renditions(shown, look, site.signer)
    kin, late = _kin(site, viewer, shown) if mine and sources else ([], False)
    described = ", ".join(tag.name for tag in look.tags[:2]) if look else ""
    return {
        "pin": shown,
        "owner": owner,
        "mine": mine,
        "held": held,
        "look": look,
        "name": shown.title or described.capitalize() or "Untitled",
        "alt": shown.alt or shown.title or described or "Picture",
        "source": pins.host_of(shown.link).removeprefix("www."),
        "sources": sources,
        "srcset": ", ".join(f"{url} {width}w" for url, width, _ in sources),
        "width": look.width if look else 0,
        "height": look.height if look else 0,
        "animation": animation(shown, look, site.signer),
        "kin": kin,
        "late": late,
    }


def _kin(site: Site, viewer: Viewer, shown: Pin) -> tuple[list[Kin], bool]:
    """For its owner: pins with nearly the same picture, and whether more may be found in a moment."""
    try:
        near = finding.near_duplicates(site, viewer.id, shown.image.id)
    except Unavailable as error:
        log.warning("near-duplicates left out", why=str(error))
        return [], False
    known = near.pins[:MOST_KIN]
    drawn = cards(site.engines, [one for one, _ in known], site.signer)
    found = [Kin(KINDS[kind], card) for (_, kind), card in zip(known, drawn, strict=True) if card.src]
    return found, not near.whole


@get("/pin/{pin_id:int}/edit", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def edit_form(site: Site, viewer: Viewer, pin_id: PathId) -> Response[str]:
    return site.page(viewer, "pin_edit.html", pin=_own(site, viewer, pin_id), wrong="")


@post("/pin/{pin_id:int}/edit", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def edit(site: Site, viewer: Viewer, pin_id: PathId, data: Annotated[Words, URL]) -> Response[Any]:
    fields = {name: getattr(data, name) for name in FIELDS}
    try:
        with site.engines.database.write() as conn:
            pins.update(conn, pin_id, viewer.known().id, **fields)
        faces.forget(site.engines, pin_id)
    except ValueError as error:
        tried = msgspec.structs.replace(_own(site, viewer, pin_id), **fields)
        return site.page(viewer, "pin_edit.html", status=422, pin=tried, wrong=str(error))
    return Redirect(f"/pin/{pin_id}", status_code=303)


@post("/pin/{pin_id:int}/delete", sync_to_thread=True, guards=[logged_in], include_in_schema=False)
def delete(site: Site, viewer: Viewer, pin_id: PathId) -> Redirect:
    me = viewer.known()
    lifecycle.delete_pin(site.engines, pin_id, me.id, admin=viewer.is_admin)
    return Redirect(f"/u/{me.username}?what=pins", status_code=303)


def _own(site: Site, viewer: Viewer, pin_id: int) -> Pin:
    shown = finding.pin(site, viewer.id, pin_id)
    if shown.user_id != viewer.id:
        raise HTTPException("Only its owner may change a pin.", status_code=403)
    return shown


@get("/pin/{pin_id:int}/save", sync_to_thread=True, include_in_schema=False)
def save_form(site: Site, viewer: Viewer, pin_id: PathId, part: Part = "", via: Via = "") -> Response[Any]:
    if viewer.user is None:
        return Redirect(address("/login", next=f"/pin/{pin_id}/save"))
    return _picker(site, viewer, pin_id, part, via)


@post("/pin/{pin_id:int}/save", sync_to_thread=True, guards=[logged_in, limits.acting], include_in_schema=False)
def save(site: Site, viewer: Viewer, pin_id: PathId, data: Annotated[Choice, URL], part: Part = "") -> Response[Any]:
    me = viewer.known().id
    try:
        with site.engines.database.write() as conn:
            board = _chosen(conn, me, data)
            event = (acts.unsave if data.off else acts.save)(conn, me, board.id, pin_id, data.via)
    except ValueError as error:
        return _picker(site, viewer, pin_id, part, data.via, str(error), data.name)
    acts.note(site, event)
    if part != "dialog":
        return Redirect(f"/pin/{pin_id}", status_code=303)
    answer = _picker(site, viewer, pin_id, part, data.via)
    answer.headers["X-Said"] = quote(f"Taken from {board.name}" if data.off else f"Saved to {board.name}")
    return answer


def _chosen(conn: Connection, user_id: int, data: Choice) -> Board:
    """Raises `NotFound`, and ValueError for what is no board or no name of one."""
    board_id = id_of(data.board, "board")
    if board_id is None:
        return boards.create(conn, user_id, data.name, secret=bool(data.secret))
    board = boards.get(conn, board_id, user_id)
    if board is None:
        raise NotFound("There is no such board.")
    return board


def _picker(
    site: Site, viewer: Viewer, pin_id: int, part: Part, via: str, wrong: str = "", name: str = ""
) -> Response[str]:
    """The boards to choose from; `wrong` is said of what was tried, which may be a new one's `name`."""
    me = viewer.known().id
    with site.engines.database.read() as conn:
        shown = finding.pin(site, me, pin_id)
        mine = boards.of_user(conn, me, me)
        held = boards.with_pin(conn, [board.id for board in mine], pin_id)
    drawn = [(board, covers(board, me, site.signer)) for board in mine]
    rows = [Row(board, board.id in held, urls[0] if urls else "") for board, urls in drawn]
    template = "save.html" if part == "dialog" else "save_page.html"
    context = {"pin": shown, "rows": rows, "via": via, "wrong": wrong, "name": name}
    return site.page(viewer, template, status=422 if wrong else 200, **context)


ROUTES = [pin, edit_form, edit, delete, save_form, save]
