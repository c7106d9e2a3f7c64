"""What every handler needs: the open engines, the darkroom, the signer, the rules, and how to render a page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial, wraps
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from jinja2 import Environment
from litestar import Response
from litestar.concurrency import get_asyncio_executor, sync_to_thread

from bowerbird.darkroom.process import Darkroom
from bowerbird.feed.request import Feed
from bowerbird.ports import Engines, Unavailable
from bowerbird.search.duplicates import fold
from bowerbird.web.media import Signer

if TYPE_CHECKING:
    from bowerbird.web.auth import Viewer

T = TypeVar("T")

log = structlog.get_logger("bowerbird.web")


@dataclass(frozen=True)
class Rules:
    """The settings that handlers obey, as plain values."""

    public_url: str = ""
    signup_open: bool = True
    secure_cookies: bool = False
    session_days: int = 30
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    login_tries: int = 10
    uploads_per_hour: int = 2000
    max_upload: int = 64 << 20
    """Bytes."""
    max_pixels: int = 150_000_000


class Site:
    """One a process, shared by all its threads."""

    def __init__(
        self, engines: Engines, darkroom: Darkroom, signer: Signer, rules: Rules, templates: Environment, turns: int
    ) -> None:
        self.engines = engines
        self.darkroom = darkroom
        self.signer = signer
        self.rules = rules
        self.templates = templates
        self.feed = Feed(engines, fold, keep=after_turn)
        self.turns = ThreadPoolExecutor(turns, "page")
        """The threads of `in_turn`."""
        self.closing = threading.Event()
        """Set when the service stops, so that open streams end at once."""

    def page(self, viewer: Viewer, template: str, *, status: int = 200, **context: Any) -> Response[str]:
        """An HTML page, rendered here in the handler's own thread rather than on the event loop.

        Templates are given `viewer`, `rules` and `csrf` (empty for those not logged in).
        """
        html = self.templates.get_template(template).render(
            viewer=viewer, rules=self.rules, csrf=viewer.csrf, **context
        )
        # What a page shows depends on who looks, and pages carry the CSRF token.
        headers = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}
        return Response(html, status_code=status, media_type="text/html", headers=headers)


def in_turn(handler: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """A handler of walls, which is mostly Python: so many of a process work at the same time, those that came first
    first. More threads would only fight for the interpreter's lock, which SQLite gives up at every row.

    Who searches by a `box` waits for the darkroom, and so in a thread of the other requests.
    """

    @wraps(handler)
    async def turn(*, site: Site, **asked: Any) -> T:
        threads = get_asyncio_executor() if asked.get("box") else site.turns
        left: list[Callable[[], object]] = []
        _left.set(left)
        work = partial(copy_context().run, partial(handler, site=site, **asked))
        made = await asyncio.get_running_loop().run_in_executor(threads, work)
        for each in left:
            await sync_to_thread(_done, each)
        return made

    return turn


_left: ContextVar[list[Callable[[], object]] | None] = ContextVar("left", default=None)
"""What is to be done after the turn that is under way."""


def after_turn(work: Callable[[], object]) -> None:
    """Does it before the answer goes out, but not in the turn: who writes waits for others that write, and who waits in
    a turn holds up every wall. Without a turn, at once."""
    left = _left.get()
    if left is None:
        work()
    else:
        left.append(work)


def _done(work: Callable[[], object]) -> None:
    try:
        work()
    except Unavailable as error:
        log.warning("left undone", why=str(error))
