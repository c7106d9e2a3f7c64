"""Deleting what an upload is bringing back: whatever order their steps come in, no picture is lost and none is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bowerbird.catalog import NotFound, fetches, images, pins
from bowerbird.catalog.tables import fetches as fetches_table
from bowerbird.catalog.tables import images as images_table
from bowerbird.ingest import lifecycle, pipeline, upload
from bowerbird.ingest.worker import Worker
from bowerbird.model import State, media_key
from bowerbird.ports import Engines, Unavailable
from tests import servers
from tests.contracts import stores
from tests.darkroom.pictures import jpeg, noisy
from tests.ingest.conftest import Place


class Killed(BaseException):
    """The process dies right here."""


class Stage:
    """Lets one of several actors do one step at a time, in an order that is given."""

    def __init__(self, order: Sequence[int], deaths: Sequence[int]) -> None:
        self._order, self._deaths = list(order), set(deaths)
        self._steps = 0
        self._turn = threading.Condition()
        self._waiting: dict[int, bool] = {}
        self._living = 0

    def play(self, acts: Sequence[Callable[[Engines], object]], engines: Engines) -> None:
        actors = [threading.Thread(target=self._act, args=(number, act, engines)) for number, act in enumerate(acts)]
        self._living = len(actors)
        for actor in actors:
            actor.start()
        with self._turn:
            while self._living:
                self._turn.wait_for(lambda: len(self._waiting) == self._living, 20)
                if not self._living:
                    break
                names = sorted(self._waiting)
                chosen = names[self._order.pop(0) % len(names) if self._order else 0]
                self._steps += 1
                dies = self._steps in self._deaths
                del self._waiting[chosen]
                self._goes, self._dies = chosen, dies
                self._turn.notify_all()
        for actor in actors:
            actor.join(20)
            assert not actor.is_alive()

    def _act(self, number: int, act: Callable[[Engines], object], engines: Engines) -> None:
        try:
            act(self._watched(engines, number))
        except (Killed, NotFound):
            pass
        finally:
            with self._turn:
                self._living -= 1
                self._turn.notify_all()

    def step(self, number: int) -> None:
        with self._turn:
            self._waiting[number] = True
            self._turn.notify_all()
            self._turn.wait_for(lambda: number not in self._waiting, 20)
            if self._dies:
                self._dies = False
                raise Killed

    def _watched(self, engines: Engines, number: int) -> Engines:
        return engines._replace(
            blobs=Watched(engines.blobs, lambda: self.step(number)),  # type: ignore[arg-type]
            metadata=Watched(engines.metadata, lambda: self.step(number)),  # type: ignore[arg-type]
            looks=Watched(engines.looks, lambda: self.step(number)),  # type: ignore[arg-type]
            queue=Watched(engines.queue, lambda: self.step(number)),  # type: ignore[arg-type]
            database=Watched(engines.database, lambda: self.step(number)),  # type: ignore[arg-type]
        )


class Watched:
    """A real engine that waits for its turn before each call, and once more after it."""

    def __init__(self, engine: Any, step: Callable[[], None]) -> None:
        self._engine, self._step = engine, step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if name not in ("put", "get", "exists", "delete", "send", "read", "write", "add", "remove"):
            return found
        if name in ("read", "write"):
            return lambda: self._within(found)

        def call(*args: Any, **more: Any) -> Any:
            self._step()
            return found(*args, **more)

        return call

    @contextmanager
    def _within(self, found: Any) -> Iterator[Any]:
        self._step()
        with found() as conn:
            yield conn


def settled(place: Place) -> None:
    """What the queue and the sweeps bring about in the end."""
    hands = Worker(place.engines, place.room)
    for _ in range(4):
        lifecycle.sweep_orphans(place.engines)
        lifecycle.sweep(place.engines)
        while hands.once():
            pass


def check(place: Place, data: bytes, garbage: int) -> None:
    """What pins show is whole, what no pin shows is gone; but for as many originals as uploads died."""
    with place.engines.database.read() as conn:
        every = images.every(conn)
        shown = [pin for user in (place.ada, place.bob) for pin in pins.of_user(conn, user, user)]
        assert pins.count(conn) == len(shown)
        assert images.all_left(conn) == []
    stored = place.stored()
    assert {image.id for image in every} == {pin.image.id for pin in shown}
    for image in every:
        assert image.state is State.READY
        assert place.engines.blobs.get(image.original) == data
        assert media_key("236x", image.media) in stored
        assert place.engines.metadata.get(f"look:{image.media}") is not None
        assert place.engines.looks.get(np.array([image.id])).any()
    assert len(place.engines.looks) == len(every)
    originals = {key for key in stored if key.startswith("originals/")}
    assert len(originals - {image.original for image in every}) <= garbage
    if not every:
        assert stored == originals


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # to shrink a failure would take many minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_an_upload_and_a_purge_in_any_order(place: Place, data: st.DataObject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    monkeypatch.setattr(lifecycle, "LOST", -1.0)
    picture = jpeg(noisy(80, 60, 1))
    with place.engines.database.read() as conn:
        before = [pin for user in (place.ada, place.bob) for pin in pins.of_user(conn, user, user)]
    for pin in before:
        lifecycle.delete_pin(place.engines, pin.id, pin.user_id)
    settled(place)
    for key in place.stored():  # what died uploads of the example before have left
        place.engines.blobs.delete([key])
    first = place.upload(picture)
    if data.draw(st.booleans(), label="ready"):
        pipeline.process(place.engines, place.room, first.image.id)

    def gone(engines: Engines) -> None:
        lifecycle.delete_pin(engines, first.id, place.ada)
        lifecycle.purge(engines, first.image.id)

    acts: list[Callable[[Engines], object]] = [
        gone,
        lambda engines: lifecycle.purge(engines, first.image.id),  # the job came twice
        lambda engines: upload.accept(engines, place.bob, picture),
        lambda engines: pipeline.process(engines, place.room, first.image.id, again=True),
    ]
    if data.draw(st.booleans(), label="two uploads"):
        acts.append(lambda engines: upload.accept(engines, place.ada, picture))
    order = data.draw(st.lists(st.integers(0, 9), min_size=30, max_size=90), label="order")
    deaths = data.draw(st.lists(st.integers(1, 40), max_size=2), label="deaths")
    Stage(order, deaths).play(acts, place.engines)
    place.engines.queue.send([upload.job(first.image.id, again=True)])  # who died of it has not told that it is done
    settled(place)
    check(place, picture, garbage=len(deaths))


def test_a_store_that_hangs_holds_up_its_purge_and_nothing_else(place: Place) -> None:
    picture = jpeg(noisy(300, 200))
    image, _ = place.developed(picture)
    with place.engines.database.read() as conn:
        (pin,) = pins.of_user(conn, place.ada, place.ada)
    thawed = threading.Event()

    class Hangs:
        def __getattr__(self, name: str) -> Any:
            if name == "delete":
                assert thawed.wait(30)
            return getattr(place.engines.blobs, name)

    lifecycle.delete_pin(place.engines, pin.id, place.ada)
    frozen = place.engines._replace(blobs=Hangs())  # type: ignore[arg-type]
    purge = threading.Thread(target=lifecycle.purge, args=(frozen, image.id))
    purge.start()
    try:
        time.sleep(0.2)
        start = time.monotonic()
        again = place.upload(picture, place.bob)
        pipeline.process(place.engines, place.room, again.image.id)
        assert time.monotonic() - start < 5
        assert purge.is_alive()
    finally:
        thawed.set()
        purge.join(30)
    settled(place)
    check(place, picture, garbage=0)


def test_a_frozen_store_holds_up_no_other_write_and_takes_nothing_when_it_thaws(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real one, over S3: it carries out what it was asked for once it runs again, whoever has stopped waiting."""
    monkeypatch.setattr(lifecycle, "SETTLED", -1.0)
    servers.need("seaweedfs")
    (server,) = servers.running["seaweedfs"].servers
    place.engines = place.engines._replace(blobs=stores.ENGINES["seaweedfs"].open(tmp_path))
    picture = jpeg(noisy(300, 200))
    image, _ = place.developed(picture)
    with place.engines.database.read() as conn:
        (pin,) = pins.of_user(conn, place.ada, place.ada)
    lifecycle.delete_pin(place.engines, pin.id, place.ada)
    failures: list[Unavailable] = []

    def purge() -> None:
        try:
            lifecycle.purge(place.engines, image.id)
        except Unavailable as error:
            failures.append(error)

    purging = threading.Thread(target=purge)
    server.freeze()
    try:
        purging.start()
        slowest = 0.0
        while purging.is_alive():
            start = time.monotonic()
            with place.engines.database.write() as conn:
                fetches.create(conn, place.ada, "https://example.org/a.jpg", {})
            slowest = max(slowest, time.monotonic() - start)
            time.sleep(0.05)
    finally:
        server.thaw()
        purging.join()
    assert failures  # it gave up waiting, so that it is tried again
    assert slowest < 2
    with place.engines.database.write() as conn:
        conn.execute(sa.delete(fetches_table))
    place.upload(picture, place.bob)
    settled(place)
    check(place, picture, garbage=0)


def test_a_purge_that_was_cut_short_is_found_though_its_job_is_lost(place: Place) -> None:
    picture = jpeg(noisy(300, 200))
    image, _ = place.developed(picture)
    with place.engines.database.read() as conn:
        (pin,) = pins.of_user(conn, place.ada, place.ada)
    lifecycle.delete_pin(place.engines, pin.id, place.ada)

    class Away:
        def __getattr__(self, name: str) -> Any:
            if name == "delete":
                raise Unavailable("the store is away")
            return getattr(place.engines.blobs, name)

    with pytest.raises(Unavailable):
        lifecycle.purge(place.engines._replace(blobs=Away()), image.id)  # type: ignore[arg-type]
    while deliveries := place.engines.queue.receive(10):
        for each in deliveries:
            place.engines.queue.ack(each)
    assert place.image(image.id) is None
    assert place.stored()
    settled(place)
    check(place, picture, garbage=0)
    assert place.stored() == set()


def test_a_refused_upload_leaves_no_original(place: Place) -> None:
    with pytest.raises(NotFound):
        place.upload(jpeg(), board_id=999)
    assert place.stored() == set()


def test_an_original_of_before_its_key_was_kept_is_found_by_its_content(place: Place) -> None:
    picture = jpeg(noisy(300, 200))
    pin = place.upload(picture)
    plain = f"originals/{pin.image.sha256[:2]}/{pin.image.sha256[2:4]}/{pin.image.sha256}"
    place.engines.blobs.put(plain, picture)
    place.engines.blobs.delete([pin.image.original])
    with place.engines.database.write() as conn:
        conn.execute(sa.update(images_table).values(original=""))
    settled(place)
    check(place, picture, garbage=0)
    assert place.upload(picture, place.bob).image.original == plain
    for mine in (pin.id, pin.id + 1):
        lifecycle.delete_pin(place.engines, mine, place.ada, admin=True)
    settled(place)
    assert place.stored() == set()
