"""Boards: making them, what is on them, and who shares them."""

from __future__ import annotations

from litestar import delete, get, patch, post, put
from msgspec import UNSET

from bowerbird.catalog import NotFound, boards, pins, users
from bowerbird.web import acts, finding, limits
from bowerbird.web.acts import Via
from bowerbird.web.api.shapes import (
    BoardChange,
    BoardForm,
    BoardOut,
    Bookmark,
    Limit,
    PathId,
    UserOut,
    Wall,
    board_out,
    user_out,
)
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import cards
from bowerbird.web.errors import told
from bowerbird.web.site import Site, in_turn


@get("/boards", guards=[logged_in], sync_to_thread=True)
def list_boards(site: Site, viewer: Viewer) -> list[BoardOut]:
    """Your boards, and those that others share with you."""
    with site.engines.database.read() as conn:
        found = boards.of_user(conn, viewer.known().id, viewer.id)
    return [board_out(board, viewer, site.signer) for board in found]


@post("/boards", guards=[logged_in], sync_to_thread=True)
def create_board(site: Site, viewer: Viewer, data: BoardForm) -> BoardOut:
    """Make a board. What is on a secret board only you and its members see."""
    with told(), site.engines.database.write() as conn:
        board = boards.create(conn, viewer.known().id, data.name, data.description, data.secret)
    return board_out(board, viewer, site.signer)


@get("/boards/{board_id:int}", sync_to_thread=True)
def get_board(site: Site, viewer: Viewer, board_id: PathId) -> BoardOut:
    return board_out(finding.board(site, viewer.id, board_id), viewer, site.signer)


@patch("/boards/{board_id:int}", guards=[logged_in], sync_to_thread=True)
def change_board(site: Site, viewer: Viewer, board_id: PathId, data: BoardChange) -> BoardOut:
    """Rename it, describe it, or make it secret or open. Turning it secret hides your pins that are nowhere else."""
    fields = {name: value for name in ("name", "description", "secret") if (value := getattr(data, name)) is not UNSET}
    with told(), site.engines.database.write() as conn:
        board, turned = acts.change_board(conn, viewer.known().id, board_id, **fields)
    acts.note(site, turned)
    return board_out(board, viewer, site.signer)


@delete("/boards/{board_id:int}", guards=[logged_in], sync_to_thread=True)
def delete_board(site: Site, viewer: Viewer, board_id: PathId) -> None:
    """Its pins stay."""
    with site.engines.database.write() as conn:
        gone = acts.delete_board(conn, viewer.known().id, board_id)
    acts.note(site, gone)


@get("/boards/{board_id:int}/pins")
@in_turn
def list_board_pins(site: Site, viewer: Viewer, board_id: PathId, bookmark: Bookmark = None, limit: Limit = 25) -> Wall:
    """What is on it, last saved first."""
    finding.board(site, viewer.id, board_id)
    with site.engines.database.read() as conn:
        found = pins.of_board(conn, board_id, viewer.id, int(bookmark) if bookmark else None, limit)
    following = str(found[-1].id) if len(found) == limit else None
    return Wall(cards(site.engines, found, site.signer), following)


@put(
    "/boards/{board_id:int}/pins/{pin_id:int}", guards=[logged_in, limits.acting], status_code=204, sync_to_thread=True
)
def save_pin(site: Site, viewer: Viewer, board_id: PathId, pin_id: PathId, via: Via = "") -> None:
    """Put a pin on a board of yours, or on one that is shared with you."""
    with site.engines.database.write() as conn:
        event = acts.save(conn, viewer.known().id, board_id, pin_id, via)
    acts.note(site, event)


@delete("/boards/{board_id:int}/pins/{pin_id:int}", guards=[logged_in, limits.acting], sync_to_thread=True)
def unsave_pin(site: Site, viewer: Viewer, board_id: PathId, pin_id: PathId, via: Via = "") -> None:
    """Take a pin off a board. The pin itself stays."""
    with site.engines.database.write() as conn:
        event = acts.unsave(conn, viewer.known().id, board_id, pin_id, via)
    acts.note(site, event)


@get("/boards/{board_id:int}/members", sync_to_thread=True)
def list_members(site: Site, viewer: Viewer, board_id: PathId) -> list[UserOut]:
    """With whom it is shared, without its owner."""
    finding.board(site, viewer.id, board_id)
    with site.engines.database.read() as conn:
        return [user_out(user) for user in boards.members(conn, board_id)]


@put("/boards/{board_id:int}/members/{username:str}", guards=[logged_in], status_code=204, sync_to_thread=True)
def add_member(site: Site, viewer: Viewer, board_id: PathId, username: str) -> None:
    """Share your board: its members see it, secret or not, and save to it."""
    with told(), site.engines.database.write() as conn:
        member = users.by_name(conn, username)
        if member is None:
            raise NotFound("There is no such user.")
        boards.add_member(conn, board_id, member.id, viewer.known().id)


@delete("/boards/{board_id:int}/members/{username:str}", guards=[logged_in], sync_to_thread=True)
def remove_member(site: Site, viewer: Viewer, board_id: PathId, username: str) -> None:
    """Stop sharing your board with someone, or leave one yourself. What they saved stays."""
    with site.engines.database.write() as conn:
        member = users.by_name(conn, username)
        if member is None:
            raise NotFound("There is no such user.")
        boards.remove_member(conn, board_id, member.id, viewer.known().id)
