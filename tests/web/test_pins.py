"""Upload to ready to related, through the API and a real worker; and who may change what."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from bowerbird.catalog import fetches, pins, tables
from bowerbird.ingest import upload
from bowerbird.model import State
from bowerbird.search.ask import Query
from bowerbird.web import finding, limits
from bowerbird.web.api import uploads
from tests.web.conftest import Person, Place, bare, picture, url_of


def test_an_upload_becomes_ready_and_finds_what_belongs_with_it(place: Place) -> None:
    ann = place.person("ann")
    first = ann.upload(picture(1), title="First", alt="Soft colours")
    assert first.status_code == 202
    assert first.json() == {"id": "1", "state": "pending", "step": "", "error": "", "created": True}
    for seed in range(2, 7):
        ann.upload(picture(seed), title=f"Number {seed}")
    assert place.nobody.get("/pins").json()["items"] == []
    place.work()
    assert ann.get("/pins/1/state").json()["state"] == "ready"
    pin = place.nobody.get("/pins/1").json()
    assert (pin["width"], pin["height"], pin["format"]) == (320, 240, "jpeg")
    assert [each["width"] for each in pin["pictures"]] == [236, 320]
    assert pin["palette"]
    assert not pin["mine"]
    wall = place.nobody.get("/pins").json()
    assert [card["id"] for card in wall["items"]] == ["6", "5", "4", "3", "2", "1"]
    related = place.nobody.get("/pins/1/related").json()["items"]
    assert {card["id"] for card in related} == {"2", "3", "4", "5", "6"}
    found = place.nobody.get("/search", params={"q": "first"}).json()["items"]
    assert [card["id"] for card in found] == ["1"]


def test_pages_of_the_wall_join_without_a_seam(place: Place) -> None:
    ann = place.person("ann")
    for seed in range(7):
        ann.upload(picture(seed))
    place.work()
    seen: list[str] = []
    bookmark: str | None = ""
    while bookmark is not None:
        answer = ann.get("/pins", params={"limit": "3", **({"bookmark": bookmark} if bookmark else {})}).json()
        seen += [card["id"] for card in answer["items"]]
        bookmark = answer["bookmark"]
    assert seen == [str(n) for n in range(7, 0, -1)]


def test_the_same_picture_twice_is_one_pin(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    assert ann.upload(picture(1)).json()["created"]
    again = ann.upload(picture(1)).json()
    assert (again["id"], again["created"]) == ("1", False)
    assert ben.upload(picture(1)).json()["id"] == "2"


def test_a_damaged_picture_says_what_was_wrong(place: Place) -> None:
    ann = place.person("ann")
    assert ann.upload(picture(1)[:2000]).status_code == 202
    place.work()
    state = ann.get("/pins/1/state").json()
    assert state["state"] == "failed"
    assert state["step"] == "decode"
    assert "damaged" in state["error"]
    assert ann.get("/pins/1/related").json()["items"] == []


def test_search_by_picture_by_crop_by_colour_and_fused(place: Place) -> None:
    ann = place.person("ann")
    for seed in range(5):
        ann.upload(picture(seed), title=f"Bower number {seed}")
    place.work()
    by_picture = ann.post("/search/picture", files={"picture": ("q.jpg", picture(3))}).json()["items"]
    assert by_picture[0]["title"] == "Bower number 3"
    assert ann.get("/pins").json()["items"][0]["title"] == "Bower number 4"  # nothing was kept
    part = ann.post("/search/picture", files={"picture": ("q.jpg", picture(3))}, data={"box": "0.2,0.2,0.7,0.7"})
    assert len(part.json()["items"]) == 5
    crop = ann.get("/pins/4/related", params={"box": "0,0,0.6,0.6"}).json()["items"]
    assert {card["id"] for card in crop} == {"1", "2", "3", "5"}
    colour = ann.get("/pins/2").json()["palette"][0]["hex"]
    assert ann.get("/search", params={"colour": colour}).json()["items"]
    fused = ann.get("/search", params={"q": "bower", "colour": colour, "pin": "1"}).json()["items"]
    assert {card["id"] for card in fused} == {"2", "3", "4", "5"}


def test_search_by_picture_takes_words_and_a_colour_as_its_page_does(place: Place) -> None:
    ann = place.person("ann")
    for seed in range(5):
        ann.upload(picture(seed), title=f"Bower number {seed}")
    place.work()
    asked: list[Query] = []
    whole = finding.found

    def found(site: Any, viewer: int | None, query: Query, *more: Any) -> Any:
        asked.append(query)
        return whole(site, viewer, query, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finding, "found", found)
        for path in ("/search/picture", "//visual"):
            form = {"q": "number 1", "colour": "2f45c5"}
            answer = ann.post(path, files={"picture": ("q.jpg", picture(3))}, data=form)
            assert answer.status_code == 200
    assert [(query.words, query.colour) for query in asked] == 2 * [("number 1", "#2f45c5")]
    assert all(query.vector is not None for query in asked)
    for wrong in ({"q": "x" * 201}, {"colour": "blue"}):
        answer = ann.post("/search/picture", files={"picture": ("q.jpg", picture(3))}, data=wrong)
        assert answer.status_code == 422


def test_parts_of_pictures_are_looked_at_so_many_times_a_minute(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever address: each costs an embedding."""
    ann, bob = place.person("ann"), place.person("bob")
    pin = ann.upload(picture(1)).json()["id"]
    place.work()
    monkeypatch.setattr(limits, "LOOKS_PER_MINUTE", 2)
    paths = [f"/pins/{pin}/related?box=0,0,0.5,0.5", f"/search?pin={pin}&box=0,0,0.5,0.6", f"//pin/{pin}?box=0,0,1,0.5"]
    assert [ann.get(path).status_code for path in paths] == [200, 200, 429]
    assert ann.get(f"/pins/{pin}/related").status_code == 200
    assert [bob.get(path).status_code for path in paths] == [200, 200, 429]


def test_a_pin_whose_link_is_none_has_a_page_still(place: Place) -> None:
    """Such links were taken once."""
    ann = place.person("ann")
    pin = ann.upload(picture(1)).json()["id"]
    place.work()
    assert ann.ask("PATCH", f"/pins/{pin}", json={"link": "http://[photo"}).status_code == 422
    for link in ("http://[photo", "javascript:alert(1)"):
        with place.engines.database.write() as conn:
            conn.execute(sa.update(tables.pins).values(link=link))
        answer = ann.get(f"//pin/{pin}")
        assert answer.status_code == 200
        assert link not in answer.text


def test_boards_of_the_same_name_are_told_apart(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    pin = ann.upload(picture(1), board_id=ann.board("Line art")).json()["id"]
    place.work()
    for name in ("Line art", "Sea"):
        assert ben.ask("PUT", f"/boards/{ben.board(name)}/pins/{pin}").status_code == 204
    shown = re.findall(r'<a href="/u/\w+/[^"]+">([^<]+)</a>', ben.get(f"//pin/{pin}").text)
    assert shown == ["Sea", "Line art by ben", "Line art by ann"]


def test_a_picture_that_is_searched_by_and_damaged_is_422(place: Place) -> None:
    answer = place.nobody.post("/search/picture", files={"picture": ("q.jpg", picture(3)[:900])})
    assert answer.status_code == 422
    assert "damaged" in answer.json()["error"]["message"]


def test_only_its_owner_changes_and_deletes_a_pin(place: Place) -> None:
    admin, ann, ben = place.person("admin"), place.person("ann"), place.person("ben")
    ann.upload(picture(1), title="Mine")
    ann.upload(picture(2))
    place.work()
    assert ben.ask("PATCH", "/pins/1", json={"title": "Hers"}).status_code == 403
    assert ben.ask("DELETE", "/pins/1").status_code == 403
    assert ann.ask("PATCH", "/pins/1", json={"title": "Still mine"}).json()["title"] == "Still mine"
    assert ann.ask("PATCH", "/pins/1", json={"link": "x" * 2001}).status_code == 422
    address = bare(url_of(ann, "1"))
    assert ann.ask("DELETE", "/pins/1").status_code == 204
    assert admin.ask("DELETE", "/pins/2").status_code == 204
    place.work()
    assert ann.get("/pins/1").status_code == 404
    assert place.nobody.get(f"/{address}").status_code == 404
    assert list(place.engines.blobs.keys("")) == []


def test_fetching_by_url_tells_where_it_stands_to_its_owner_only(place: Place) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    asked = ann.post("/pins/from-url", json={"url": "http://127.0.0.1/secret.jpg", "title": "Far"})
    assert asked.status_code == 202
    assert asked.json()["state"] == "pending"
    place.work()
    told = ann.get("/fetches/1").json()
    assert told["state"] == "failed"
    assert "public internet" in told["error"]
    assert ben.get("/fetches/1").status_code == 404
    for bad in ("ftp://example.org/a", "file:///etc/passwd", "http://", "javascript:alert(1)"):
        assert ann.post("/pins/from-url", json={"url": bad}).status_code == 422


def test_the_stream_tells_of_uploads_until_they_are_ready(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(uploads, "LONGEST", 20.0)
    ann = place.person("ann")
    ann.upload(picture(1))
    ann.upload(picture(2)[:1500])

    def finish() -> None:
        time.sleep(0.5)
        place.work()
        time.sleep(0.5)
        uploads.LONGEST = 0.0
        place.app.state.site.closing.set()

    worker = threading.Thread(target=finish)
    worker.start()
    answer = ann.get("/uploads/stream")
    worker.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    states = {pin: [one["state"] for one in told if one["id"] == pin] for pin in ("1", "2")}
    assert states == {"1": ["pending", "ready"], "2": ["pending", "failed"]}
    ready = next(one for one in told if one["state"] == State.READY)
    assert ready["card"]["src"].startswith("/media/236x/")
    assert answer.text.startswith(": hello")


def heard(place: Place, person: Person, monkeypatch: pytest.MonkeyPatch, *meanwhile: Callable[[], object]) -> list[Any]:
    """What the stream tells of while one thing after the other happens, as (event, id, state)."""
    monkeypatch.setattr(uploads, "LOOK_EVERY", 0.05)

    def happen() -> None:
        for one in meanwhile:
            time.sleep(0.5)
            one()
        time.sleep(0.7)
        place.app.state.site.closing.set()

    thread = threading.Thread(target=happen)
    thread.start()
    lines = person.get("/uploads/stream").text.splitlines()
    thread.join()
    kinds = [line[7:] for line in lines if line.startswith("event: ")]
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    return [(kind, one["id"], one["state"]) for kind, one in zip(kinds, told, strict=True)]


def test_the_stream_tells_once_of_what_began_and_ended_between_two_looks(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, ben = place.person("ann"), place.person("ben")
    ben.upload(picture(1))
    place.work()

    def come() -> None:
        """In an instant: the picture is known already."""
        pin = upload.accept(place.engines, 1, picture(1)).pin
        with place.engines.database.write() as conn:
            fetches.done(conn, fetches.create(conn, 1, "https://example.org/a.jpg", {}).id, pin.id)
            fetches.failed(conn, fetches.create(conn, 1, "https://example.org/b.jpg", {}).id, "It is gone.")

    told = heard(place, ann, monkeypatch, come)
    assert sorted(told) == [("fetch", "1", "ready"), ("fetch", "2", "failed"), ("pin", "2", "ready")]


def test_the_stream_tells_how_it_ends_of_more_than_it_looks_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = place.person("ann")
    for seed in range(3):
        ann.upload(picture(seed))
    with place.engines.database.read() as conn:
        assert [pin.id for pin in pins.mine_unfinished(conn, 1, 2)] == [3, 2]
    monkeypatch.setattr(pins, "mine_unfinished", partial(pins.mine_unfinished, limit=1))
    monkeypatch.setattr(uploads, "SLACK", 0.0)
    told = heard(place, ann, monkeypatch, lambda: upload.accept(place.engines, 1, picture(4)), place.work)
    assert told[:2] == [("pin", "3", "pending"), ("pin", "4", "pending")]
    assert sorted(told[2:]) == [("pin", "3", "ready"), ("pin", "4", "ready")]


def test_parked_jobs_are_an_administrators_to_retry(place: Place) -> None:
    admin, ben = place.person("admin"), place.person("ben")
    ben.upload(picture(1))
    for _ in range(6):
        for delivery in place.engines.queue.receive(1, visibility=60):
            place.engines.queue.fail(delivery, "no luck")
    parked = admin.get("/admin/parked").json()
    assert [(one["kind"], one["error"]) for one in parked] == [("process", "no luck")]
    assert admin.post("/admin/parked/retry", json={"ids": [parked[0]["id"]]}).json() == {"count": 1}
    place.work()
    assert ben.get("/pins/1/state").json()["state"] == "ready"
