from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from bowerbird.adapters.blobs.folder import Folder
from bowerbird.catalog import Forbidden, boards, pins
from bowerbird.ingest import lifecycle, pipeline, upload
from bowerbird.model import State
from bowerbird.ports import Unavailable
from tests.contracts.faults import small_files
from tests.darkroom import pictures
from tests.darkroom.pictures import jpeg, noisy
from tests.ingest.conftest import Place


def test_an_upload_is_an_original_a_row_a_pin_and_a_job(place: Place) -> None:
    data = jpeg()
    pin = place.upload(data, title="Quarters", link="https://example.org")
    assert (pin.title, pin.link, pin.image.state) == ("Quarters", "https://example.org", State.PENDING)
    assert pin.image.sha256 == hashlib.sha256(data).hexdigest()
    assert place.engines.blobs.get(pin.image.original) == data
    (delivery,) = place.engines.queue.receive(10)
    assert (delivery.job.kind, delivery.job.payload) == ("process", {"image_id": pin.image.id})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"<svg/>", "an SVG drawing"),
        (b"<html><body>", "a web page"),
        (b"just text", "no picture"),
    ],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(place: Place, data: bytes, why: str) -> None:
    with pytest.raises(upload.Refused, match=why):
        place.upload(data)
    assert place.stored() == set()
    assert place.engines.queue.depth() == 0


def test_too_large_is_refused_with_the_limit(place: Place) -> None:
    with pytest.raises(upload.Refused, match=r"0\.1 MB; at most 0\.0\d+ MB"):
        place.upload(jpeg(noisy(400, 400)) + bytes(60_000), max_bytes=50_000)


def test_the_same_picture_twice_from_one_person_is_one_pin(place: Place) -> None:
    data = jpeg()
    first = upload.accept(place.engines, place.ada, data, title="one")
    second = upload.accept(place.engines, place.ada, data, title="two")
    assert (first.created, second.created) == (True, False)
    assert first.pin.id == second.pin.id
    assert second.pin.title == "one"


def test_two_people_share_one_image(place: Place) -> None:
    data = jpeg()
    ada = place.upload(data)
    pipeline.process(place.engines, place.room, ada.image.id)
    place.engines.queue.ack(place.engines.queue.receive(1)[0])
    bob = place.upload(data, place.bob)
    assert bob.id != ada.id
    assert (bob.image.id, bob.image.state) == (ada.image.id, State.READY)
    assert place.engines.queue.depth() == 0  # nothing is left to do


def test_a_failed_picture_sent_again_is_tried_again(place: Place) -> None:
    data = jpeg(noisy(300, 200))[:5000]
    pin = place.upload(data)
    pipeline.process(place.engines, place.room, pin.image.id)
    again = place.upload(data)
    assert (again.id, again.image.state) == (pin.id, State.PENDING)
    assert place.engines.queue.depth() == 2


def test_onto_a_board_only_by_those_who_may(place: Place) -> None:
    with place.engines.database.write() as conn:
        board = boards.create(conn, place.ada, "Birds")
    pin = place.upload(jpeg(), board_id=board.id)
    with place.engines.database.read() as conn:
        assert [held.id for held in boards.holding(conn, pin.id, place.ada)] == [board.id]
    with pytest.raises(Forbidden):
        place.upload(jpeg(noisy(50, 50)), place.bob, board_id=board.id)
    assert place.engines.queue.depth() == 1


def test_twenty_at_once_are_one_image_and_a_pin_each(place: Place) -> None:
    data = jpeg(noisy(200, 200))
    results: list[upload.Accepted] = []

    def send(user: int) -> None:
        results.append(upload.accept(place.engines, user, data))

    threads = [threading.Thread(target=send, args=((place.ada, place.bob)[n % 2],)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert len({r.pin.image.id for r in results}) == 1
    assert len({r.pin.id for r in results}) == 2
    assert sum(r.created for r in results) == 2


class NoQueue:
    def send(self, jobs: object) -> None:
        raise Unavailable("the queue is away")


def test_a_queue_that_is_away_loses_no_upload(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    away = place.engines._replace(queue=NoQueue())  # type: ignore[arg-type]
    pin = upload.accept(away, place.ada, jpeg()).pin
    assert place.engines.queue.depth() == 0
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    assert lifecycle.sweep(place.engines) == 1
    assert place.engines.queue.receive(1)[0].job.payload == {"image_id": pin.image.id}


def test_a_full_disk_refuses_clearly_and_leaves_no_half(place: Place, tmp_path: Path) -> None:
    data = jpeg(noisy(900, 900)) + bytes(1 << 20)
    with small_files(tmp_path / "small") as disk:
        engines = place.engines._replace(blobs=Folder(disk.path))
        with pytest.raises(Unavailable, match="disk is full"):
            upload.accept(engines, place.ada, data)
        assert list(engines.blobs.keys()) == []
        with place.engines.database.read() as conn:
            assert pins.count(conn) == 0
        disk.grow()
        pin = upload.accept(engines, place.ada, data).pin
        pipeline.process(engines, place.room, pin.image.id)
        image = place.image(pin.image.id)
        assert image is not None
        assert image.state is State.READY


def test_an_upload_between_the_two_halves_of_a_purge_is_whole(place: Place) -> None:
    """The purge has taken the original; the row was made anew or not yet gone."""
    place.developed(jpeg(noisy(300, 300)))
    place.engines.blobs.delete(list(place.stored()))
    pin = place.upload(jpeg(noisy(300, 300)), place.bob)
    assert pin.image.state is State.PENDING
    pipeline.process(place.engines, place.room, pin.image.id)
    after = place.image(pin.image.id)
    assert after is not None
    assert after.state is State.READY
    assert len(place.stored()) == 3


def test_all_formats_go_through_the_door(place: Place) -> None:
    for name, data in pictures.of_every_kind().items():
        _, look = place.developed(data)
        assert look.format == name.split()[0]
        assert look.animated == ("moving" in name)
