"""Every API route, found in the route table, refuses what it must with a clear 4xx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from bowerbird.darkroom.process import Darkroom
from bowerbird.web import auth
from bowerbird.web.api import ROUTES
from tests.web.conftest import Person, Place, picture

HANDLERS: list[HTTPRouteHandler] = [handler for group in ROUTES.values() for handler in group]
NAMES = [handler.handler_name for handler in HANDLERS]
GUARDED = [h for h in HANDLERS if {auth.logged_in, auth.in_person, auth.admin} & set(h.guards or ())]
BODIES = [h for h in HANDLERS if h.parsed_data_field is not None]
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def method(handler: HTTPRouteHandler) -> str:
    return str(next(iter(handler.http_methods)))


def path(handler: HTTPRouteHandler, **values: str) -> str:
    """The handler's path with 1 for every id and ann for every username, or with `values`."""
    given = {"int": "1", "str": "ann", **values}
    return re.sub(r"\{\w+:(\w+)\}", lambda match: given[match[1]], next(iter(handler.paths)))


def takes_form(handler: HTTPRouteHandler) -> bool:
    return bool(handler.opt.get("upload"))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, darkroom: Darkroom) -> Iterator[tuple[Place, Person, Person]]:
    """Ann, an administrator, with a secret board (id 1) and a secret pin (id 1) on it; and Ben."""
    folder: Path = tmp_path_factory.mktemp("town")
    place = Place(folder, darkroom, encoder="efficientnet-lite0", login_tries=100_000)
    with place.client:
        ann = place.person("ann")
        assert ann.board("Hidden", secret=True) == "1"
        assert ann.upload(picture(1), board_id="1").json()["id"] == "1"
        place.work()
        ben = place.person("ben")
        yield place, ann, ben
    place.engines.close()


def refused(answer: Any, *statuses: int) -> None:
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    error = answer.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"]
    assert "Traceback" not in answer.text


def test_the_table_holds_every_api_route_of_the_application(town: tuple[Place, Person, Person]) -> None:
    app: Litestar = town[0].app
    found = {
        (route.path, str(verb))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1/") and "openapi" not in route.path
        for verb in route.methods
        if verb != "OPTIONS"
    }
    assert found == {("/api/v1" + next(iter(h.paths)), method(h)) for h in HANDLERS}
    assert len(found) >= 40


@pytest.mark.parametrize("handler", GUARDED, ids=lambda h: h.handler_name)
def test_nobody_known_is_401(town: tuple[Place, Person, Person], handler: HTTPRouteHandler) -> None:
    refused(town[0].nobody.ask(method(handler), path(handler)), 401)


@pytest.mark.parametrize(
    "handler", [h for h in HANDLERS if auth.admin in (h.guards or ())], ids=lambda h: h.handler_name
)
def test_someone_who_is_no_administrator_is_403(town: tuple[Place, Person, Person], handler: HTTPRouteHandler) -> None:
    refused(town[2].ask(method(handler), path(handler)), 403)


@pytest.mark.parametrize(
    "handler",
    [h for h in HANDLERS if re.search("pin_id|board_id|fetch_id|token_id", next(iter(h.paths)))],
    ids=lambda h: h.handler_name,
)
@pytest.mark.parametrize("who", ["ben", "nobody"])
def test_what_is_someone_elses_secret_is_not_there(
    town: tuple[Place, Person, Person], handler: HTTPRouteHandler, who: str
) -> None:
    person = town[2] if who == "ben" else town[0].nobody
    body: dict[str, Any] = {"json": {}} if handler.parsed_data_field else {}
    refused(person.ask(method(handler), path(handler), **body), 404, 401 if who == "nobody" else 404)
    assert town[1].get("/boards/1/pins").json()["items"][0]["id"] == "1"


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda h: h.handler_name)
def test_a_wrong_method_is_405_and_says_which_are_right(
    town: tuple[Place, Person, Person], handler: HTTPRouteHandler
) -> None:
    same = {method(other) for other in HANDLERS if path(other) == path(handler)}
    for wrong in sorted(METHODS - same):
        answer = town[1].ask(wrong, path(handler))
        refused(answer, 405)
        allowed = set(re.split(", ?", answer.headers["allow"])) - {"OPTIONS", "HEAD"}
        assert allowed == same


@pytest.mark.parametrize("handler", BODIES, ids=lambda h: h.handler_name)
def test_a_wrong_type_is_415(town: tuple[Place, Person, Person], handler: HTTPRouteHandler) -> None:
    wrong = ["text/plain", "application/x-www-form-urlencoded", "", "application/octet-stream"]
    wrong.append("application/json" if takes_form(handler) else "multipart/form-data; boundary=x")
    for kind in wrong:
        headers = {"content-type": kind}
        refused(town[1].ask(method(handler), path(handler), content=b"{}", headers=headers), 415)


@pytest.mark.parametrize("handler", BODIES, ids=lambda h: h.handler_name)
def test_a_body_that_cannot_be_read_is_4xx(town: tuple[Place, Person, Person], handler: HTTPRouteHandler) -> None:
    kind = "multipart/form-data; boundary=x" if takes_form(handler) else "application/json"
    bad = [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"name": 5, "username": [], "url": {}, "old": 1}',
        b"\xff\xfe",
        b"--x\r\n",
    ]
    if handler.handler_name in ("change_pin", "change_board", "change_me", "change_user", "retry_parked", "hide_pin"):
        bad.remove(b'{"name": 5, "username": [], "url": {}, "old": 1}')  # every field may be left out
    for body in bad:
        answer = town[1].ask(method(handler), path(handler), content=body, headers={"content-type": kind})
        refused(answer, 400, 422)


@pytest.mark.parametrize("handler", BODIES, ids=lambda h: h.handler_name)
@pytest.mark.parametrize("announced", [True, False])
def test_an_oversize_body_is_413(
    town: tuple[Place, Person, Person], handler: HTTPRouteHandler, announced: bool
) -> None:
    place, ann, _ = town
    most = place.settings.max_upload_mb << 20 if takes_form(handler) else 0
    kind = "multipart/form-data; boundary=x" if takes_form(handler) else "application/json"

    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n' if most else b'{"name": "'
        for _ in range((most >> 20) + 3):
            yield b"x" * (1 << 20)

    headers = {"content-type": kind}
    if announced:
        headers["content-length"] = str(most + (3 << 20))
    refused(ann.ask(method(handler), path(handler), content=chunks(), headers=headers), 413)


@pytest.mark.parametrize(
    "handler", [h for h in HANDLERS if ":int}" in next(iter(h.paths))], ids=lambda h: h.handler_name
)
def test_ids_that_cannot_be_are_404_or_422(town: tuple[Place, Person, Person], handler: HTTPRouteHandler) -> None:
    body: dict[str, Any] = {"json": {}} if handler.parsed_data_field else {}
    for wrong in ["0", "-1", "abc", "1.5", "9" * 30, "%00", "%ff", "1%2F2"]:
        refused(town[1].ask(method(handler), path(handler, int=wrong), **body), 404, 405, 422)


@pytest.mark.parametrize("wrong", ["x", "-1", "1e3", "9" * 30, "%00", "%ff"])
def test_bookmarks_and_limits_that_cannot_be_are_422(town: tuple[Place, Person, Person], wrong: str) -> None:
    for route in ("/pins", "/pins/1/related", "/boards/1/pins", "/users/ann/pins", "/search?q=bower"):
        link = "&" if "?" in route else "?"
        refused(town[1].get(f"{route}{link}bookmark={wrong}"), 422)
        refused(town[1].get(f"{route}{link}limit={wrong}"), 422)


@pytest.mark.parametrize(
    "box", ["1", "0,0,1", "a,b,c,d", "0,0,2,2", "0.5,0.5,0,0", "-1,0,1,1", "nan,0,1,1", "1,1,1,1", "0,0,1e9,1"]
)
def test_boxes_that_cannot_be_are_422(town: tuple[Place, Person, Person], box: str) -> None:
    refused(town[1].get("/pins/1/related", params={"box": box}), 422)
    refused(town[1].get("/search", params={"pin": "1", "box": box}), 422)
    answer = town[1].post("/search/picture", files={"picture": ("a", picture(2))}, data={"box": box})
    refused(answer, 422)


@pytest.mark.parametrize("colour", ["blue", "#12345", "12345g", "%23%23"])
def test_colours_that_cannot_be_are_422(town: tuple[Place, Person, Person], colour: str) -> None:
    refused(town[1].get("/search", params={"colour": colour}), 422)


@pytest.mark.parametrize(
    "data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"hello", b"\x00" * 100]
)
def test_what_is_no_picture_is_422(town: tuple[Place, Person, Person], data: bytes) -> None:
    refused(town[1].upload(data), 422)
    refused(town[1].post("/search/picture", files={"picture": ("a.jpg", data)}), 422)


def test_unknown_addresses_are_404_in_json_under_api_and_a_page_elsewhere(town: tuple[Place, Person, Person]) -> None:
    refused(town[1].get("/nothing/here"), 404)
    refused(town[1].get("//api/v2"), 404)
    page = town[1].get("//nothing")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "404" in page.text
