"""The API's description: OpenAPI for programs, one page for people, both made from the routes themselves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, SecurityScheme, Tag
from litestar.routes import HTTPRoute

from bowerbird import __version__
from bowerbird.web import auth, limits
from bowerbird.web.auth import Viewer
from bowerbird.web.site import Site

ABOUT = """\
Everything the pages do, as JSON.

**Who you are.** A program sends `Authorization: Bearer bb_…`, a personal token made under Settings, with
the scopes `read`, `write` or `admin` and an expiry. A browser sends the cookie of its session, and with
every unsafe request the session's CSRF token as `X-CSRF-Token` (or as a form's field `csrf`).

**Pages of items** carry a `bookmark`; pass it on to get the next page, until it is null.

**Errors** are `{"error": {"code": "not_found", "message": "There is no such pin."}}` with a fitting status.
What you may not know of looks as if it were not there: 404.

**Addresses of pictures** may be kept for ever where they carry no signature. Those of secret pins are
signed and end after one to two hours.
"""
TAGS = {
    "Pins": "Pictures with words, and the pictures that belong with them.",
    "Feed": "What was chosen for you, what many like, what you follow.",
    "Uploads": "What becomes of pictures on their way in.",
    "Search": "By words, by colour, by picture, by a part of a picture.",
    "Boards": "Collections of pins, open or secret, alone or with others.",
    "People": "Other users.",
    "Account": "Signing up, logging in, oneself.",
    "Tokens": "For programs. Only a person who is logged in may make them.",
    "Administration": "For administrators.",
}
LIMITING = {limits.acting, limits.part_looked_at}
"""Guards that turn away who asks too often."""
WORDS = {
    200: "Here it is.",
    201: "Made.",
    202: "Accepted; the work goes on in the background.",
    204: "Done; there is nothing to say.",
    400: "The request cannot be read.",
    401: "Nobody is logged in, or the token does not hold.",
    403: "That is not for you, the token lacks the scope, or the CSRF token is missing.",
    404: "There is no such thing, or none that you may know of.",
    409: "Someone else has that name.",
    413: "The body is too large.",
    415: "The body is of another type than this route takes.",
    422: "The request can be read, but not be used; the message says what is wrong with it.",
    429: "Too many attempts; the Retry-After header says how many seconds to wait.",
    503: "Part of the service is away; try again.",
}


class Described(OpenAPIRenderPlugin):
    """Serves the schema, completed with our errors, at the path of the configuration itself."""

    media_type = "application/vnd.oai.openapi+json"  # type: ignore[assignment]

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return msgspec.json.encode(schema(request.app))


def config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Bowerbird",
        version=__version__,
        description=ABOUT,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path="/api/v1/openapi.json",
        render_plugins=[Described(path=["/", "/openapi.json"])],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, *_: handler.handler_name,
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="A personal token, `bb_…`."),
                "session": SecurityScheme(
                    type="apiKey", name=auth.COOKIE, security_scheme_in="cookie", description="A browser's login."
                ),
            }
        ),
    )


@cache
def schema(app: Litestar) -> dict[str, Any]:
    """OpenAPI 3.1 of every route under /api, with every status that it may answer."""
    found: dict[str, Any] = app.openapi_schema.to_schema()
    found["components"]["schemas"]["Error"] = {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": "string", "description": "For programs.", "examples": ["not_found"]},
                    "message": {"type": "string", "description": "For people."},
                },
            }
        },
    }
    handlers = {handler.handler_name: (route, handler) for route, handler in _handlers(app)}
    for path in found["paths"].values():
        for operation in path.values():
            _complete(operation, *handlers[operation["operationId"]])
    return found


def _handlers(app: Litestar) -> Iterator[tuple[HTTPRoute, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                yield route, handler


def _complete(operation: dict[str, Any], route: HTTPRoute, handler: HTTPRouteHandler) -> None:
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    answers = {code: answer for code, answer in operation["responses"].items() if int(code) < HTTPStatus.BAD_REQUEST}
    for code, answer in answers.items():
        answer["description"] = WORDS[int(code)]
        if int(code) == HTTPStatus.NO_CONTENT:
            answer.pop("content", None)
    for status in _statuses(operation, route, handler):
        answers[str(status)] = {"description": WORDS[status], "content": body}
    operation["responses"] = answers
    operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
    guards = handler.guards or ()
    if auth.in_person in guards:
        operation["security"] = [{"session": []}]
    elif auth.logged_in in guards or auth.admin in guards:
        operation["security"] = [{"token": []}, {"session": []}]
    else:
        operation["security"] = [{}, {"token": []}, {"session": []}]


def _statuses(operation: dict[str, Any], route: HTTPRoute, handler: HTTPRouteHandler) -> list[int]:
    """Errors follow from what a route takes and asks for, so none can be forgotten."""
    possible = {400, 401, 403, 503, *handler.opt.get("also", ())}
    if not LIMITING.isdisjoint(handler.guards or ()):
        possible |= {429}
    if route.path_parameters:
        possible |= {404}
    if operation.get("parameters"):
        possible |= {404, 422}
    if "requestBody" in operation:
        possible |= {404, 413, 415, 422}
    return sorted(possible)


@get("/api/docs", sync_to_thread=True, include_in_schema=False)
def page(request: Request[Any, Any, Any], site: Site, viewer: Viewer) -> Response[str]:
    """The same for people, from this server alone."""
    described = schema(request.app)
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in TAGS}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]].append({"method": method.upper(), "path": path, **operation})
    shapes = described["components"]["schemas"]
    return site.page(viewer, "api.html", about=ABOUT, tags=TAGS, groups=groups, shapes=shapes, version=__version__)
