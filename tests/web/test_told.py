"""What is learned from boards hears when one is not open any more."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import PASSWORD, Place


def told(place: Place) -> list[dict[str, Any]]:
    return [event.data for event in place.engines.events.read(0, 1000) if event.kind == "board"]


def test_a_board_that_turns_secret_or_open_or_goes_is_told(place: Place) -> None:
    ann = place.person("ann")
    board = int(ann.board("Cups"))
    ann.ask("PATCH", f"/boards/{board}", json={"name": "Mugs", "secret": False})
    assert told(place) == [], "nothing turned"
    for change in ({"secret": True}, {"secret": False}):
        assert ann.ask("PATCH", f"/boards/{board}", json=change).status_code == 200
    form = {"name": "Mugs", "secret": "1", "_csrf": ann.csrf}
    assert ann.post(f"//boards/{board}/edit", data=form, follow_redirects=False).status_code == 303
    assert ann.ask("DELETE", f"/boards/{board}").status_code == 204
    gone = {"board_id": board, "secret": True}
    assert told(place) == [gone, {"board_id": board}, gone, gone]


def test_an_account_that_goes_is_told(place: Place) -> None:
    place.person("ann")
    assert place.person("bob").ask("DELETE", "/me", json={"password": PASSWORD}).status_code == 204
    assert told(place) == [{}]
