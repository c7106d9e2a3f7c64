"""What every queue keeps: nothing acknowledged is lost, nothing is worked on twice in its time."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bowerbird.model import MAX_TRIES, Delivery, Job
from bowerbird.ports import Queue
from tests.contracts.conftest import Clock
from tests.contracts.queues import (
    ENGINES,
    Kind,
    Timer,
    drain,
    kind,
    numbered,
    numbers,
    queue,
)

__all__ = ["kind", "queue"]


def test_a_job_comes_as_it_was_sent(queue: Queue) -> None:
    deep = {"list": [1, None, True, 0.5, "\0\x1f\ufffe\uffff"]}
    payload = {"url": "https://example.org/ü?a=1", "user_id": 2**53 + 1, "deep": deep}
    queue.send([Job("fetch", payload)])
    (delivery,) = queue.receive()
    assert delivery.job.kind == "fetch"
    assert delivery.job.payload == payload
    assert delivery.job.id
    assert delivery.tries == 1


def test_a_job_keeps_the_id_it_came_with(queue: Queue) -> None:
    queue.send([Job("purge", {}, id="mine")])
    assert queue.receive()[0].job.id == "mine"


def test_nothing_waits_in_an_empty_queue(queue: Queue) -> None:
    queue.send([])
    assert queue.receive(5) == []
    assert queue.depth() == 0
    assert queue.parked() == []
    assert queue.parked_depth() == 0
    assert queue.retry() == 0


def test_a_payload_that_is_no_json_is_refused(queue: Queue) -> None:
    with pytest.raises(ValueError, match="JSON"):
        queue.send([*numbered(1), Job("process", {"image": object()})])
    assert queue.receive() == []


def test_who_waits_gets_what_comes_meanwhile(queue: Queue) -> None:
    start = time.monotonic()
    assert queue.receive(wait=1.0) == []
    assert 0.9 < time.monotonic() - start < 4
    late = threading.Timer(0.3, queue.send, [numbered(1)])
    late.start()
    assert numbers(queue.receive(wait=10)) == [1]
    assert time.monotonic() - start < 8
    late.join()


@pytest.mark.parametrize(("most", "visibility"), [(0, 60.0), (-1, 60.0), (1, 0.0), (1, -5.0)])
def test_a_senseless_receive_is_refused(queue: Queue, most: int, visibility: float) -> None:
    with pytest.raises(ValueError, match="receive"):
        queue.receive(most, visibility)


def test_at_most_so_many_at_once_and_each_once(queue: Queue) -> None:
    queue.send(numbered(*range(7)))
    first = queue.receive(5)
    second = queue.receive(5)
    assert (len(first), len(second)) == (5, 2)
    assert numbers(first + second) == list(range(7))
    assert queue.receive(5) == []
    assert queue.depth() == 7


def test_an_acknowledged_job_is_gone(kind: Kind, queue: Queue) -> None:
    queue.send(numbered(1, 2))
    life = kind.least(0.2)
    queue.ack(queue.receive(1, visibility=life)[0])
    time.sleep(life + 0.05)
    assert len(queue.receive(10)) == 1
    assert queue.depth() == 1


def test_an_unacknowledged_job_comes_back_after_its_visibility_time(kind: Kind, queue: Queue) -> None:
    queue.send(numbered(1))
    life = kind.least(0.3)
    (first,) = queue.receive(visibility=life)
    assert queue.receive() == []
    time.sleep(life + 0.05)
    (second,) = queue.receive()
    assert second.job == first.job
    assert (first.tries, second.tries) == (1, 2)
    assert second.receipt != first.receipt


@pytest.mark.able("clock")
def test_the_times_are_kept(engine: str, tmp_path: Path, clock: Clock) -> None:
    queue = ENGINES[engine].open(tmp_path, clock)
    queue.send(numbered(1))
    for step in ("received", "extended", "failed"):
        (delivery,) = queue.receive(visibility=30)
        if step == "extended":
            queue.extend(delivery, 30)
        if step == "failed":
            queue.fail(delivery, "no luck", delay=30)
        clock.now += 29
        assert queue.receive() == [], step
        clock.now += 2
    assert len(queue.receive()) == 1
    queue.close()


def test_an_extended_job_stays_away(kind: Kind, queue: Queue) -> None:
    queue.send(numbered(1))
    life = kind.least(0.2)
    (delivery,) = queue.receive(visibility=life)
    queue.extend(delivery, 60)
    time.sleep(life + 0.05)
    assert queue.receive() == []


@pytest.mark.able("knows_late")
def test_who_came_too_late_changes_nothing(kind: Kind, queue: Queue) -> None:
    queue.send(numbered(1))
    (late,) = queue.receive(visibility=0.05)
    time.sleep(0.1)
    (current,) = queue.receive(visibility=0.4)
    queue.ack(late)
    queue.fail(late, "too late", delay=600)
    queue.extend(late, 600)
    assert queue.depth() == 1
    time.sleep(0.45)
    assert queue.receive()[0].job == current.job


def test_who_came_too_late_is_not_told_off(kind: Kind, queue: Queue) -> None:
    queue.send(numbered(1))
    life = kind.least(0.05)
    (late,) = queue.receive(visibility=life)
    time.sleep(life + 0.05)
    (current,) = queue.receive()
    queue.ack(current)
    queue.ack(late)
    queue.fail(late, "too late")
    queue.extend(late, 60)
    assert queue.depth() == 0
    assert queue.receive() == []


def test_a_failed_job_comes_back_after_its_delay(kind: Kind, queue: Queue) -> None:
    queue.send(numbered(1))
    delay = kind.least(0.3)
    queue.fail(queue.receive()[0], "no luck", delay=delay)
    assert queue.receive() == []
    time.sleep(delay + 0.05)
    assert queue.receive()[0].tries == 2


def test_a_poison_job_is_parked_with_its_error_and_can_be_retried(queue: Queue) -> None:
    queue.send(numbered(1, 2))
    good, poison = sorted(queue.receive(2), key=lambda each: each.job.payload["image_id"])
    queue.ack(good)
    for n in range(1, MAX_TRIES + 1):
        assert poison.tries == n
        assert queue.parked() == []
        queue.fail(poison, f"broken {n}")
        if n < MAX_TRIES:
            (poison,) = queue.receive()
    assert queue.receive() == []
    assert queue.depth() == 0
    (parked,) = queue.parked()
    assert (parked.job, parked.error, parked.tries) == (poison.job, f"broken {MAX_TRIES}", MAX_TRIES)
    assert abs(parked.parked_at - time.time()) < 60

    assert queue.retry(["another"]) == 0
    assert queue.retry([parked.job.id]) == 1
    assert queue.parked() == []
    (again,) = queue.receive()
    assert (again.job, again.tries) == (parked.job, 1)
    queue.ack(poison)  # the receipt of a former life
    assert queue.depth() == 1


def test_a_job_whose_workers_die_is_parked_too(kind: Kind, tmp_path: Path, clock: Clock) -> None:
    queue = kind.open(tmp_path, clock)
    life = 60.0 if kind.clock else kind.least(0.1)
    queue.send(numbered(1))
    for n in range(1, MAX_TRIES + 1):
        assert [each.tries for each in queue.receive(visibility=life)] == [n]
        clock.now += life + 1
        if not kind.clock:
            time.sleep(life + 0.05)
    queue.send(numbered(2))
    assert numbers(queue.receive(10)) == [2]
    (parked,) = queue.parked()
    assert parked.job.payload == {"image_id": 1}
    assert "died" in parked.error
    queue.close()


def test_retry_of_all(queue: Queue) -> None:
    queue.send(numbered(*range(30)))
    for _ in range(MAX_TRIES):
        for each in drain(queue):
            queue.fail(each, "bad")
    assert len(queue.parked(most=10)) == 10
    assert len(queue.parked()) == 30
    assert queue.parked_depth() == 30
    assert queue.retry() == 30
    assert queue.parked_depth() == 0
    assert numbers(drain(queue)) == list(range(30))


def test_everything_is_there_after_a_restart(engine: str, tmp_path: Path) -> None:
    queue = ENGINES[engine].open(tmp_path, time.time)
    queue.send(numbered(*range(20)))
    flying = queue.receive(5)
    queue.ack(flying[0])
    queue.close()
    queue = ENGINES[engine].open(tmp_path, time.time)
    assert queue.depth() == 19
    rest = drain(queue)
    assert len(rest) == 15
    queue.ack(flying[1])
    assert queue.depth() == 18
    queue.close()


class Model(RuleBasedStateMachine):
    """The queue beside a dictionary that does the same."""

    open: Callable[[Path, Timer], Queue]

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.queue = type(self).open(Path(self.folder.name), self.clock)
        self.due: dict[str, float] = {}
        self.tries: dict[str, int] = {}
        self.parked: set[str] = set()
        self.flying: list[Delivery] = []
        self.count = 0

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
            self.folder.cleanup()

    def is_current(self, delivery: Delivery) -> bool:
        return delivery.job.id in self.due and self.tries[delivery.job.id] == delivery.tries

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        ids = [f"job {self.count + n}" for n in range(count)]
        self.queue.send([Job("process", {"name": name}, id=name) for name in ids])
        self.count += count
        self.due.update(dict.fromkeys(ids, self.clock.now))
        self.tries.update(dict.fromkeys(ids, 0))

    @rule(most=st.integers(1, 5), visibility=st.sampled_from([1.0, 10.0, 60.0]))
    def receive(self, most: int, visibility: float) -> None:
        ready = {name for name, due in self.due.items() if due <= self.clock.now and self.tries[name] < MAX_TRIES}
        found = self.queue.receive(most, visibility)
        names = {each.job.id for each in found}
        assert names <= ready
        assert len(names) == len(found) == min(most, len(ready))
        for each in found:
            assert each.job.payload == {"name": each.job.id}
            self.tries[each.job.id] += 1
            assert each.tries == self.tries[each.job.id]
            self.due[each.job.id] = self.clock.now + visibility
        self.flying += found

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def ack(self, data: Any) -> None:
        delivery = data.draw(st.sampled_from(self.flying))
        self.queue.ack(delivery)
        if self.is_current(delivery):
            del self.due[delivery.job.id]

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), visibility=st.sampled_from([1.0, 100.0]))
    def extend(self, data: Any, visibility: float) -> None:
        delivery = data.draw(st.sampled_from(self.flying))
        self.queue.extend(delivery, visibility)
        if self.is_current(delivery):
            self.due[delivery.job.id] = self.clock.now + visibility

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), delay=st.sampled_from([0.0, 0.0, 30.0]))
    def fail(self, data: Any, delay: float) -> None:
        delivery = data.draw(st.sampled_from(self.flying))
        self.queue.fail(delivery, "failed", delay)
        if self.is_current(delivery):
            self.due[delivery.job.id] = self.clock.now + delay
            if delivery.tries >= MAX_TRIES:
                del self.due[delivery.job.id]
                self.parked.add(delivery.job.id)

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def retry(self) -> None:
        again = {each.job.id for each in self.queue.parked()}
        assert self.queue.retry() == len(again)
        self.parked -= again
        self.due.update(dict.fromkeys(again, self.clock.now))
        self.tries.update(dict.fromkeys(again, 0))
        self.flying = [each for each in self.flying if each.job.id not in again]

    @rule()
    def restart(self) -> None:
        self.queue.close()
        self.queue = type(self).open(Path(self.folder.name), self.clock)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "queue"):
            return
        parked = {each.job.id for each in self.queue.parked()}
        spent = {n for n, due in self.due.items() if due <= self.clock.now and self.tries[n] >= MAX_TRIES}
        # A job out of tries is parked when its time has passed and someone asks for work.
        assert self.parked <= parked <= self.parked | spent
        for name in parked & spent:
            del self.due[name]
            self.parked.add(name)
        assert self.queue.depth() == len(self.due)


@pytest.mark.able("clock")
def test_it_does_what_its_model_does(engine: str) -> None:
    machine = type("Machine", (Model,), {"open": staticmethod(ENGINES[engine].open)})
    # On a server each is a database of its own.
    many = 8 if ENGINES[engine].server else 25
    checks = settings(max_examples=many, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=checks)
