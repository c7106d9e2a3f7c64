"""What DynamoDB asks of its adapter beyond the contract: parts left over, throttling, tables, credentials."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from bowerbird import wiring
from bowerbird.adapters.metadata.dynamodb import DynamoMetadata
from bowerbird.ports import Unavailable
from bowerbird.settings import BadSetting, Settings
from tests.contracts.amazon import Stingy, Words
from tests.servers import namespace, need


@pytest.fixture
def endpoint() -> str:
    return need("dynamodb")


@pytest.fixture
def metadata(endpoint: str, tmp_path: Path) -> Iterator[DynamoMetadata]:
    metadata = DynamoMetadata(f"dynamodb://test:test@{namespace(tmp_path)}?endpoint={endpoint}")
    yield metadata
    metadata.close()


@pytest.fixture
def amazon(endpoint: str) -> Any:
    words = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client("dynamodb", endpoint_url=endpoint, **words)


class StingyDynamo(Stingy):
    busy = "ProvisionedThroughputExceededException"

    def half(self, operation: str, asked: Words) -> tuple[Words, Words]:
        if operation == "BatchWriteItem":
            self.halved -= 1
            ((table, requests),) = asked["RequestItems"].items()
            half = (len(requests) + 1) // 2
            rest = {table: requests[half:]} if requests[half:] else {}
            return {"RequestItems": {table: requests[:half]}}, {"UnprocessedItems": rest}
        return asked, {}


@pytest.fixture
def stingy(endpoint: str) -> Iterator[Stingy]:
    stingy = StingyDynamo(endpoint)
    yield stingy
    stingy.close()


@pytest.fixture
def short_of(stingy: Stingy, tmp_path: Path) -> Iterator[DynamoMetadata]:
    metadata = DynamoMetadata(f"dynamodb://test:test@{namespace(tmp_path)}?endpoint={stingy.url}")
    yield metadata
    metadata.close()


def test_more_than_one_answer_holds_is_all_got(metadata: DynamoMetadata) -> None:
    large = {f"look:{n}": bytes([n]) * 390_000 for n in range(50)}  # 19 MB; an answer has 16 at most
    for key, value in large.items():
        metadata.put(key, value)
    assert metadata.get_many(list(large)) == large


def test_what_is_left_over_is_written_too(stingy: Stingy, short_of: DynamoMetadata) -> None:
    documents = {f"key:{n}": str(n).encode() for n in range(60)}
    stingy.halved = 7
    short_of.put_many(documents)
    assert stingy.halved == 0
    assert short_of.get_many(list(documents)) == documents
    stingy.halved = 4
    short_of.delete(documents)
    assert short_of.get_many(list(documents)) == {}


def test_what_is_never_written_is_told(stingy: Stingy, short_of: DynamoMetadata) -> None:
    stingy.halved = 10**6
    short_of.put_many({"alone": b"x"})  # the half of one is one
    stingy.turned_away = 10**6
    start = time.monotonic()
    with pytest.raises(Unavailable, match="too busy"):
        short_of.get("alone")
    assert 1 < time.monotonic() - start < 6
    assert stingy.seen.count("GetItem") > 3


def test_throttling_is_waited_out_and_counts_once(stingy: Stingy, short_of: DynamoMetadata) -> None:
    stingy.turned_away = 3
    assert short_of.add("counter", {"n": 1}) == {"n": 1}
    stingy.turned_away = 3
    assert short_of.put_new("key", b"value")
    stingy.turned_away = 3
    short_of.put_many({f"key:{n}": b"x" for n in range(100)})
    stingy.turned_away = 3
    assert len(short_of.get_many([f"key:{n}" for n in range(100)])) == 100
    assert stingy.turned_away == 0


def test_the_table_is_made_as_it_should_be(metadata: DynamoMetadata, amazon: Any, tmp_path: Path) -> None:
    metadata.put("short", b"x", ttl=60)
    table = amazon.describe_table(TableName=namespace(tmp_path))["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    told = amazon.describe_time_to_live(TableName=namespace(tmp_path))["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    item = amazon.get_item(TableName=namespace(tmp_path), Key={"key": {"S": "short"}})["Item"]
    assert 0 < int(item["expires"]["N"]) - time.time() < 62


def test_many_may_make_it_at_once(endpoint: str, tmp_path: Path) -> None:
    url = f"dynamodb://test:test@{namespace(tmp_path)}?endpoint={endpoint}"
    opened: list[DynamoMetadata] = []
    threads = [threading.Thread(target=lambda: opened.append(DynamoMetadata(url))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for each in opened:
        each.close()


def test_a_table_of_somebody_else_is_left_alone(endpoint: str, amazon: Any, tmp_path: Path) -> None:
    name = namespace(tmp_path)
    amazon.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(ValueError, match=f"'{name}' is none of Bowerbird's"):
        DynamoMetadata(f"dynamodb://test:test@{name}?endpoint={endpoint}")
    amazon.delete_table(TableName=name)


def test_a_table_that_goes_away_is_told(metadata: DynamoMetadata, amazon: Any, tmp_path: Path) -> None:
    amazon.delete_table(TableName=namespace(tmp_path))
    for call in (lambda: metadata.get("key"), lambda: metadata.put("key", b"x"), lambda: metadata.get_many(["a"])):
        with pytest.raises(Unavailable, match=f"'{namespace(tmp_path)}' at .* is not there"):
            call()


@pytest.mark.parametrize("key", ["no-such-key!", "%41%2D"])
def test_credentials_that_are_refused_are_told_and_not_shown(endpoint: str, key: str) -> None:
    # Local asks only that a key be letters and digits; Amazon answers an unknown one with the same words.
    with pytest.raises(Unavailable, match="does not know these credentials") as told:
        DynamoMetadata(f"dynamodb://{key}:pass/wo+rd@some-table?endpoint={endpoint}")
    assert "pass/wo" not in str(told.value)


def test_without_credentials_it_says_so(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="wants credentials and there are none"):
        DynamoMetadata(f"dynamodb://some-table?endpoint={endpoint}")
    with pytest.raises(ValueError, match="region"):
        DynamoMetadata("dynamodb://some-table")


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb://KEY:se/cret@",
        "dynamodb://KEY@table?region=eu-west-1",
        "dynamodb://KEY:se/cret@table?endpoint=nowhere",
        "dynamodb://KEY:se/cret@table?regoin=eu-west-1",
        "dynamodb://KEY:se/cret@table?region=eu-west-1&timeout=0",
        "dynamodb://KEY:se/cret@table?region=eu-west-1&timeout=long",
        "dynamodb://KEY:se/cret@table/more?region=eu-west-1",
        "dynamodb://KEY:se/cret@table?region=Europe/Berlin",
    ],
)
def test_a_bad_url_is_refused_without_showing_its_secret(url: str) -> None:
    with pytest.raises(ValueError) as told:
        DynamoMetadata(url)
    assert "se/cret" not in str(told.value)


def test_nobody_there_is_told_soon() -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        DynamoMetadata("dynamodb://a:b@table?endpoint=http://127.0.0.1:1")
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("port", ["metadata", "queue"])
def test_the_start_names_the_setting_and_what_to_install(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = {"metadata": "dynamodb", "queue": "sqs"}[port]
    name, opened = f"BOWERBIRD_{port.upper()}", getattr(wiring, port)
    with pytest.raises(BadSetting, match=f"{name} .*{scheme}://KEY:SECRET@NAME"):
        opened(Settings(**{port: f"{scheme}://KEY@things"}))
    with pytest.raises(Unavailable, match=f"{name}: {scheme} 'things' at .* cannot be reached"):
        opened(Settings(**{port: f"{scheme}://a:b@things?endpoint=http://127.0.0.1:1"}))
    for module in [each for each in sys.modules if each in ("boto3", "bowerbird.adapters.aws") or scheme in each]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(BadSetting, match=rf"{name}.*pip install bowerbird\[aws\]"):
        opened(Settings(**{port: f"{scheme}://a:b@things"}))
