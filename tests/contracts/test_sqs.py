"""What SQS asks of its adapter beyond the contract: its batches, its other queue, what others put into it."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from bowerbird.adapters.queue import sqs
from bowerbird.adapters.queue.sqs import SqsQueue
from bowerbird.model import MAX_TRIES, Job
from bowerbird.ports import Unavailable
from tests.contracts.amazon import Stingy, Words
from tests.servers import namespace, need


@pytest.fixture
def endpoint() -> str:
    return need("sqs")


@pytest.fixture
def amazon(endpoint: str) -> Any:
    words = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("sqs", endpoint_url=endpoint, **words)


@pytest.fixture
def queue(endpoint: str, tmp_path: Path) -> Iterator[SqsQueue]:
    queue = SqsQueue(f"sqs://test:test@{namespace(tmp_path)}?endpoint={endpoint}")
    yield queue
    queue.close()


class StingySqs(Stingy):
    busy = "RequestThrottled"

    def half(self, operation: str, asked: Words) -> tuple[Words, Words]:
        if operation in ("SendMessageBatch", "DeleteMessageBatch") and len(asked["Entries"]) > 1:
            self.halved -= 1
            half = len(asked["Entries"]) // 2
            failed = [
                {"Id": each["Id"], "SenderFault": False, "Code": "InternalError"} for each in asked["Entries"][half:]
            ]
            return {**asked, "Entries": asked["Entries"][:half]}, {"Failed": failed}
        return asked, {}


@pytest.fixture
def stingy(endpoint: str) -> Iterator[Stingy]:
    stingy = StingySqs(endpoint)
    yield stingy
    stingy.close()


@pytest.fixture
def short_of(stingy: Stingy, tmp_path: Path) -> Iterator[SqsQueue]:
    queue = SqsQueue(f"sqs://test:test@{namespace(tmp_path)}?endpoint={stingy.url}")
    yield queue
    queue.close()


def numbered(count: int, **more: object) -> list[Job]:
    return [Job("process", {"image_id": n, **more}, id=str(n)) for n in range(count)]


def drained(queue: SqsQueue) -> list[int]:
    found: list[int] = []
    while taken := queue.receive(10):
        found += [each.job.payload["image_id"] for each in taken]
    return sorted(found)


def test_what_a_batch_puts_off_is_sent_too(stingy: Stingy, short_of: SqsQueue) -> None:
    stingy.halved = 5
    short_of.send(numbered(25))
    assert stingy.halved == 0
    assert drained(short_of) == list(range(25))


def test_throttling_is_waited_out_or_told(stingy: Stingy, short_of: SqsQueue) -> None:
    stingy.turned_away = 3
    short_of.send(numbered(1))
    stingy.turned_away = 3
    (delivery,) = short_of.receive()
    stingy.turned_away = 10**6
    start = time.monotonic()
    with pytest.raises(Unavailable, match="too busy"):
        short_of.ack(delivery)
    assert 1 < time.monotonic() - start < 6


def test_few_requests_send_many_jobs(stingy: Stingy, short_of: SqsQueue) -> None:
    short_of.send(numbered(100))
    assert stingy.seen.count("SendMessageBatch") == 10
    stingy.seen.clear()
    short_of.send(numbered(10, words="x" * 60_000))  # four of them fit into one request
    assert stingy.seen.count("SendMessageBatch") == 3


def test_waiting_takes_one_request_a_second(stingy: Stingy, short_of: SqsQueue) -> None:
    stingy.seen.clear()
    assert short_of.receive(wait=3.0) == []
    assert 3 <= stingy.seen.count("ReceiveMessage") <= 4


def test_both_queues_are_made_as_they_should_be(queue: SqsQueue, amazon: Any, tmp_path: Path) -> None:
    name = namespace(tmp_path)
    urls = [amazon.get_queue_url(QueueName=each)["QueueUrl"] for each in (name, f"{name}-parked")]
    main, aside = (amazon.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"] for url in urls)
    assert main["MessageRetentionPeriod"] == aside["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    redrive = json.loads(main["RedrivePolicy"])
    assert redrive == {"deadLetterTargetArn": aside["QueueArn"], "maxReceiveCount": MAX_TRIES}


def test_many_may_make_them_at_once(endpoint: str, tmp_path: Path) -> None:
    url = f"sqs://test:test@{namespace(tmp_path)}?endpoint={endpoint}"
    opened: list[SqsQueue] = []
    threads = [threading.Thread(target=lambda: opened.append(SqsQueue(url))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for each in opened:
        each.close()


@pytest.mark.slow
def test_a_queue_somebody_made_without_a_redrive_policy_parks_too(amazon: Any, endpoint: str, tmp_path: Path) -> None:
    amazon.create_queue(QueueName=namespace(tmp_path))
    queue = SqsQueue(f"sqs://test:test@{namespace(tmp_path)}?endpoint={endpoint}")
    queue.send(numbered(1))
    for _ in range(MAX_TRIES):
        assert len(queue.receive(visibility=1.0, wait=3.0)) == 1  # whoever had it died
    assert queue.receive(wait=2.0) == []
    (parked,) = queue.parked()
    assert (parked.job.id, parked.tries) == ("0", MAX_TRIES)
    assert "died" in parked.error
    assert queue.depth() == 0
    queue.close()


def test_what_somebody_else_put_in_is_parked_as_it_is(queue: SqsQueue, amazon: Any, tmp_path: Path) -> None:
    url = amazon.get_queue_url(QueueName=namespace(tmp_path))["QueueUrl"]
    amazon.send_message(QueueUrl=url, MessageBody="hello?")
    for _ in range(MAX_TRIES):
        (delivery,) = queue.receive()
        queue.fail(delivery, "nobody knows this")
    (parked,) = queue.parked()
    assert parked.job.payload == {"body": "hello?"}
    assert parked.error == "nobody knows this"


def test_the_parked_are_all_shown_and_shown_again(queue: SqsQueue) -> None:
    queue.send(numbered(25))
    for _ in range(MAX_TRIES):
        for each in queue.receive(25):
            queue.fail(each, "é\uffff" * 3000)
    assert sorted(int(each.job.id) for each in queue.parked()) == list(range(25))
    assert len(queue.parked(5)) == 5
    shown = queue.parked()
    assert len(shown) == 25
    assert [each.parked_at for each in shown] == sorted((each.parked_at for each in shown), reverse=True)
    assert shown[0].error == ("é\uffff" * 3000)[: sqs.MAX_ERROR]
    assert queue.retry(["3", "17", "none"]) == 2
    assert sorted(int(each.job.id) for each in queue.parked()) == [n for n in range(25) if n not in (3, 17)]
    assert drained(queue) == [3, 17]


def test_a_job_is_held_for_twelve_hours_at_most(queue: SqsQueue) -> None:
    queue.send(numbered(2))
    (first,) = queue.receive(visibility=10**6)
    queue.extend(first, 10**6)
    queue.fail(first, "later", delay=10**6)
    assert drained(queue) == [1]


def test_a_queue_that_goes_away_is_told(queue: SqsQueue, amazon: Any, tmp_path: Path) -> None:
    for name in (namespace(tmp_path), f"{namespace(tmp_path)}-parked"):
        amazon.delete_queue(QueueUrl=amazon.get_queue_url(QueueName=name)["QueueUrl"])
    for call in (queue.receive, queue.depth, queue.parked, lambda: queue.send(numbered(1))):
        with pytest.raises(Unavailable, match=f"'{namespace(tmp_path)}' at .* is not there"):
            call()


def test_credentials_that_are_refused_are_told_and_not_shown(endpoint: str, tmp_path: Path) -> None:
    def checks(after: bytes) -> None:
        """moto checks no credentials before so many requests."""
        asked = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", after, {"Content-Type": "text/plain"})
        urllib.request.urlopen(asked).close()

    checks(b"0")
    try:
        with pytest.raises(Unavailable, match="does not know these credentials") as told:
            SqsQueue(f"sqs://AKIANOBODY:pass/wo+rd@{namespace(tmp_path)}?endpoint={endpoint}")
    finally:
        checks(b"inf")
    assert "pass/wo" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqs://KEY:se/cret@",
        "sqs://KEY:se/cret@jobs.fifo?region=eu-west-1",
        "sqs://KEY@jobs?region=eu-west-1",
        "sqs://KEY:se/cret@jobs?wait=5",
    ],
)
def test_a_bad_url_is_refused_without_showing_its_secret(url: str) -> None:
    with pytest.raises(ValueError) as told:
        SqsQueue(url)
    assert "se/cret" not in str(told.value)
