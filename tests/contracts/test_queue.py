"""What every queue keeps: nothing acknowledged is lost, nothing is worked on twice in its time."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

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

from bowerbird.adapters.queue.sqlite import SqliteQueue
from bowerbird.model import MAX_TRIES, Delivery, Job
from bowerbird.ports import Queue, Unavailable
from tests.contracts.conftest import Clock
from tests.contracts.faults import SmallDisk, Tell, killed, together

Timer = Callable[[], float]


class Kind(NamedTuple):
    open: Callable[[Path, Timer], Queue]
    clock: bool
    """It takes its time from a clock of ours."""
    disk: bool
    """It keeps its jobs on a disk of ours."""


ENGINES = {
    "sqlite": Kind(lambda folder, clock: SqliteQueue(folder / "queue.db", clock), clock=True, disk=True),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def queue(engine: str, tmp_path: Path) -> Iterator[Queue]:
    queue = ENGINES[engine].open(tmp_path, time.time)
    yield queue
    queue.close()


def numbered(*numbers: int) -> list[Job]:
    return [Job("process", {"image_id": n}) for n in numbers]


def numbers(deliveries: list[Delivery]) -> list[int]:
    return sorted(each.job.payload["image_id"] for each in deliveries)


def drain(queue: Queue, visibility: float = 60.0) -> list[Delivery]:
    found: list[Delivery] = []
    while more := queue.receive(10, visibility):
        found += more
    return found


def test_a_job_comes_as_it_was_sent(queue: Queue) -> None:
    payload = {"url": "https://example.org/ü?a=1", "user_id": 2**53 + 1, "deep": {"list": [1, None, True, 0.5, "\0"]}}
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
    assert queue.retry() == 0


def test_a_payload_that_is_no_json_is_refused(queue: Queue) -> None:
    with pytest.raises(ValueError, match="JSON"):
        queue.send([*numbered(1), Job("process", {"image": object()})])
    assert queue.receive() == []


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


def test_an_acknowledged_job_is_gone(engine: str, tmp_path: Path, clock: Clock) -> None:
    if not ENGINES[engine].clock:
        pytest.skip("its time cannot be turned")
    queue = ENGINES[engine].open(tmp_path, clock)
    queue.send(numbered(1, 2))
    queue.ack(queue.receive(1)[0])
    clock.now += 1000
    assert len(queue.receive(10)) == 1
    assert queue.depth() == 1
    queue.close()


def test_an_unacknowledged_job_comes_back_after_its_visibility_time(queue: Queue) -> None:
    queue.send(numbered(1))
    (first,) = queue.receive(visibility=0.3)
    assert queue.receive() == []
    time.sleep(0.35)
    (second,) = queue.receive()
    assert second.job == first.job
    assert (first.tries, second.tries) == (1, 2)
    assert second.receipt != first.receipt


def test_the_times_are_kept(engine: str, tmp_path: Path, clock: Clock) -> None:
    if not ENGINES[engine].clock:
        pytest.skip("its time cannot be turned")
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


def test_an_extended_job_stays_away(queue: Queue) -> None:
    queue.send(numbered(1))
    (delivery,) = queue.receive(visibility=0.2)
    queue.extend(delivery, 60)
    time.sleep(0.25)
    assert queue.receive() == []


def test_who_came_too_late_changes_nothing(queue: Queue) -> None:
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


def test_a_failed_job_comes_back_after_its_delay(queue: Queue) -> None:
    queue.send(numbered(1))
    queue.fail(queue.receive()[0], "no luck", delay=0.3)
    assert queue.receive() == []
    time.sleep(0.35)
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


def test_a_job_whose_workers_die_is_parked_too(engine: str, tmp_path: Path, clock: Clock) -> None:
    if not ENGINES[engine].clock:
        pytest.skip("its time cannot be turned")
    queue = ENGINES[engine].open(tmp_path, clock)
    queue.send(numbered(1))
    for n in range(1, MAX_TRIES + 1):
        assert [each.tries for each in queue.receive()] == [n]
        clock.now += 61
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
    assert queue.retry() == 30
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


def test_threads_never_share_a_job(queue: Queue) -> None:
    jobs, workers = 400, 8
    done: list[list[int]] = [[] for _ in range(workers)]

    def send(share: int) -> None:
        for n in range(share, jobs, workers):
            queue.send(numbered(n))

    def work(mine: list[int]) -> None:
        deadline = time.monotonic() + 60
        while sum(map(len, done)) < jobs and time.monotonic() < deadline:
            for delivery in queue.receive(3):
                mine.append(delivery.job.payload["image_id"])
                queue.ack(delivery)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(workers)]
    threads += [threading.Thread(target=work, args=(mine,)) for mine in done]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(n for mine in done for n in mine) == list(range(jobs))
    assert queue.depth() == 0


def _take_all(tell: Tell, engine: str, folder: Path) -> None:
    queue = ENGINES[engine].open(folder, time.time)
    deadline = time.monotonic() + 60
    while queue.depth() and time.monotonic() < deadline:
        for delivery in queue.receive(2):
            queue.ack(delivery)
            tell(delivery.job.payload["image_id"])


def test_processes_never_share_a_job(engine: str, tmp_path: Path, queue: Queue) -> None:
    queue.send(numbered(*range(600)))
    told = together(_take_all, [(engine, tmp_path)] * 3)
    assert sorted(n for each in told for n in each) == list(range(600))


def _send_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    queue = ENGINES[engine].open(folder, time.time)
    n = 0
    while True:
        queue.send(numbered(n, n + 1))
        tell((n, n + 1))
        n += 2


def _work_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    queue = ENGINES[engine].open(folder, time.time)
    while True:
        for delivery in queue.receive(3, visibility=1.0):
            tell(("took", delivery.job.payload["image_id"]))
            queue.ack(delivery)
            tell(("done", delivery.job.payload["image_id"]))


def test_a_killed_sender_loses_nothing_it_was_promised(engine: str, tmp_path: Path, queue: Queue) -> None:
    promised = {n for pair in killed(_send_for_ever, engine, tmp_path, after=50) for n in pair}
    found = numbers(drain(queue))
    assert promised <= set(found)
    assert len(found) == len(set(found))
    assert len(found) % 2 == 0, "half of one send was kept"


def test_a_killed_worker_loses_nothing_it_had_not_done(engine: str, tmp_path: Path, queue: Queue) -> None:
    queue.send(numbered(*range(500)))
    told = killed(_work_for_ever, engine, tmp_path, after=101)
    done = {n for what, n in told if what == "done"}
    time.sleep(1.1)
    rest = numbers(drain(queue))
    assert not done & set(rest), "an acknowledged job came again"
    # At most one ack was in the queue but not yet told when the worker died.
    assert len(done | set(rest)) >= 499
    assert {n for what, n in told if what == "took"} | set(rest) == set(range(500))


def test_a_full_disk_is_told_and_loses_nothing(engine: str, small_disk: SmallDisk) -> None:
    if not ENGINES[engine].disk:
        pytest.skip("it keeps nothing on a disk of ours")
    queue = ENGINES[engine].open(small_disk.path, time.time)
    kept = []
    with pytest.raises(Unavailable, match=str(small_disk.path)):
        for n in range(100_000):
            queue.send([Job("process", {"image_id": n, "filling": "x" * 2000})])
            kept.append(n)
    assert queue.depth() == len(kept)
    small_disk.grow()
    queue.send(numbered(-1))
    assert numbers(drain(queue)) == [-1, *kept]
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


def test_it_does_what_its_model_does(engine: str) -> None:
    if not ENGINES[engine].clock:
        pytest.skip("its time cannot be turned")
    machine = type("Machine", (Model,), {"open": staticmethod(ENGINES[engine].open)})
    checks = settings(max_examples=25, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=checks)
