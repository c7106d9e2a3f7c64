"""The application: one route table, what surrounds every route, and how it starts and stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jinja2
from litestar import Litestar, Request, Response, Router, get
from litestar.datastructures import State
from litestar.di import Provide

from bowerbird.darkroom.process import Darkroom
from bowerbird.ports import Engines
from bowerbird.settings import BadSetting, Settings, secret_key
from bowerbird.web import auth, current, errors, limits, logs, media, ops, pages
from bowerbird.web.api import ROUTES as API
from bowerbird.web.api import docs
from bowerbird.web.assets import Assets
from bowerbird.web.balance import Balance
from bowerbird.web.edge import Edge
from bowerbird.web.media import Signer
from bowerbird.web.site import Rules, Site

TEMPLATES = Path(__file__).parent / "templates"
FORM = 1 << 20
"""Bytes of a body that carries no picture."""
HERE, AFAR = 1, 8
"""Walls of a process that are made at a time: where this process is all that they need, and where others are asked."""


@get("/media/{key:path}", sync_to_thread=True, opt={"anonymous": True}, include_in_schema=False)
def picture(request: Request[Any, Any, Any], site: Site, key: str) -> Response[bytes]:
    return media.serve(request, site.engines, site.signer, key.lstrip("/"))


@get("/static/{version:str}/{name:path}", sync_to_thread=False, opt={"anonymous": True}, include_in_schema=False)
def asset(request: Request[Any, Any, Any], assets: Assets, version: str, name: str) -> Response[bytes]:
    return assets.serve(request, version, name)


def routes(max_upload: int) -> list[Any]:
    """Every route there is; those that take pictures take larger bodies."""
    return [
        Router("/", route_handlers=sized(pages.ROUTES, max_upload)),
        Router(
            "/api/v1",
            route_handlers=[
                Router("/", tags=[tag], route_handlers=sized(group, max_upload)) for tag, group in API.items()
            ],
        ),
        docs.page,
        picture,
        asset,
        ops.healthz,
        ops.readyz,
        ops.metrics,
    ]


def sized(handlers: Sequence[Any], max_upload: int) -> list[Any]:
    """These handlers, with room for a picture in the bodies of those marked `upload`."""
    large = [handler for handler in handlers if handler.opt.get("upload")]
    small = [handler for handler in handlers if handler not in large]
    return [*small, Router("/", route_handlers=large, request_max_body_size=max_upload + FORM)]


def create_app(settings: Settings, engines: Engines, darkroom: Darkroom, *, close: bool = False) -> Litestar:
    """The application over these engines; `close`: it closes them and the darkroom at its end. Raises `BadSetting`."""
    logs.configure(settings.log_format, settings.log_level)
    assets = Assets()
    afar = settings.database or settings.metadata or settings.vectors or settings.cache
    turns = AFAR if afar else HERE
    site = Site(engines, darkroom, Signer(secret_key(settings)), rules(settings), templates(assets), turns)
    meters = ops.Meters(engines, site.feed.missed)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        ops.upkeep(site, meters)
        current.follow(site.feed, settings.data, site.closing)
        try:
            yield
        finally:
            site.closing.set()
            if close:
                darkroom.close()
                engines.close()

    app = Litestar(
        route_handlers=routes(site.rules.max_upload),
        dependencies={
            "site": Provide(lambda: site, sync_to_thread=False),
            "viewer": Provide(_viewer, sync_to_thread=False),
            "assets": Provide(lambda: assets, sync_to_thread=False),
            "meters": Provide(lambda: meters, sync_to_thread=False),
        },
        middleware=[auth.Identify(site)],
        guards=[auth.permitted],
        before_request=auth.readable,
        exception_handlers={Exception: errors.handle},
        lifespan=[lifespan],
        openapi_config=docs.config(),
        request_max_body_size=FORM,
        multipart_form_part_limit=32,
        state=State({"site": site}),
        logging_config=None,
    )
    balance = Balance(settings.data / f"web-{settings.port}", settings.web_workers)
    app.asgi_handler = Edge(app.asgi_handler, meters.request, engines.database, settings.secure_cookies, balance)
    return app


def rules(settings: Settings) -> Rules:
    return Rules(
        public_url=settings.public_url,
        signup_open=settings.signup == "open",
        secure_cookies=settings.secure_cookies,
        session_days=settings.session_days,
        trusted_proxies=_proxies(settings.trusted_proxies),
        login_tries=settings.login_tries,
        uploads_per_hour=settings.uploads_per_hour,
        max_upload=settings.max_upload_mb << 20,
        max_pixels=settings.max_pixels,
    )


def templates(assets: Assets) -> jinja2.Environment:
    """Templates of `templates/`; `static('app.css')` gives the address of a static file."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    env.globals.update(pages.GLOBALS, static=assets.url)
    return env


def _viewer(request: Request[Any, Any, Any], site: Site) -> auth.Viewer:
    # It asks for the site only so that the two come one after the other: Litestar starts tasks for what could come
    # together, which costs more than all that these do.
    viewer: auth.Viewer = request.scope["user"]
    return viewer


def _proxies(text: str) -> tuple[limits.Network, ...]:
    try:
        return limits.networks(text)
    except ValueError as error:
        raise BadSetting(
            f"BOWERBIRD_TRUSTED_PROXIES is {text!r}: {error}. Give addresses or networks, comma-separated."
        ) from error
