"""What a `Queue` does when many work at once or are killed, and when its server is away, slow or full."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bowerbird.fleet.server import Server
from bowerbird.model import Delivery, Job
from bowerbird.ports import Queue, Unavailable
from tests.contracts.faults import SmallDisk, Tell, killed, together
from tests.contracts.queues import (
    ENGINES,
    Kind,
    drain,
    kind,
    numbered,
    numbers,
    port_of,
    queue,
)
from tests.proxy import Proxy

__all__ = ["kind", "queue"]


def test_threads_never_share_a_job(kind: Kind, queue: Queue) -> None:
    jobs, workers = kind.many, 8
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
    jobs = ENGINES[engine].many
    queue.send(numbered(*range(jobs)))
    told = together(_take_all, [(engine, tmp_path)] * 3)
    assert sorted(n for each in told for n in each) == list(range(jobs))


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
    assert not ENGINES[engine].whole or len(found) % 2 == 0, "half of one send was kept"


def test_a_killed_worker_loses_nothing_it_had_not_done(engine: str, tmp_path: Path, queue: Queue) -> None:
    jobs = ENGINES[engine].many
    queue.send(numbered(*range(jobs)))
    told = killed(_work_for_ever, engine, tmp_path, after=101)
    done = {n for what, n in told if what == "done"}
    time.sleep(1.1)
    rest = numbers(drain(queue))
    assert not done & set(rest), "an acknowledged job came again"
    # At most one ack was in the queue but not yet told when the worker died.
    assert len(done | set(rest)) >= jobs - 1
    assert {n for what, n in told if what == "took"} | set(rest) == set(range(jobs))


def test_a_large_job_is_taken_or_refused(kind: Kind, queue: Queue) -> None:
    large = [Job("process", {"image_id": n, "words": "ü" * 100_000}) for n in range(3)]  # 200 KB each
    queue.send(large)
    assert numbers(drain(queue)) == [0, 1, 2]
    if kind.largest < 10**9:
        with pytest.raises(ValueError, match=str(kind.largest)):
            queue.send([*numbered(3), Job("process", {"words": "x" * kind.largest})])
        assert queue.receive() == []


def away(queue: Queue, kind: Kind) -> None:
    """Every call says so, and soon, also when many are made at once."""
    delivery = Delivery(numbered(1)[0], kind.receipt, 1)
    calls: list[Callable[[], object]] = [
        lambda: queue.send(numbered(*range(30))),
        lambda: queue.receive(1, wait=1.0),
        lambda: queue.ack(delivery),
        lambda: queue.extend(delivery, 60),
        lambda: queue.fail(delivery, "no luck"),
        lambda: queue.depth(),
        lambda: queue.parked(),
        lambda: queue.parked_depth(),
        lambda: queue.retry(),
    ]
    start = time.monotonic()
    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call) for call in calls]:
            assert isinstance(done.exception(), Unavailable)
    assert time.monotonic() - start < 8


@pytest.mark.able("restarts")
def test_an_engine_that_died_is_found_again(kind: Kind, place: Server, queue: Queue) -> None:
    queue.send(numbered(*range(20)))
    flying = queue.receive(5)
    time.sleep(kind.settles)
    place.kill()
    away(queue, kind)
    place.start()
    place.wait()
    time.sleep(kind.rests)
    queue.ack(flying[0])
    assert len(drain(queue)) == 15
    assert queue.depth() == 19


def test_a_frozen_engine_holds_nobody_up(kind: Kind, place: Server, queue: Queue, tmp_path: Path) -> None:
    assert kind.behind is not None
    queue.send(numbered(1))
    hasty = kind.behind(tmp_path, port_of(kind))
    place.freeze()
    try:
        away(hasty, kind)
    finally:
        place.thaw()
        hasty.close()
    queue.send(numbered(2))
    found = numbers(drain(queue) + queue.receive(10, wait=2.0))
    # What was on its way when it froze may have been done, by it or for nobody.
    assert 2 in found


def test_a_slow_engine_answers_late_or_not_at_all(kind: Kind, place: Server, tmp_path: Path) -> None:
    proxy, queue = _behind(kind, tmp_path)
    queue.send(numbered(1))
    proxy.delay = 2.0
    start = time.monotonic()
    with contextlib.suppress(Unavailable):
        assert len(queue.receive()) == 1
    with contextlib.suppress(Unavailable):
        queue.send(numbered(2))
    assert time.monotonic() - start < 14
    proxy.delay = 0.0
    assert queue.depth() in (1, 2)
    queue.close()
    proxy.close()


def test_a_broken_line_is_mended(kind: Kind, place: Server, tmp_path: Path) -> None:
    proxy, queue = _behind(kind, tmp_path)
    queue.send(numbered(1))
    proxy.refuse()
    with pytest.raises(Unavailable):
        queue.send(numbered(2))
    with pytest.raises(Unavailable):
        queue.receive()
    proxy.accept()
    time.sleep(kind.rests)
    queue.send(numbered(3))
    assert {1, 3} <= set(numbers(drain(queue)))
    queue.close()
    proxy.close()


def _behind(kind: Kind, folder: Path) -> tuple[Proxy, Queue]:
    assert kind.behind is not None
    proxy = kind.through() if kind.through else Proxy(port_of(kind))
    return proxy, kind.behind(folder, proxy.port)


def test_a_full_disk_is_told_and_loses_nothing(engine: str, small_disk: SmallDisk) -> None:
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
