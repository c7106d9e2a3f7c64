"""Nearly the same pictures, as their owner's page and the API tell of them."""

from __future__ import annotations

import re

import pytest
import pyvips

from bowerbird.darkroom.process import Darkroom
from bowerbird.ingest import lifecycle
from bowerbird.model import Job
from tests.web.conftest import Person, Place, picture


def variant(data: bytes, kind: str) -> bytes:
    image = pyvips.Image.new_from_buffer(data, "")
    made = {
        "cropped": lambda: image.crop(30, 20, int(image.width * 0.85), int(image.height * 0.85)),
        "other size": lambda: image.resize(0.5),
        "mirrored": lambda: image.fliphor(),
        "saved anew": lambda: image,
    }[kind]()
    return bytes(made.jpegsave_buffer(Q=60))


KINDS = {"crop": "cropped", "resize": "other size", "flip": "mirrored", "recompress": "saved anew"}


@pytest.fixture
def ann(place: Place) -> Person:
    """Has a picture, and three more that are none of its kin."""
    ann = place.person("ann")
    for seed in (5, 1, 2, 3):
        ann.upload(picture(seed, 480, 360))
    place.work()
    return ann


def told(ann: Person, pin_id: str) -> tuple[dict[str, str], bool]:
    """By the address of each, its kind in the page's words; and whether more may come. The page and the API agree."""
    page = ann.get(f"//pin/{pin_id}").text
    part = ann.get(f"//pin/{pin_id}?part=kin").text
    shown = dict(
        re.findall(r'<a href="(/pin/\d+)"><img src="[^"]+" width="84" height="84" alt="[^"]*">([a-z ]+)</a>', page)
    )
    assert shown == dict(re.findall(r'<a href="(/pin/\d+)"><img [^>]+>([a-z ]+)</a>', part))
    answer = ann.get(f"/pins/{pin_id}/duplicates")
    assert {one["pin"]["href"]: KINDS[one["kind"]] for one in answer.json()} == shown
    late = "retry-after" in answer.headers
    assert ("data-late" in page) == ("data-late" in part) == late
    return shown, late


def test_kin_are_shown_to_their_owner_and_a_crop_as_soon_as_a_worker_has_compared(place: Place, ann: Person) -> None:
    made = {ann.upload(variant(picture(5, 480, 360), kind)).json()["id"]: kind for kind in KINDS.values()}
    place.work()
    cropped = next(pin_id for pin_id, kind in made.items() if kind == "cropped")
    shown, late = told(ann, cropped)
    assert late and "/pin/1" not in shown
    assert place.engines.queue.depth() == 1  # asked for once, by however many looks
    place.work()
    assert told(ann, cropped)[0]["/pin/1"] == "cropped"
    told(ann, "1")
    place.work()
    assert told(ann, "1") == ({f"/pin/{pin_id}": kind for pin_id, kind in made.items()}, False)


def test_a_picture_that_is_gone_is_nobodys_kin(place: Place, ann: Person) -> None:
    cropped = ann.upload(variant(picture(5, 480, 360), "cropped")).json()["id"]
    place.work()
    told(ann, "1")
    place.work()
    assert told(ann, "1")[0] == {f"/pin/{cropped}": "cropped"}
    assert ann.ask("DELETE", f"/pins/{cropped}").status_code == 204
    assert told(ann, "1")[0] == {}
    place.work()
    assert told(ann, "1") == ({}, False)


def test_others_are_not_told_and_nothing_is_looked_at_for_them(place: Place, ann: Person) -> None:
    ann.upload(variant(picture(5, 480, 360), "cropped"))
    place.work()
    page = place.person("bob").get("//pin/1").text
    assert 'class="near"' not in page
    assert 'class="near"' in place.nobody.get("//pin/1?part=kin").text  # an empty part
    assert place.engines.queue.depth() == 0


def test_a_page_does_not_wait_for_the_darkroom(place: Place, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    ann.upload(variant(picture(5, 480, 360), "cropped"))
    place.work()

    def busy(*_: object) -> None:
        raise AssertionError("a page opened a picture")

    monkeypatch.setattr(Darkroom, "run", busy)
    assert told(ann, "1")[1]


def test_what_cannot_be_looked_at_is_left_for_later(place: Place, ann: Person) -> None:
    ann.upload(variant(picture(5, 480, 360), "cropped"))
    place.work()
    place.engines.blobs.delete(list(place.engines.blobs.keys("236x/")))
    place.engines.queue.send([Job("compare", {"image_id": 1}), Job("compare", {"image_id": 999})])
    place.work()
    assert told(ann, "1") == ({}, False)
    assert place.engines.queue.parked() == []
    assert lifecycle.sweep(place.engines) == 0
