"""Every form of the pages takes whatever is typed into it, and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler

from bowerbird.darkroom.process import Darkroom
from bowerbird.web import limits
from bowerbird.web.pages import ROUTES
from tests.web.conftest import PASSWORD, Person, Place, picture

ODD = [
    "",
    "   ",
    "9" * 30,
    "9" * 18,
    "x" * 81,
    "x" * 5000,
    "a\0b",
    "🐦",
    "-1",
    "0",
    "1.5",
    "٣",
    "%00",
    "<b>'\"",
    "\u202e",
]
USUAL = {"username": "ben", "password": PASSWORD, "old": PASSWORD, "new": PASSWORD, "name": "Blue"}


def fields(handler: HTTPRouteHandler) -> list[str]:
    """What the handler's form may hold, but for pictures."""
    kinds = get_type_hints(handler.parsed_data_field.annotation) if handler.parsed_data_field else {}
    return [name for name, kind in kinds.items() if UploadFile not in (kind, *get_args(kind))]


FORMS = [handler for handler in ROUTES if "POST" in handler.http_methods and fields(handler)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, darkroom: Darkroom) -> Iterator[tuple[Place, Person]]:
    """Ann, an administrator, with a board (id 1) and a pin (id 1) that is on none; and Ben with a board (id 2)."""
    folder = tmp_path_factory.mktemp("forms")
    many = 10**6
    place = Place(folder, darkroom, encoder="efficientnet-lite0", login_tries=many, uploads_per_hour=many)
    with place.client:
        ann = place.person("ann")
        ann.board("Blue")
        place.person("ben").board("Green")
        ann.upload(picture(1))
        place.work()
        yield place, ann
    place.engines.close()


def names(person: Person) -> list[str]:
    return sorted(board["name"] for board in person.get("/boards").json())


@pytest.mark.parametrize("handler", FORMS, ids=lambda h: f"{h.handler_name} of {next(iter(h.paths))}")
def test_no_form_fails_whatever_it_holds(
    town: tuple[Place, Person], handler: HTTPRouteHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SIGN_UPS_PER_HOUR", 10**6)
    values = {"int": "2" if handler.handler_name == "follow" else "1", "str": "ben"}
    path = re.sub(r"\{\w+:(\w+)\}", lambda match: values[match[1]], next(iter(handler.paths)))
    usual: dict[str, Any] = {name: USUAL[name] for name in fields(handler) if name in USUAL}
    files = {"picture": ("a.jpg", picture(2))} if handler.opt.get("upload") else None
    for name in fields(handler):
        for odd in [*ODD, ["1", "2"]]:
            answer = town[1].post(f"/{path}", data={**usual, name: odd}, files=files, follow_redirects=False)
            assert answer.status_code < 500, (name, odd, answer.text)


@pytest.mark.parametrize("part", ["", "?part=dialog"])
def test_a_board_that_cannot_be_is_told_where_it_was_chosen(place: Place, part: str) -> None:
    ann = place.person("ann")
    ann.upload(picture(1))
    for form, wrong in [
        ({"name": "   "}, "A board needs a name."),
        ({"name": "x" * 81}, "The name may have 80 characters; this one has 81."),
        ({"board": "9" * 30}, "There is no such board."),
        ({"board": "one", "name": "Blue"}, "There is no such board."),
    ]:
        answer = ann.post(f"//pin/1/save{part}", data=form)
        assert answer.status_code == 422
        assert wrong in answer.text
        assert 'action="/pin/1/save"' in answer.text
    assert f'value="{"x" * 81}"' in ann.post("//pin/1/save", data={"name": "x" * 81}).text
    assert names(ann) == []
    assert ann.post("//pin/1/save", data={"board": "9" * 18}).status_code == 404


def test_an_id_that_cannot_be_is_told_on_the_page_of_its_form(place: Place) -> None:
    ann = place.person("ann")
    board = ann.board("Blue")
    files = {"picture": ("a.jpg", picture(1))}
    answer = ann.post("//upload", data={"board": "9" * 30}, files=files)
    assert answer.status_code == 422
    assert "There is no such board." in answer.text
    assert ann.get("/pins/1").status_code == 404
    answer = ann.post(f"//boards/{board}/members", data={"remove": "9" * 30}, follow_redirects=False)
    assert answer.status_code == 303
    assert "There is no such member." in ann.get(f"/{answer.headers['location']}").text


def test_a_file_that_is_not_taken_is_named_with_those_before_it(place: Place) -> None:
    ann = place.person("ann")
    contents = [("one.jpg", picture(1)), ("two.jpg", picture(2)), ("notes.txt", b"hello"), ("four.jpg", picture(4))]
    answer = ann.post("//upload", files=[("picture", each) for each in contents])
    assert answer.status_code == 422
    assert re.search(r"notes\.txt: .+ Added before it: one\.jpg, two\.jpg\.", answer.text)
    assert [ann.get(f"/pins/{pin}").status_code for pin in (1, 2, 3)] == [200, 200, 404]
