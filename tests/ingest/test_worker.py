from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from bowerbird import wiring
from bowerbird.catalog import fetches, images, pins
from bowerbird.darkroom.process import Darkroom
from bowerbird.ingest import fetch, lifecycle, pipeline, upload, worker
from bowerbird.ingest.worker import Worker
from bowerbird.model import MAX_TRIES, Job, State
from bowerbird.ports import Unavailable
from bowerbird.settings import Settings
from tests.darkroom import pictures, works
from tests.darkroom.pictures import jpeg, noisy
from tests.ingest.conftest import Place
from tests.servers import namespace, need


@pytest.fixture(params=["sqlite", "sqs", pytest.param("kafka", marks=pytest.mark.slow)])
def place(place: Place, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A worker does the same whoever keeps its jobs."""
    if request.param == "sqlite":
        yield place
        return
    if request.param == "sqs":
        url = f"sqs://test:test@{namespace(tmp_path)}?endpoint={need('sqs')}"
    else:
        url = urlsplit(need("kafka"))._replace(path=f"/{namespace(tmp_path)}", query="session=2&timeout=10").geturl()
    queue = wiring.queue(Settings(queue=url))
    place.engines.queue.close()
    place.engines = place.engines._replace(queue=queue)
    yield place


def drain(place: Place, most: int = 200) -> None:
    hands = Worker(place.engines, place.room)
    for _ in range(most):
        if not hands.once():
            return
    raise AssertionError("the queue does not end")


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def counts(place: Place) -> dict[State, int]:
    with place.engines.database.read() as conn:
        return images.counts(conn)


def test_from_upload_to_ready_with_damaged_files_among_them(place: Place) -> None:
    good = [jpeg(noisy(300, 200, seed)) for seed in range(12)]
    bad = [data[: len(data) // 2] for data in good[:4]] + [pictures.png_claiming(40_000, 40_000)]
    for data in (*good, *bad):
        place.upload(data)
    stop = threading.Event()
    thread = threading.Thread(target=Worker(place.engines, place.room).run, args=(stop,))
    thread.start()
    until(lambda: counts(place)[State.PENDING] == 0)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert counts(place) == {State.PENDING: 0, State.READY: 12, State.FAILED: 5}
    assert place.engines.queue.depth() == 0
    assert len(place.engines.looks) == 12
    with place.engines.database.read() as conn:
        assert len(pins.newest(conn, None)) == 12
        told = {pin.image.error.partition(" (")[0] for pin in pins.mine_unfinished(conn, place.ada)}
    assert told == {
        "The JPEG file is damaged or cut off",
        "It is 40,000 × 40,000 pixels; at most 150 million pixels are taken.",
    }


def test_a_worker_that_idles_finds_new_work_at_once(place: Place) -> None:
    place.developed(jpeg(noisy(60, 60)))  # the darkroom is warm
    drain(place)
    stop = threading.Event()
    thread = threading.Thread(target=Worker(place.engines, place.room).run, args=(stop,))
    thread.start()
    time.sleep(0.3)
    start = time.monotonic()
    place.upload(jpeg())
    until(lambda: counts(place)[State.READY] == 2)
    assert time.monotonic() - start < 5
    stop.set()
    thread.join(10)


class Flaky:
    """A real engine that is away for its first calls of one method."""

    def __init__(self, engine: Any, method: str, times: int) -> None:
        self.engine, self.method, self.left = engine, method, times

    def __getattr__(self, name: str) -> Any:
        if name == self.method and self.left > 0:
            self.left -= 1
            raise Unavailable("away for a moment")
        return getattr(self.engine, name)


@pytest.mark.parametrize(("engine", "method"), [("queue", "receive"), ("blobs", "get"), ("looks", "add")])
def test_engines_that_come_back_are_waited_for(
    place: Place, engine: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY", 0.05)
    pin = place.upload(jpeg(noisy(80, 80)))
    flaky = place.engines._replace(**{engine: Flaky(getattr(place.engines, engine), method, 2)})
    stop = threading.Event()
    thread = threading.Thread(target=Worker(flaky, place.room).run, args=(stop,))
    thread.start()
    try:
        until(lambda: counts(place)[State.READY] == 1, 25)
    finally:
        stop.set()
        thread.join(30)
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.READY


def test_an_outage_loses_no_job_that_makes_a_picture_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row is ready and stays so: no sweep would find it."""
    monkeypatch.setattr(worker, "RETRY", 0.0)
    pin = place.upload(jpeg(noisy(80, 80)))
    drain(place)
    place.engines.queue.send([upload.job(pin.image.id, again=True)])
    away = Worker(place.engines._replace(blobs=Flaky(place.engines.blobs, "get", 100)), place.room)
    for _ in range(2 * MAX_TRIES):
        with contextlib.suppress(Unavailable):
            away.once(2.0)
    assert place.engines.queue.parked() == []
    done: list[int] = []
    monkeypatch.setattr(pipeline, "process", lambda _, __, image_id, **how: done.append(image_id))
    drain(place)
    assert done == [pin.image.id]


def test_a_mistake_of_ours_is_tried_five_times_and_then_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(worker, "RETRY", 0.0)
    monkeypatch.setattr(pipeline, "FINISH", [broken])
    pin = place.upload(jpeg())
    drain(place)
    (parked,) = place.engines.queue.parked()
    assert parked.tries == MAX_TRIES
    assert "a mistake" in parked.error
    image = place.image(pin.image.id)
    assert image is not None
    assert (image.state, image.step) == (State.FAILED, "worker")
    monkeypatch.undo()  # mended, and sent again from the command line
    assert place.engines.queue.retry() == 1
    drain(place)
    image = place.image(pin.image.id)
    assert image is not None
    assert (image.state, image.error) == (State.READY, "")


class Deadly:
    """A darkroom whose child is killed over every picture, as the kernel does when memory runs out."""

    def __init__(self, room: Darkroom) -> None:
        self.room = room

    def run(self, *_: object) -> None:
        self.room.run(works.be_killed)


def killed(place: Place, times: int) -> None:
    hands = Worker(place.engines, Deadly(place.room))  # type: ignore[arg-type]
    for _ in range(times):
        with pytest.raises(Unavailable, match="was killed"):
            hands.once(2.0)


def test_a_picture_that_has_its_work_killed_five_times_is_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY", 0.0)
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    monkeypatch.setattr(lifecycle, "LOST", 600.0)
    pin = place.upload(jpeg())
    killed(place, MAX_TRIES - 1)
    assert counts(place)[State.PENDING] == 1
    assert place.engines.queue.parked() == []
    killed(place, 1)
    image = place.image(pin.image.id)
    assert image is not None
    assert (image.state, image.step) == (State.FAILED, "worker")
    assert image.error == "Its work was killed each time; is there enough memory?"
    (parked,) = place.engines.queue.parked()
    assert (parked.job.payload["image_id"], parked.tries) == (image.id, MAX_TRIES)
    assert lifecycle.sweep(place.engines) == 0
    assert place.engines.queue.retry() == 1  # there is more memory now
    drain(place)
    assert counts(place)[State.READY] == 1


def test_a_picture_that_is_up_stays_up_though_the_work_on_it_is_killed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY", 0.0)
    pin = place.upload(jpeg())
    drain(place)
    place.engines.queue.send([upload.job(pin.image.id, again=True)])
    killed(place, MAX_TRIES)
    assert counts(place)[State.READY] == 1
    assert len(place.engines.queue.parked()) == 1


def test_a_job_nobody_knows_is_parked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY", 0.0)
    place.engines.queue.send([Job("dance", {}), Job("process", {}), Job("process", {"image_id": 999})])
    drain(place)
    assert sorted(parked.job.kind for parked in place.engines.queue.parked()) == ["dance", "process"]
    assert place.engines.queue.depth() == 0


def test_work_in_hand_stays_invisible_to_others(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "VISIBILITY", 2.0)
    taken: list[int] = []

    def slow(*_: object, **__: object) -> None:
        taken.append(1)
        time.sleep(5.0)

    monkeypatch.setattr(pipeline, "process", slow)
    place.upload(jpeg())
    stop = threading.Event()
    threads = [threading.Thread(target=Worker(place.engines, place.room).run, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: place.engines.queue.depth() == 0)
    stop.set()
    for thread in threads:
        thread.join(10)
    assert len(taken) == 1


def test_a_lost_job_is_found_by_the_sweep(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = place.upload(jpeg())
    (delivery,) = place.engines.queue.receive(1)
    place.engines.queue.ack(delivery)  # gone, as if it had never been sent
    assert lifecycle.sweep(place.engines) == 0  # too young to be lost
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    assert lifecycle.sweep(place.engines) == 1
    drain(place)
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.READY
    assert lifecycle.sweep(place.engines) == 0


def test_the_sweep_gives_up_what_was_parked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pin = place.upload(jpeg())
    queue = place.engines.queue
    for _ in range(MAX_TRIES):  # killed in the midst of it, every time
        (delivery,) = queue.receive(1)
        queue.fail(delivery, "its worker died")
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    assert lifecycle.sweep(place.engines) == 0
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.FAILED
    assert "its worker died" in image.error


class Server:
    """A real web server on this machine; `paths` maps a path to its bytes."""

    def __init__(self, paths: dict[str, bytes]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = paths.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def test_a_picture_by_url_becomes_a_pin_or_a_reason(place: Place) -> None:
    server = Server({"/a.jpg": jpeg(), "/page": b"<html>hello"})
    asked = [
        fetch.request(place.engines, place.ada, server.url + path, title=path) for path in ("/a.jpg", "/page", "/none")
    ]
    hands = Worker(place.engines, place.room, fetching=fetch.Limits(seconds=5, private=True))
    while hands.once():
        pass
    server.http.shutdown()
    with place.engines.database.read() as conn:
        good, page, none = (fetches.get(conn, each.id) for each in asked)
        assert good is not None and page is not None and none is not None
        assert good.pin_id is not None
        pin = pins.get(conn, good.pin_id, place.ada)
    assert pin is not None
    assert (pin.title, pin.image.state) == ("/a.jpg", State.READY)
    assert (page.state, none.state) == (State.FAILED, State.FAILED)
    assert "a web page" in page.error
    assert "404" in none.error


def test_a_private_address_is_not_fetched_by_default(place: Place) -> None:
    server = Server({"/a.jpg": jpeg()})
    asked = fetch.request(place.engines, place.ada, server.url + "/a.jpg")
    drain(place)
    server.http.shutdown()
    with place.engines.database.read() as conn:
        row = fetches.get(conn, asked.id)
    assert row is not None
    assert row.state is State.FAILED
    assert place.stored() == set()


def test_deleting_the_last_pin_deletes_the_picture(place: Place) -> None:
    data = jpeg(noisy(400, 300))
    image, _ = place.developed(data)
    bob = place.upload(data, place.bob)
    with place.engines.database.read() as conn:
        (ada,) = pins.of_user(conn, place.ada, place.ada)
    lifecycle.delete_pin(place.engines, ada.id, place.ada)
    drain(place)
    assert place.image(image.id) is not None  # bob's pin still shows it
    assert len(place.stored()) == 3
    lifecycle.delete_pin(place.engines, bob.id, place.bob)
    assert len(place.stored()) == 3
    drain(place)
    assert place.image(image.id) is None
    assert place.stored() == set()
    assert place.engines.metadata.get(f"look:{image.media}") is None
    assert not place.engines.looks.get(np.array([image.id])).any()


def test_a_lost_purge_is_found_by_the_sweep(place: Place) -> None:
    image, _ = place.developed(jpeg(noisy(400, 300)))
    drain(place)
    with place.engines.database.write() as conn:
        (pin,) = pins.of_user(conn, place.ada, place.ada)
        pins.delete(conn, pin.id)
    assert lifecycle.sweep_orphans(place.engines) == 1
    drain(place)
    assert place.image(image.id) is None
    assert place.stored() == set()


def test_an_outage_parks_and_fails_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RETRY", 0.0)
    pin = place.upload(jpeg())
    away = place.engines._replace(blobs=Flaky(place.engines.blobs, "get", 99))
    hands = Worker(away, place.room)
    for _ in range(MAX_TRIES):
        with pytest.raises(Unavailable):
            hands.once()
    assert not hands.once()
    assert place.engines.queue.parked() == []
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    assert lifecycle.sweep(place.engines) == 1
    drain(place)
    image = place.image(pin.image.id)
    assert image is not None
    assert image.state is State.READY


def test_only_the_owner_or_an_admin_deletes(place: Place) -> None:
    from bowerbird.catalog import Forbidden, NotFound

    pin = place.upload(jpeg())
    with pytest.raises(Forbidden):
        lifecycle.delete_pin(place.engines, pin.id, place.bob)
    with pytest.raises(NotFound):
        lifecycle.delete_pin(place.engines, 999, place.ada)
    lifecycle.delete_pin(place.engines, pin.id, place.bob, admin=True)
    with pytest.raises(NotFound):
        lifecycle.delete_pin(place.engines, pin.id, place.bob, admin=True)


def test_reindexing_keeps_pictures_up_meanwhile(place: Place) -> None:
    made = [place.developed(jpeg(noisy(100, 100, seed)))[0] for seed in range(3)]
    drain(place)
    place.engines.looks.remove(np.array([image.id for image in made]))
    seen: list[tuple[int, int]] = []
    assert lifecycle.reindex(place.engines, lambda done, of: seen.append((done, of))) == 3
    assert seen == [(3, 3)]
    assert counts(place)[State.READY] == 3
    drain(place)
    assert len(place.engines.looks) == 3
