"""The outermost layer: request ids, HEAD, security headers, compression, metrics and the access log.

It wraps the whole application, so that what no route answers (404, 405) passes through it as well.
"""

from __future__ import annotations

import re
import secrets
import time
import zlib
from collections.abc import Callable
from typing import Any, Protocol, cast

import structlog
from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from bowerbird.web.auth import NOBODY, SAFE
from bowerbird.web.balance import Balance

log = structlog.get_logger("bowerbird.access")

REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
COMPRESSIBLE = (b"text/", b"application/json", b"application/javascript", b"image/svg+xml", b"application/openmetrics")
SMALLEST = 1024
"""Bytes below which compression is not worth its header."""
MOST = 256
"""Requests of one process that wait for their answer; with an engine slow, more would only wait longer."""
ALWAYS = ("/static/", "/healthz", "/readyz", "/metrics")
"""Paths answered however many wait."""
BUSY = b"The service is busy. Try again in a moment.\n"
QUIET = ("/media/", "/static/", "/healthz", "/readyz", "/metrics")
"""Paths logged at debug level only."""

POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "script-src 'self'",
        "style-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS: list[tuple[bytes, bytes]] = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]
HSTS = (b"strict-transport-security", b"max-age=31536000")

WRITTEN = re.compile(rb"(?:^|; ?)bowerbird_written=([0-9a-f._-]{1,600})(?:;|$)")
SEEN = b"bowerbird_written=%s; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
"""For a minute: a replica that is further behind answers no page."""

Headers = list[tuple[bytes, bytes]]
Meter = Callable[[str, str, int, float], None]


class Written(Protocol):
    """What the database tells of its replicas; see `ports.Database`."""

    def position(self) -> str: ...
    def catch_up(self, position: str) -> None: ...


class Edge:
    def __init__(self, app: ASGIApp, meter: Meter, written: Written, secure: bool, balance: Balance) -> None:
        """`meter(method, route, status, seconds)` counts each request."""
        self.app = app
        self.meter = meter
        self.written = written
        self.cookie = SEEN + (b"; Secure" if secure else b"")
        self.headers = [*HEADERS, HSTS] if secure else HEADERS
        self.balance = balance
        self._waiting: set[Answer] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        asked = scope
        answer = Answer(asked, receive, send, self._more, self._begun)
        asked["user"] = NOBODY
        if answer.method == "HEAD":
            asked["method"] = HttpMethod.GET
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=answer.id)
        self.written.catch_up(answer.seen)
        started = time.perf_counter()
        try:
            if len(self._waiting) >= MOST and not asked["path"].startswith(ALWAYS):
                await _refuse(answer)
                return
            self._waiting.add(answer)
            self.balance.waiting(len(self._waiting))
            await self.app(scope, answer.receive, answer.send)
        finally:
            self._begun(answer)
            self._note(asked, answer, time.perf_counter() - started)

    def _begun(self, answer: Answer) -> None:
        if answer in self._waiting:  # it ends once more when all of it is out
            self._waiting.remove(answer)
            self.balance.waiting(len(self._waiting))

    def _more(self, answer: Answer) -> Headers:
        """What every answer has; after a change also how far a replica must be to show it, whichever process asks."""
        more = [*self.headers]
        if position := "" if answer.method in SAFE else self.written.position():
            more.append((b"set-cookie", self.cookie % position.encode()))
        if answer.alone and self.balance.crowded():
            more.append((b"connection", b"close"))
        return more

    def _note(self, scope: HTTPScope, answer: Answer, seconds: float) -> None:
        self.meter(answer.method, scope.get("path_template") or "none", answer.status, seconds)
        write = log.debug if scope["path"].startswith(QUIET) else log.info
        user = scope["user"].user
        write(
            "request",
            method=answer.method,
            path=scope["path"],
            status=answer.status,
            ms=round(seconds * 1000, 1),
            bytes=answer.bytes,
            **({"user": user.username} if user else {}),
        )


async def _refuse(answer: Answer) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"5")]
    await answer.send({"type": "http.response.start", "status": 503, "headers": headers})
    await answer.send({"type": "http.response.body", "body": BUSY, "more_body": False})


class Answer:
    """One response on its way out."""

    def __init__(
        self,
        scope: HTTPScope,
        receive: Receive,
        send: Send,
        headers: Callable[[Answer], Headers],
        begun: Callable[[Answer], None],
    ) -> None:
        """`begun(self)` is told once the answer begins: a stream that goes on for ever waits for nothing."""
        sent = dict(scope["headers"])
        given = sent.get(b"x-request-id", b"")
        self.id = given.decode() if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        found = WRITTEN.search(b"; ".join(value for name, value in scope["headers"] if name == b"cookie"))
        self.seen = found[1].decode() if found else ""
        """The position that the browser was told."""
        self.method = scope["method"]
        self.alone = scope["http_version"] == "1.1"
        """On its connection."""
        self.status = 500
        self.bytes = 0
        self._gzip = b"gzip" in sent.get(b"accept-encoding", b"")
        self._receive, self._send = receive, send
        self._headers = headers
        self._begins = begun
        self._start: dict[str, Any] | None = None
        self._ended = False

    async def receive(self) -> Any:
        # A stream asked for by HEAD is over once its headers are out.
        return {"type": "http.disconnect"} if self._ended else await self._receive()

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._start = message
            return
        if message["type"] != "http.response.body" or self._ended:
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            self._begins(self)
            body = self._begun(start, body, more)
            await self._send(cast("Message", start))
        if self.method == "HEAD":
            self._ended = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        self.bytes += len(body)
        self._ended = not more
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _begun(self, start: dict[str, Any], body: bytes, more: bool) -> bytes:
        """Adds our headers to `start`; the body, compressed if it is whole and worth it."""
        headers = [*start["headers"], *self._headers(self), (b"x-request-id", self.id.encode())]
        named = {name.lower(): value for name, value in start["headers"]}
        kind = named.get(b"content-type", b"")
        if kind.startswith(COMPRESSIBLE) and not more:
            headers.append((b"vary", b"Accept-Encoding"))
            if self._gzip and len(body) >= SMALLEST and b"content-encoding" not in named:
                squeeze = zlib.compressobj(4, zlib.DEFLATED, 31)
                body = squeeze.compress(body) + squeeze.flush()
                headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
                headers += [(b"content-encoding", b"gzip"), (b"content-length", str(len(body)).encode())]
        start["headers"] = headers
        return body
