"""What a browser may tell of its person, and what it may not."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from bowerbird.events import reader
from bowerbird.model import Event
from bowerbird.web import choosing
from bowerbird.web.api import events as taking
from tests.web.conftest import Person, Place, picture


def sight(pin_id: str, n: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": f"sight-{pin_id}-{n}", "kind": "impression", "pin_id": pin_id, "page": "home", **more}


def told(place: Place) -> list[Event]:
    return [event for event in place.engines.events.read(0) if event.kind in ("impression", "closeup", "click")]


@pytest.fixture
def ann(place: Place) -> Person:
    return place.person("ann")


@pytest.fixture
def pin(ann: Person) -> str:
    return str(ann.upload(picture(1)).json()["id"])


def test_a_beacon_is_taken_with_its_token_in_the_body(place: Place, ann: Person, pin: str) -> None:
    body = {"csrf": ann.csrf, "events": [sight(pin, position=3, source="walk", request="abc")]}
    answer = ann.post("/events", json=body, headers={"x-csrf-token": None})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    (event,) = told(place)
    assert (event.kind, event.pin_id, event.id) == ("impression", int(pin), f"sight-{pin}-0")
    assert {**event.data, "image_id": 0} == {
        "image_id": 0, "page": "home", "request": "abc", "source": "walk", "position": 3
    }  # fmt: skip


@pytest.mark.parametrize("csrf", ["", "wrong", "ü"])
def test_a_beacon_without_the_token_is_refused(place: Place, ann: Person, pin: str, csrf: str) -> None:
    body = {"csrf": csrf, "events": [sight(pin)]}
    assert ann.post("/events", json=body, headers={"x-csrf-token": None}).status_code == 403
    assert place.nobody.post("/events", json=body).status_code == 401
    assert told(place) == []


def test_nobody_speaks_for_another(place: Place, ann: Person, pin: str) -> None:
    ben = place.person("ben")
    forged = {"events": [sight(pin, user_id="1")]}
    assert ben.post("/events", json=forged).status_code == 422
    assert ben.post("/events", json={"events": [sight(pin)]}).status_code == 202
    (event,) = told(place)
    assert event.user_id == int(ben.get("/me").json()["id"])


def test_of_what_one_may_not_see_nothing_is_kept(place: Place, ann: Person) -> None:
    board = ann.board("Secret", secret=True)
    secret = str(ann.upload(picture(2), board_id=board).json()["id"])
    ben = place.person("ben")
    body = {"events": [sight(secret), sight("999999"), sight("9" * 18)]}
    assert ben.post("/events", json=body).json() == {"accepted": 0}
    assert told(place) == []


def test_times_are_held_within_a_day_before_now(place: Place, ann: Person, pin: str) -> None:
    before = time.time()
    times = [0, before + 1e6, 1e300, -1e300, before - 1e6, before - 60]
    body = {"events": [sight(pin, n, at=at) for n, at in enumerate(times)]}
    assert ann.post("/events", json=body).json() == {"accepted": len(times)}
    now = time.time()
    got = [event.at for event in told(place)]
    assert all(before <= at <= now for at in got[:3])
    assert all(before - 86_400 <= at <= now - 86_400 for at in got[3:5])
    assert got[5] == pytest.approx(before - 60)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "save"},
        {"kind": "hide"},
        {"kind": ""},
        {"kind": None},
        {"id": ""},
        {"id": "x" * 65},
        {"pin_id": "-1"},
        {"pin_id": "1e3"},
        {"pin_id": "1" * 40},
        {"position": -1},
        {"position": 10**6},
        {"source": "ü" * 100_000},
        {"at": "now"},
    ],
)
def test_nonsense_is_refused_whole(place: Place, ann: Person, pin: str, wrong: dict[str, Any]) -> None:
    body = {"events": [sight(pin), {**sight(pin, 1), **wrong}]}
    assert ann.post("/events", json=body).status_code == 422
    assert told(place) == []


def test_ten_thousand_at_once_are_refused(place: Place, ann: Person, pin: str) -> None:
    answer = ann.post("/events", json={"events": [sight(pin, n) for n in range(10_000)]})
    assert 400 <= answer.status_code < 500
    most = [sight(pin, n) for n in range(taking.MOST)]
    assert ann.post("/events", json={"events": most}).json() == {"accepted": taking.MOST}
    assert ann.post("/events", json={"events": [*most, sight(pin, -1)]}).status_code == 422


def test_a_flood_is_dammed(place: Place, ann: Person, pin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "BATCHES", 3)
    answers = [ann.post("/events", json={"events": [sight(pin)]}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert place.person("ben").post("/events", json={"events": [sight(pin)]}).status_code == 202


def test_a_full_log_refuses_beacons_and_nothing_else(
    place: Place, ann: Person, pin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bowerbird.ports import Unavailable

    def full(_: object) -> None:
        raise Unavailable("events.db: the disk is full; free some space")

    board = ann.board("Blue")
    monkeypatch.setattr(place.engines.events, "append", full)
    assert ann.post("/events", json={"events": [sight(pin)]}).status_code == 503
    assert ann.ask("PUT", f"/boards/{board}/pins/{pin}").status_code < 300
    assert ann.get("/feed").status_code == 200
    assert ann.get("/search?q=blue").status_code == 200


def test_a_batch_sent_twice_is_seen_once(place: Place, ann: Person, pin: str) -> None:
    for _ in range(2):
        ann.post("/events", json={"events": [sight(pin, n) for n in range(3)]})
    while reader.step(place.engines):
        pass
    me = ann.get("/me").json()["id"]
    assert b'"%s":[3,' % pin.encode() in (place.engines.metadata.get(f"shown:{me}") or b"")


@pytest.mark.parametrize("processed", [True, False])
def test_what_is_hidden_is_gone_from_the_very_next_page(
    place: Place, ann: Person, processed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is noted all the same where nothing folds events."""
    shown = [str(ann.upload(picture(seed)).json()["id"]) for seed in range(5)]
    place.work()
    ben, stop = place.person("ben"), threading.Event()
    lead = place.engines.events.lead("events")
    processor = threading.Thread(target=reader.run, args=(place.engines, lead, stop))

    def feed() -> set[str]:
        return {card["id"] for card in ben.get("/feed").json()["items"]}

    assert feed() == set(shown)
    if processed:
        processor.start()
    else:
        monkeypatch.setattr(choosing, "PATIENCE", 0.1)
    try:
        answer = ben.post(f"/pins/{shown[2]}/hide", json={"reason": "seen"})
        assert answer.status_code == 204
        assert (shown[2] in feed()) is not processed
    finally:
        stop.set()
        if processed:
            processor.join()
        lead.close()
    assert [event.pin_id for event in place.engines.events.read(0) if event.kind == "hide"] == [int(shown[2])]
