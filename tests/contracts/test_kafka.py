"""What only Kafka promises, or its broker for trying out does not keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import msgspec
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from bowerbird import wiring
from bowerbird.adapters.events.kafka import HOLE, KafkaEvents
from bowerbird.adapters.kafka_client import Cluster, Record, Sender
from bowerbird.adapters.queue.kafka import AHEAD, KafkaQueue
from bowerbird.adapters.queue.kafka_share import Note, Share
from bowerbird.events import reader
from bowerbird.fleet.server import Server, free_port
from bowerbird.fleet.servers import broker
from bowerbird.model import MAX_TRIES, Counts, Event, Job
from bowerbird.ports import Unavailable
from bowerbird.settings import BadSetting, Settings
from tests import servers
from tests.contracts.faults import Tell, killed
from tests.events.conftest import furnish, opened
from tests.servers import namespace, need

WORDS = "session=2&timeout=5"


def at(url: str, folder: Path, words: str = WORDS) -> str:
    return urlsplit(url)._replace(path=f"/{namespace(folder)}", query=words).geturl()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[str, Server]:
    """A broker that remembers, and a URL for this test in it."""
    return at(need("kafka_kept"), tmp_path), servers.server("kafka_kept")


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[tuple[str, Server]]:
    port = free_port()
    server = broker.broker(tmp_path / "broker", port)
    server.start()
    server.wait()
    yield at(broker.url(port, "x"), tmp_path), server
    server.stop()


def again(server: Server) -> None:
    server.kill()
    server.start()
    server.wait()


def saves(*pins: int) -> list[Event]:
    return [Event("save", at=1.5, user_id=7, pin_id=pin) for pin in pins]


def sent(call: object, *words: object) -> None:
    """What is on its way when a broker dies may be refused; the second time it is taken."""
    try:
        call(*words)  # type: ignore[operator]
    except Unavailable:
        call(*words)  # type: ignore[operator]


def test_a_broker_that_died_has_every_event(kept: tuple[str, Server]) -> None:
    url, server = kept
    log = KafkaEvents(url)
    log.append(saves(1, 2, 3))
    first = log.read(0)
    again(server)
    assert log.read(0) == first
    sent(log.append, saves(4))
    assert [each.pin_id for each in log.read(first[-1].offset)] == [4]
    assert KafkaEvents(url).end() == log.end() == first[-1].offset + 1
    log.close()


def test_a_broker_that_died_has_every_job(kept: tuple[str, Server]) -> None:
    url, server = kept
    queue = KafkaQueue(url)
    queue.send([Job("process", {"n": n}) for n in range(6)])
    flying = queue.receive(3)
    queue.ack(flying[0])
    again(server)
    sent(queue.ack, flying[1])
    sent(queue.send, [Job("process", {"n": 6})])
    rest: set[int] = set()
    until = time.monotonic() + 30
    while len(rest) < 4 and time.monotonic() < until:
        rest |= {each.job.payload["n"] for each in queue.receive(10, wait=1.0)}
    assert {6} <= rest
    assert not rest & {each.job.payload["n"] for each in flying[:2]}
    queue.close()


def test_what_is_missing_is_waited_for_and_then_passed_over(kept: tuple[str, Server], tmp_path: Path) -> None:
    """The broker of the tests may show a batch before an older one is kept; one that died meanwhile never keeps it."""
    url, server = kept
    log = KafkaEvents(url)
    for pin in (1, 2, 3):
        log.append(saves(pin))
    s3 = boto3.client(
        "s3",
        endpoint_url=server.env["AWS_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=server.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server.env["AWS_SECRET_ACCESS_KEY"],
    )
    batch = f"clusters/tansu_cluster/topics/{namespace(tmp_path)}/partitions/{0:010}/records/{1:020}.batch"
    body = s3.get_object(Bucket="pictures", Key=batch)["Body"].read()
    s3.delete_object(Bucket="pictures", Key=batch)
    (first,) = log.read(0)
    late = threading.Timer(HOLE / 4, lambda: s3.put_object(Bucket="pictures", Key=batch, Body=body))
    late.start()
    assert [each.pin_id for each in log.read(first.offset)] == [2, 3]
    s3.delete_object(Bucket="pictures", Key=batch)
    start = time.monotonic()
    assert [each.pin_id for each in log.read(first.offset)] == [3]
    assert HOLE <= time.monotonic() - start < HOLE + 5
    log.close()


@pytest.mark.slow
def test_a_log_that_was_lost_goes_on_above_what_was_folded(forgetful: tuple[str, Server], tmp_path: Path) -> None:
    url, server = forgetful
    engines = opened(tmp_path / "data")._replace(events=KafkaEvents(url))
    furnish(engines)
    follower = KafkaEvents(url)
    engines.events.append(saves(1, 2, 1))
    while reader.step(engines):
        pass
    before = reader.place(engines).offset
    assert [each.offset for each in follower.read(0)][-1] == before == engines.events.end()
    again(server)
    sent(engines.events.append, saves(1))
    assert engines.events.end() > before
    while reader.step(engines):
        pass
    assert reader.place(engines).offset == engines.events.end()
    assert [each.pin_id for each in follower.read(before)] == [1]
    counts = msgspec.json.decode(engines.metadata.get("counts:1") or b"", type=Counts)
    assert counts.saves == 3
    engines.close()
    follower.close()


@pytest.mark.slow
def test_a_queue_that_was_lost_goes_on_empty(forgetful: tuple[str, Server]) -> None:
    url, server = forgetful
    queue = KafkaQueue(url)
    queue.send([Job("process", {"n": 1}), Job("process", {"n": 2})])
    assert len(queue.receive(1)) == 1
    again(server)
    sent(queue.send, [Job("process", {"n": 3})])
    found: list[int] = []
    until = time.monotonic() + 30
    while not found and time.monotonic() < until:
        try:
            for each in queue.receive(5, wait=1.0):
                found.append(each.job.payload["n"])
                queue.ack(each)
        except Unavailable:
            time.sleep(0.2)
    assert 3 in found
    queue.close()


def test_a_record_of_somebody_else_is_passed_over(tmp_path: Path) -> None:
    url = at(need("kafka"), tmp_path)
    log = KafkaEvents(url)
    log.append(saves(1))
    sender = Sender(Cluster(url))
    sender.send(namespace(tmp_path), [Record(b"no JSON"), Record(b'{"kind": "save"}')])
    log.append(saves(2))
    assert [each.kind for each in log.read(0)] == ["save", "", "", "save"]
    assert len({each.offset for each in log.read(0)}) == 4
    sender.close()
    log.close()


def test_sending_makes_no_topic(tmp_path: Path) -> None:
    """It would have as few partitions as the broker thinks fit, and a queue that sends to others would stand still."""
    hasty, patient = (Cluster(at(need("kafka"), tmp_path, words)) for words in ("timeout=1", WORDS))
    early, late = Sender(hasty), Sender(patient)
    with pytest.raises(Unavailable):
        early.send(hasty.topic, [Record(b"early")])
    patient.make({patient.topic: 16})
    assert patient.partitions(patient.topic) == 16
    assert late.send(patient.topic, [Record(b"late", 15)]) == [0]
    early.close()
    late.close()


def test_events_take_a_topic_of_one_partition(tmp_path: Path) -> None:
    url = at(need("kafka"), tmp_path)
    admin = AdminClient({"bootstrap.servers": urlsplit(url).netloc})
    admin.create_topics([NewTopic(namespace(tmp_path), 3, 1)])[namespace(tmp_path)].result(10)
    with pytest.raises(BadSetting, match=r"BOWERBIRD_EVENTS.*3 partitions"):
        wiring.events(Settings(data=tmp_path, events=url))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("kafka://127.0.0.1/events", "write kafka://"),
        ("kafka://127.0.0.1:9092", "write kafka://"),
        ("kafka://127.0.0.1:9092/no/topic", "write kafka://"),
        ("kafka://ann@127.0.0.1:9092/events", "write kafka://"),
        ("kafka://127.0.0.1:9092/events?session=soon", "session is"),
        ("kafka://127.0.0.1:9092/events?retries=5", "retries is not known"),
    ],
)
def test_a_url_that_cannot_be_meant_is_told(url: str, why: str) -> None:
    with pytest.raises(BadSetting, match=f"BOWERBIRD_EVENTS cannot be used: .*{why}"):
        wiring.events(Settings(events=url))


def test_a_wrong_address_is_told_soon() -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"BOWERBIRD_QUEUE: Kafka at 127\.0\.0\.1:\d+: .*refused"):
        wiring.queue(Settings(queue=f"kafka://127.0.0.1:{free_port()}/jobs"))
    assert time.monotonic() - start < 8


def _die_of(tell: Tell, url: str) -> None:
    queue = KafkaQueue(url)
    while True:
        for each in queue.receive(1, visibility=0.2, wait=1.0):
            if each.job.payload["n"] == 0:
                tell(each.tries)
                time.sleep(60)
            queue.ack(each)


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_parked(tmp_path: Path) -> None:
    """How often it was tried outlives those who tried it."""
    url = at(need("kafka"), tmp_path)
    queue = KafkaQueue(url)
    queue.send([Job("process", {"n": n}) for n in range(3)])
    assert [killed(_die_of, url, after=1) for _ in range(MAX_TRIES)] == [[n] for n in range(1, MAX_TRIES + 1)]
    until = time.monotonic() + 30
    while not queue.parked() and time.monotonic() < until:
        queue.receive(1, wait=1.0)
    (parked,) = queue.parked()
    assert (parked.job.payload, parked.tries) == ({"n": 0}, MAX_TRIES)
    assert "died" in parked.error
    assert queue.depth() == 0
    queue.close()


@pytest.mark.slow
def test_one_slow_job_holds_up_no_more_than_is_known_ahead(tmp_path: Path) -> None:
    queue = KafkaQueue(at(need("kafka"), tmp_path, "session=2&partitions=1&timeout=5"))
    queue.send([Job("process", {"n": n}) for n in range(3 * AHEAD)])
    (slow,) = queue.receive(1)
    done = 1
    while found := queue.receive(20):
        for each in found:
            queue.ack(each)
        done += len(found)
    assert done == 3 * AHEAD
    queue.ack(slow)
    assert queue.depth() == 0
    queue.close()


def test_what_was_not_handed_out_was_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while the broker gives and takes nothing."""
    queue = KafkaQueue(at(need("kafka"), tmp_path))
    queue.send([Job("process", {"n": 1})])
    with monkeypatch.context() as patch:

        def refused(*_: object) -> list[int]:
            raise Unavailable("not enough replicas")

        patch.setattr(queue._sender, "send", refused)
        for _ in range(MAX_TRIES + 1):
            with pytest.raises(Unavailable, match="replicas"):
                queue.receive(1, visibility=60, wait=5.0)
    (delivery,) = queue.receive(1, wait=5.0)
    assert (delivery.tries, delivery.job.payload) == (1, {"n": 1})
    queue.ack(delivery)
    assert (queue.depth(), queue.parked()) == (0, [])
    queue.close()


class Said:
    """What a broker hands over."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset

    def value(self) -> bytes:
        return msgspec.json.encode(("process", {"n": self._offset}, str(self._offset)))


def test_what_the_broker_has_no_more_counts_as_done() -> None:
    """It forgets jobs after a time, and where a group was that is away for a week."""
    share = Share(0, 0, Note(done=[3, 500, 502]))
    share.take(Said(501))  # type: ignore[arg-type]
    assert (share.low, share.next, share.done) == (501, 502, {502})
    share.take(Said(505))  # type: ignore[arg-type]
    assert set(share.tasks) == {501, 505}
    share.finish(501)
    assert (share.low, share.done) == (505, set())
    share.finish(505)
    assert share.low == 506
