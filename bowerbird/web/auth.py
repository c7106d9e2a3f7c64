"""Who asks, and whether they may: passwords, sessions, tokens, CSRF.

A browser shows its cookie, and for every unsafe request the CSRF token of its session; a program shows
`Authorization: Bearer bb_…`, whose scopes bound what it may do. Nobody's request that a browser says
comes from another site changes anything (Sec-Fetch-Site, or Origin in older ones), so that logging in
and signing up, for which there is no session yet, cannot be forged either.
"""

from __future__ import annotations

import hmac
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import argon2
import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from bowerbird.catalog import sessions, tokens, users
from bowerbird.model import Role, Session, Token, User
from bowerbird.model import Scope as TokenScope
from bowerbird.ports import Unavailable
from bowerbird.web import limits
from bowerbird.web.site import Rules, Site

COOKIE = "bowerbird_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SHORTEST, LONGEST = 8, 200
"""Characters of a password."""
USED_EVERY = 300
"""Seconds between two notes of a token's use, so that reading with one does not write each time."""


class Viewer(msgspec.Struct, frozen=True):
    """Whoever asks: a person by session, a program by token, or nobody known."""

    user: User | None = None
    session: Session | None = None
    token: Token | None = None

    @property
    def id(self) -> int | None:
        return self.user.id if self.user else None

    @property
    def csrf(self) -> str:
        return self.session.csrf if self.session else ""

    @property
    def is_admin(self) -> bool:
        """A token makes no more of its owner than its scopes say."""
        bounded = self.token is not None and TokenScope.ADMIN not in self.token.scopes
        return self.user is not None and self.user.role is Role.ADMIN and not bounded

    def known(self) -> User:
        """Raises 401 for nobody known."""
        if self.user is None:
            raise NotAuthorizedException("Log in first.")
        return self.user


NOBODY = Viewer()


class Passwords:
    """argon2id with OWASP's memory of 19 MiB or more; at most two at a time, so that logins cannot fill memory."""

    def __init__(self, time_cost: int = 3, memory_kib: int = 32 * 1024) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._turn = threading.BoundedSemaphore(2)
        self._nobody = self._hasher.hash("the password of nobody")

    def hash(self, password: str) -> str:
        with self._turn:
            return self._hasher.hash(password)

    def matches(self, known: str | None, password: str) -> bool:
        """As slow for an unknown user (None) as for a known one."""
        with self._turn:
            try:
                self._hasher.verify(known or self._nobody, password)
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False
        return known is not None

    def stale(self, known: str) -> bool:
        """Whether it was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(known)


PASSWORDS = Passwords()


class Identify(ASGIMiddleware):
    """Puts the Viewer into the scope; asks the catalog only if the request shows a cookie or a token."""

    exclude_opt_key = "anonymous"

    def __init__(self, site: Site) -> None:
        self.site = site

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        shown = connection.headers.get("authorization", "")
        cookie = connection.cookies.get(COOKIE, "")
        if shown or cookie:
            scope["user"] = await anyio.to_thread.run_sync(identify, self.site, shown, cookie)
        await next_app(scope, receive, send)


def identify(site: Site, shown: str, cookie: str) -> Viewer:
    """The Viewer of an Authorization header or a cookie; raises 401 for a token that does not hold."""
    if not shown:
        with site.engines.database.read() as conn:
            found = sessions.get(conn, cookie)
        return Viewer(user=found[1], session=found[0]) if found else NOBODY
    kind, _, secret = shown.partition(" ")
    with site.engines.database.read() as conn:
        known = tokens.get(conn, secret.strip()) if kind.lower() == "bearer" else None
    if known is None:
        raise NotAuthorizedException("This token is unknown or has expired.", headers={"WWW-Authenticate": "Bearer"})
    token, user = known
    if token.used_at < time.time() - USED_EVERY:
        # Who only reads needs no writer.
        with suppress(Unavailable), site.engines.database.write() as conn:
            tokens.used(conn, token.id)
    return Viewer(user=user, token=token)


async def permitted(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every route: scopes for tokens, CSRF for sessions, no other site's requests for anyone."""
    viewer: Viewer = connection.scope.get("user") or NOBODY
    method = connection.scope.get("method", "")
    if viewer.token:
        wanted = handler.opt.get("scope") or (TokenScope.READ if method in SAFE else TokenScope.WRITE)
        if wanted not in viewer.token.scopes:
            raise PermissionDeniedException(f"This token lacks the scope `{wanted}`.")
        return
    if method in SAFE:
        return
    site: Site = connection.app.state.site
    if _elsewhere(connection, site.rules):
        raise PermissionDeniedException("This request comes from another site.")
    if viewer.session and not await _shows_csrf(connection, viewer.session.csrf):
        raise PermissionDeniedException("The CSRF token is missing or wrong. Reload the page and try again.")


# What stands before a handler is a coroutine even where it awaits nothing: Litestar gives a plain function to a thread,
# and then a request waits for one twice; with a slow engine also those that ask no engine.


async def readable(request: Request[Any, Any, Any]) -> None:
    """Before every handler, once the guards are content: the body is of the type that it takes. Raises 415."""
    field = request.route_handler.parsed_data_field
    if field is None:
        return
    kind = getattr(field.kwarg_definition, "media_type", None)
    wanted = kind.value if isinstance(kind, RequestEncodingType) else "application/json"
    if request.content_type[0] != wanted:
        raise UnsupportedMediaType(f"Send this as {wanted}.")


class Beacon(msgspec.Struct):
    csrf: str = ""


class UnsupportedMediaType(HTTPException):
    status_code = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


async def logged_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    viewer: Viewer = connection.scope.get("user") or NOBODY
    viewer.known()


async def in_person(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """For what would let a stolen token outlive itself: passwords, tokens, the account."""
    viewer: Viewer = connection.scope.get("user") or NOBODY
    viewer.known()
    if viewer.token:
        raise PermissionDeniedException("A token cannot do this; log in.")


async def admin(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    viewer: Viewer = connection.scope.get("user") or NOBODY
    viewer.known()
    if not viewer.is_admin:
        raise PermissionDeniedException("Only an administrator may do this.")


async def _shows_csrf(connection: ASGIConnection[Any, Any, Any, Any], wanted: str) -> bool:
    shown = connection.headers.get("x-csrf-token")
    if shown is None and isinstance(connection, Request):
        kind = connection.content_type[0]
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            shown = (await connection.form()).get("csrf")
        elif kind == "application/json" and connection.route_handler.opt.get("beacon"):
            shown = _said(await connection.body())
    return isinstance(shown, str) and hmac.compare_digest(shown.encode(), wanted.encode())


def _said(body: bytes) -> str | None:
    """The token in the JSON of a beacon, which can set no header."""
    try:
        return msgspec.json.decode(body, type=Beacon).csrf
    except msgspec.DecodeError:
        return None


def _elsewhere(connection: ASGIConnection[Any, Any, Any, Any], rules: Rules) -> bool:
    """Whether a browser says that another site's page made this request; programs say nothing."""
    origin = connection.headers.get("origin", "")
    if origin and rules.public_url and origin == rules.public_url.rstrip("/"):
        return False
    fetched = connection.headers.get("sec-fetch-site")
    if fetched:
        return fetched not in ("same-origin", "none")
    return bool(origin) and urlsplit(origin).netloc != connection.headers.get("host", "")


def sign_up(site: Site, request: Request[Any, Any, Any], username: str, password: str, name: str = "") -> User:
    """A new account; the first is the administrator's.

    Raises 403 where sign-up is closed, 429, `catalog.Taken`, and ValueError for a name or password that cannot be.
    """
    where = limits.address(request, site.rules.trusted_proxies)
    limits.allow(site.engines.cache, f"signup:{where}", limits.SIGN_UPS_PER_HOUR, limits.HOUR)
    if not site.rules.signup_open:
        with site.engines.database.read() as conn:
            if users.count(conn):
                raise PermissionDeniedException("Sign-up is closed here. Ask the administrator for an account.")
    check_password(password)
    hashed = PASSWORDS.hash(password)
    with site.engines.database.write() as conn:
        return users.create(conn, username, hashed, name)


def log_in(site: Site, request: Request[Any, Any, Any], username: str, password: str) -> tuple[Cookie, Viewer]:
    """The cookie to set, and who they are. Raises 401, and 429 past the tries of the address or the account."""
    cache, tries = site.engines.cache, site.rules.login_tries
    limits.allow(cache, f"login:{limits.address(request, site.rules.trusted_proxies)}", tries, limits.QUARTER)
    limits.allow(cache, f"login-as:{username.strip().lower()[:64]}", tries, limits.QUARTER)
    with site.engines.database.read() as conn:
        found = users.password(conn, username)
    right = PASSWORDS.matches(found[1] if found else None, password[:LONGEST])
    if not right or found is None or found[0].disabled:
        raise NotAuthorizedException("The username or the password is wrong.")
    user, hashed = found
    better = PASSWORDS.hash(password) if PASSWORDS.stale(hashed) else ""
    with site.engines.database.write() as conn:
        if better:
            users.set_password(conn, user.id, better)
        cookie, session = sessions.create(conn, user.id, site.rules.session_days)
    return set_cookie(site.rules, cookie), Viewer(user=user, session=session)


def log_out(site: Site, request: Request[Any, Any, Any]) -> Cookie:
    """Ends the session; the cookie that clears the browser's."""
    with site.engines.database.write() as conn:
        sessions.delete(conn, request.cookies.get(COOKIE, ""))
    return set_cookie(site.rules, "", age=0)


def end_others(site: Site, viewer: Viewer) -> None:
    """End every other login of theirs."""
    with site.engines.database.write() as conn:
        sessions.delete_all(conn, viewer.known().id, keep=viewer.session.id if viewer.session else None)


def change_password(site: Site, viewer: Viewer, old: str, new: str) -> None:
    """Ends every other login of theirs. Raises 403 for a wrong old password, 429, ValueError for a bad new one."""
    user = viewer.known()
    confirm(site, user, old)
    check_password(new)
    hashed = PASSWORDS.hash(new)
    with site.engines.database.write() as conn:
        users.set_password(conn, user.id, hashed)
        sessions.delete_all(conn, user.id, keep=viewer.session.id if viewer.session else None)


def confirm(site: Site, user: User, password: str) -> None:
    """Raises 403 unless it is the user's password, and 429 past the tries of the account."""
    limits.allow(site.engines.cache, f"login-as:{user.username}", site.rules.login_tries, limits.QUARTER)
    with site.engines.database.read() as conn:
        found = users.password(conn, user.username)
    if not PASSWORDS.matches(found[1] if found else None, password[:LONGEST]):
        raise PermissionDeniedException("The password is wrong.")


def check_password(password: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"A password has {SHORTEST} to {LONGEST} characters.")


def set_cookie(rules: Rules, value: str, age: int | None = None) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        path="/",
        max_age=rules.session_days * 86_400 if age is None else age,
        httponly=True,
        samesite="lax",
        secure=rules.secure_cookies,
    )
