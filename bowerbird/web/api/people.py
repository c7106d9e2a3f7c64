"""Accounts: signing up, logging in, oneself, others, and tokens for programs."""

from __future__ import annotations

import time
from typing import Any

from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET

from bowerbird.catalog import NotFound, boards, pins, tokens, users
from bowerbird.model import EventKind, User
from bowerbird.web import acts, auth
from bowerbird.web.api.shapes import (
    Account,
    AccountChange,
    BoardOut,
    Bookmark,
    Farewell,
    Limit,
    LogIn,
    PasswordChange,
    PathId,
    SignUp,
    TokenForm,
    TokenOut,
    UserOut,
    Wall,
    account,
    board_out,
    token_out,
    user_out,
)
from bowerbird.web.auth import Viewer, in_person, logged_in
from bowerbird.web.cards import cards
from bowerbird.web.errors import told
from bowerbird.web.site import Site, in_turn

Asked = Request[Any, Any, Any]


@post("/users", opt={"also": [409, 429]}, sync_to_thread=True)
def sign_up(request: Asked, site: Site, data: SignUp) -> Account:
    """Make an account. The first one is the administrator's; later ones only where sign-up is open."""
    with told():
        return account(auth.sign_up(site, request, data.username, data.password, data.name))


@get("/users/{username:str}", sync_to_thread=True)
def get_user(site: Site, username: str) -> UserOut:
    return user_out(_user(site, username))


@get("/users/{username:str}/boards", sync_to_thread=True)
def list_user_boards(site: Site, viewer: Viewer, username: str) -> list[BoardOut]:
    """A user's boards, as far as you may see them."""
    user = _user(site, username)
    with site.engines.database.read() as conn:
        found = boards.of_user(conn, user.id, viewer.id)
    return [board_out(board, viewer, site.signer) for board in found]


@get("/users/{username:str}/pins")
@in_turn
def list_user_pins(site: Site, viewer: Viewer, username: str, bookmark: Bookmark = None, limit: Limit = 25) -> Wall:
    """A user's pins, newest first, as far as you may see them."""
    user = _user(site, username)
    with site.engines.database.read() as conn:
        found = pins.of_user(conn, user.id, viewer.id, int(bookmark) if bookmark else None, limit)
    following = str(found[-1].id) if len(found) == limit else None
    return Wall(cards(site.engines, found, site.signer), following)


@post("/session", opt={"also": [429]}, status_code=200, sync_to_thread=True)
def log_in(request: Asked, site: Site, data: LogIn) -> Response[Account]:
    """Log in: sets the session's cookie, and tells its CSRF token."""
    cookie, viewer = auth.log_in(site, request, data.username, data.password)
    return Response(account(viewer.known(), viewer.csrf), cookies=[cookie])


@delete("/session", sync_to_thread=True)
def log_out(request: Asked, site: Site) -> Response[None]:
    """Log out. Without a session nothing happens."""
    return Response(None, status_code=204, cookies=[auth.log_out(site, request)])


@delete("/session/others", guards=[in_person], sync_to_thread=True)
def log_out_elsewhere(site: Site, viewer: Viewer) -> None:
    """Log out everywhere else: every other login of yours ends."""
    auth.end_others(site, viewer)


@get("/me", guards=[logged_in], sync_to_thread=False)
def get_me(viewer: Viewer) -> Account:
    return account(viewer.known(), viewer.csrf)


@patch("/me", guards=[logged_in], sync_to_thread=True)
def change_me(site: Site, viewer: Viewer, data: AccountChange) -> Account:
    fields = {name: value for name in ("name", "about") if (value := getattr(data, name)) is not UNSET}
    with told(), site.engines.database.write() as conn:
        return account(users.update(conn, viewer.known().id, **fields), viewer.csrf)


@delete("/me", guards=[in_person], opt={"also": [429]}, sync_to_thread=True)
def delete_me(site: Site, viewer: Viewer, data: Farewell) -> Response[None]:
    """Delete your account with all its pins and boards. There is no way back."""
    auth.confirm(site, viewer.known(), data.password)
    with site.engines.database.write() as conn:
        users.delete(conn, viewer.known().id)
    acts.note(site, acts.act(EventKind.BOARD, viewer.known().id))
    return Response(None, status_code=204, cookies=[auth.set_cookie(site.rules, "", age=0)])


@post("/me/password", guards=[in_person], opt={"also": [429]}, status_code=204, sync_to_thread=True)
def change_password(site: Site, viewer: Viewer, data: PasswordChange) -> None:
    """Change your password. Every other login of yours ends."""
    with told():
        auth.change_password(site, viewer, data.old, data.new)


@get("/tokens", guards=[in_person], sync_to_thread=True)
def list_tokens(site: Site, viewer: Viewer) -> list[TokenOut]:
    with site.engines.database.read() as conn:
        return [token_out(token) for token in tokens.list_of(conn, viewer.known().id)]


@post("/tokens", guards=[in_person], sync_to_thread=True)
def create_token(site: Site, viewer: Viewer, data: TokenForm) -> TokenOut:
    """Make a token for a program. It is told only in this answer."""
    expires_at = time.time() + data.days * 86_400
    with told(), site.engines.database.write() as conn:
        secret, token = tokens.create(conn, viewer.known().id, data.name, data.scopes, expires_at)
    return token_out(token, secret)


@delete("/tokens/{token_id:int}", guards=[in_person], sync_to_thread=True)
def delete_token(site: Site, viewer: Viewer, token_id: PathId) -> None:
    """Revoke a token at once."""
    with site.engines.database.write() as conn:
        tokens.delete(conn, viewer.known().id, token_id)


def _user(site: Site, username: str) -> User:
    with site.engines.database.read() as conn:
        user = users.by_name(conn, username)
    if user is None:
        raise NotFound("There is no such user.")
    return user
