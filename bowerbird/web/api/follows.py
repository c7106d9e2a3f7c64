"""Following people and boards, and the wall of what one follows."""

from __future__ import annotations

from litestar import delete, get, put

from bowerbird.catalog import NotFound, boards, follows, users
from bowerbird.model import EventKind, User
from bowerbird.web import acts, limits
from bowerbird.web.acts import Via
from bowerbird.web.api.shapes import Bookmark, Limit, PathId, UserOut, Wall, user_out
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import cards
from bowerbird.web.errors import told
from bowerbird.web.site import Site


@get("/following", guards=[logged_in], sync_to_thread=True)
def list_following(site: Site, viewer: Viewer, bookmark: Bookmark = None, limit: Limit = 25) -> Wall:
    """What came to the people and boards that you follow, latest first."""
    with site.engines.database.read() as conn:
        found = follows.wall(conn, viewer.known().id, int(bookmark) if bookmark else None, limit)
    following = str(found[-1].id) if len(found) == limit else None
    return Wall(cards(site.engines, found, site.signer), following)


@get("/users/{username:str}/followers", sync_to_thread=True)
def list_followers(site: Site, username: str) -> list[UserOut]:
    """Who follows someone, the latest first, at most 200."""
    user = _user(site, username)
    with site.engines.database.read() as conn:
        return [user_out(one) for one in follows.followers(conn, user.id)]


@get("/users/{username:str}/following", sync_to_thread=True)
def list_followed(site: Site, username: str) -> list[UserOut]:
    """Whom someone follows, the latest first, at most 200."""
    user = _user(site, username)
    with site.engines.database.read() as conn:
        return [user_out(one) for one in follows.following(conn, user.id)]


@put("/users/{username:str}/follow", guards=[logged_in, limits.acting], status_code=204, sync_to_thread=True)
def follow_user(site: Site, viewer: Viewer, username: str, via: Via = "") -> None:
    """Follow someone: your feed has more of what they pin and keep."""
    me, user = viewer.known().id, _user(site, username)
    with told(), site.engines.database.write() as conn:
        new = follows.person(conn, me, user.id)
    if new:
        acts.note(site, acts.act(EventKind.FOLLOW, me, via=via, followed_id=user.id))


@delete("/users/{username:str}/follow", guards=[logged_in, limits.acting], sync_to_thread=True)
def unfollow_user(site: Site, viewer: Viewer, username: str, via: Via = "") -> None:
    """Stop following someone."""
    me, user = viewer.known().id, _user(site, username)
    with site.engines.database.write() as conn:
        gone = follows.unfollow_person(conn, me, user.id)
    if gone:
        acts.note(site, acts.act(EventKind.UNFOLLOW, me, via=via, followed_id=user.id))


@put("/boards/{board_id:int}/follow", guards=[logged_in, limits.acting], status_code=204, sync_to_thread=True)
def follow_board(site: Site, viewer: Viewer, board_id: PathId, via: Via = "") -> None:
    """Follow someone's open board."""
    me = viewer.known().id
    with told(), site.engines.database.write() as conn:
        new = follows.board(conn, me, board_id)
    if new:
        acts.note(site, acts.act(EventKind.FOLLOW, me, via=via, board_id=board_id))


@delete("/boards/{board_id:int}/follow", guards=[logged_in, limits.acting], sync_to_thread=True)
def unfollow_board(site: Site, viewer: Viewer, board_id: PathId, via: Via = "") -> None:
    """Stop following a board."""
    me = viewer.known().id
    with site.engines.database.write() as conn:
        if boards.get(conn, board_id, me) is None:
            raise NotFound("There is no such board.")
        gone = follows.unfollow_board(conn, me, board_id)
    if gone:
        acts.note(site, acts.act(EventKind.UNFOLLOW, me, via=via, board_id=board_id))


def _user(site: Site, username: str) -> User:
    with site.engines.database.read() as conn:
        user = users.by_name(conn, username)
    if user is None:
        raise NotFound("There is no such user.")
    return user
