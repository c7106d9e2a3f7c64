"""Signing up, logging in and out, and one's own settings."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from bowerbird.catalog import Taken, tokens, users
from bowerbird.model import Scope
from bowerbird.web import auth
from bowerbird.web.auth import Viewer, in_person
from bowerbird.web.pages.walls import PathId, address, day
from bowerbird.web.site import Site

Next = Annotated[str, QueryParameter(name="next", max_length=500)]
DAYS = {"30": 30, "90": 90, "365": 365}
TOLD = {
    "profile": "Your profile is changed.",
    "password": "Your password is changed.",
    "sessions": "Every other login has ended.",
    "token": "The token is deleted.",
}


class Entry(msgspec.Struct):
    username: str = ""
    password: str = ""
    name: str = ""
    next: str = ""


class Profile(msgspec.Struct):
    name: str = ""
    about: str = ""


class Passwords(msgspec.Struct):
    old: str = ""
    new: str = ""


class TokenForm(msgspec.Struct):
    name: str = ""
    days: str = "90"
    read: str = ""
    write: str = ""
    admin: str = ""


URL = Body(media_type=RequestEncodingType.URL_ENCODED)


def onward(target: str) -> str:
    """Where to go after logging in: only to a page of this site."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and "\n" not in target
    return target if plain else "/"


def gate(site: Site, viewer: Viewer, kind: str, entry: Entry, wrong: str = "", status: int = 200) -> Response[str]:
    return site.page(
        viewer,
        "gate.html",
        status=status,
        kind=kind,
        username=entry.username,
        name=entry.name,
        next=entry.next,
        wrong=wrong,
        tab="you",
    )


@get("/login", sync_to_thread=True, include_in_schema=False)
def login_form(site: Site, viewer: Viewer, target: Next = "") -> Response[Any]:
    return Redirect(onward(target)) if viewer.user else gate(site, viewer, "login", Entry(next=target))


@post("/login", sync_to_thread=True, include_in_schema=False)
def login(site: Site, viewer: Viewer, request: Request[Any, Any, Any], data: Annotated[Entry, URL]) -> Response[Any]:
    try:
        cookie, _ = auth.log_in(site, request, data.username, data.password)
    except NotAuthorizedException as error:
        return gate(site, viewer, "login", data, error.detail, 401)
    return Redirect(onward(data.next), status_code=303, cookies=[cookie])


@get("/signup", sync_to_thread=True, include_in_schema=False)
def signup_form(site: Site, viewer: Viewer, target: Next = "") -> Response[Any]:
    return Redirect(onward(target)) if viewer.user else gate(site, viewer, "signup", Entry(next=target))


@post("/signup", sync_to_thread=True, include_in_schema=False)
def signup(site: Site, viewer: Viewer, request: Request[Any, Any, Any], data: Annotated[Entry, URL]) -> Response[Any]:
    try:
        auth.sign_up(site, request, data.username, data.password, data.name)
    except Taken as error:
        return gate(site, viewer, "signup", data, str(error), 409)
    except ValueError as error:
        return gate(site, viewer, "signup", data, str(error), 422)
    cookie, _ = auth.log_in(site, request, data.username, data.password)
    target = onward(data.next)
    return Redirect("/welcome" if target == "/" else target, status_code=303, cookies=[cookie])


@post("/logout", sync_to_thread=True, include_in_schema=False)
def logout(site: Site, request: Request[Any, Any, Any]) -> Redirect:
    return Redirect("/", status_code=303, cookies=[auth.log_out(site, request)])


def sheet(
    site: Site, viewer: Viewer, told: str = "", wrong: str = "", secret: str = "", status: int = 200
) -> Response[str]:
    with site.engines.database.read() as conn:
        mine = tokens.list_of(conn, viewer.known().id)
    return site.page(
        viewer,
        "settings.html",
        status=status,
        told=told,
        wrong=wrong,
        secret=secret,
        tokens=mine,
        now=time.time(),
        day=day,
    )


@get("/settings", sync_to_thread=True, guards=[in_person], include_in_schema=False)
def settings(site: Site, viewer: Viewer, done: Annotated[str, QueryParameter(max_length=20)] = "") -> Response[str]:
    return sheet(site, viewer, told=TOLD.get(done, ""))


def back(done: str) -> Redirect:
    return Redirect(address("/settings", done=done), status_code=303)


@post("/settings/profile", sync_to_thread=True, guards=[in_person], include_in_schema=False)
def profile(site: Site, viewer: Viewer, data: Annotated[Profile, URL]) -> Response[Any]:
    try:
        with site.engines.database.write() as conn:
            users.update(conn, viewer.known().id, name=data.name, about=data.about)
    except ValueError as error:
        return sheet(site, viewer, wrong=str(error), status=422)
    return back("profile")


@post("/settings/password", sync_to_thread=True, guards=[in_person], include_in_schema=False)
def password(site: Site, viewer: Viewer, data: Annotated[Passwords, URL]) -> Response[Any]:
    try:
        auth.change_password(site, viewer, data.old, data.new)
    except HTTPException as error:
        if error.status_code != 403:
            raise
        return sheet(site, viewer, wrong=error.detail, status=403)
    except ValueError as error:
        return sheet(site, viewer, wrong=str(error), status=422)
    return back("password")


@post("/settings/sessions", sync_to_thread=True, guards=[in_person], include_in_schema=False)
def end_sessions(site: Site, viewer: Viewer) -> Redirect:
    auth.end_others(site, viewer)
    return back("sessions")


@post("/settings/tokens", sync_to_thread=True, guards=[in_person], include_in_schema=False)
def make_token(site: Site, viewer: Viewer, data: Annotated[TokenForm, URL]) -> Response[Any]:
    wanted = [scope for scope in Scope if getattr(data, scope.value)]
    if not viewer.is_admin and Scope.ADMIN in wanted:
        wanted.remove(Scope.ADMIN)
    until = time.time() + DAYS.get(data.days, 90) * 86_400
    try:
        with site.engines.database.write() as conn:
            secret, _ = tokens.create(conn, viewer.known().id, data.name, wanted, until)
    except ValueError as error:
        return sheet(site, viewer, wrong=str(error), status=422)
    return sheet(site, viewer, secret=secret)


@post("/settings/tokens/{token_id:int}/delete", sync_to_thread=True, guards=[in_person], include_in_schema=False)
def delete_token(site: Site, viewer: Viewer, token_id: PathId) -> Redirect:
    with site.engines.database.write() as conn:
        tokens.delete(conn, viewer.known().id, token_id)
    return back("token")


ROUTES = [
    login_form,
    login,
    signup_form,
    signup,
    logout,
    settings,
    profile,
    password,
    end_sessions,
    make_token,
    delete_token,
]
