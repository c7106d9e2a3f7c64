"""Documents and counters by key in one table of Amazon DynamoDB, or of what speaks like it.

An item is a document (`value`, and `until` and `expires` if it ends) or a set of counters (one attribute each).
Reads are strongly consistent: what folds events reads a document, changes it and puts it back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from bowerbird.adapters.aws import Absent, Patience, Refused, Service
from bowerbird.adapters.metadata.limits import checked, sized
from bowerbird.ports import Unavailable

T = TypeVar("T")
U = TypeVar("U")

GETS, WRITES = 100, 25
"""Items that one request may read or write."""
THREADS = 8
"""Requests that one call makes at a time."""
SETTLING = 60.0
"""Seconds that a new table may take."""

_KEY = [{"AttributeName": "key", "KeyType": "HASH"}]
_COUNTER = "n:"
"""Begins the name of a counter's attribute."""


class DynamoMetadata:
    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        """Makes the table if it is not there. Raises `ValueError` for a table that is none of ours."""
        self._service = Service("dynamodb", url)
        self._table = self._service.place
        self._clock = clock
        self._pool = ThreadPoolExecutor(THREADS, "dynamodb")
        self._prepare()

    def get(self, key: str) -> bytes | None:
        answer = self._service.call("get_item", TableName=self._table, Key=_key(checked(key)), ConsistentRead=True)
        return self._living(answer.get("Item", {}))

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        wanted = [_key(each) for each in dict.fromkeys(map(checked, keys))]
        for items in self._spread(self._read, wanted, GETS):
            for item in items:
                value = self._living(item)
                if value is not None:
                    found[item["key"]["S"]] = value
        return found

    def put(self, key: str, value: bytes, ttl: float | None = None, durable: bool = True) -> None:
        self._service.call("put_item", TableName=self._table, Item=self._item(key, value, ttl))

    def put_many(self, values: Mapping[str, bytes], ttl: float | None = None) -> None:
        items = [self._item(key, value, ttl) for key, value in values.items()]
        self._spread(self._write, [{"PutRequest": {"Item": item}} for item in items], WRITES)

    def put_new(self, key: str, value: bytes) -> bool:
        # Asked twice it would meet itself, and say that it was not first.
        try:
            self._service.call(
                "put_item",
                twice=False,
                TableName=self._table,
                Item=self._item(key, value, None),
                ConditionExpression="attribute_not_exists(#value) OR #until <= :now",
                ExpressionAttributeNames={"#value": "value", "#until": "until"},
                ExpressionAttributeValues={":now": {"N": repr(self._clock())}},
            )
        except Refused as error:
            if error.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def add(self, key: str, fields: Mapping[str, int]) -> dict[str, int]:
        checked(key)
        if not fields:
            return {}
        answer = self._service.call(
            "update_item",
            twice=False,
            TableName=self._table,
            Key=_key(key),
            UpdateExpression="ADD " + ", ".join(f"#{n} :{n}" for n in range(len(fields))),
            ExpressionAttributeNames={f"#{n}": _COUNTER + field for n, field in enumerate(fields)},
            ExpressionAttributeValues={f":{n}": {"N": str(by)} for n, by in enumerate(fields.values())},
            ReturnValues="UPDATED_NEW",
        )
        return {field: int(answer["Attributes"][_COUNTER + field]["N"]) for field in fields}

    def documents(self) -> Iterator[tuple[str, bytes, float | None]]:
        for item in self._scan("attribute_exists(#value)"):
            value = self._living(item)
            if value is not None:
                yield item["key"]["S"], value, float(item["until"]["N"]) - self._clock() if "until" in item else None

    def counters(self) -> Iterator[tuple[str, dict[str, int]]]:
        for item in self._scan("attribute_not_exists(#value)"):
            fields = {name.removeprefix(_COUNTER): n for name, n in item.items() if name.startswith(_COUNTER)}
            yield item["key"]["S"], {field: int(n["N"]) for field, n in fields.items()}

    def delete(self, keys: Iterable[str]) -> None:
        gone = [_key(each) for each in dict.fromkeys(map(checked, keys))]
        self._spread(self._write, [{"DeleteRequest": {"Key": key}} for key in gone], WRITES)

    def close(self) -> None:
        self._pool.shutdown(wait=False)
        self._service.close()

    def _item(self, key: str, value: bytes, ttl: float | None) -> dict[str, Any]:
        item = {**_key(checked(key)), "value": {"B": sized(value)}}
        if ttl is None:
            return item
        until = self._clock() + ttl
        # DynamoDB deletes by whole seconds, and days late; we go by `until`.
        return {**item, "until": {"N": repr(until)}, "expires": {"N": str(math.ceil(until))}}

    def _living(self, item: Mapping[str, Any]) -> bytes | None:
        """The document in it, if it has one that has not expired."""
        if "value" not in item or ("until" in item and float(item["until"]["N"]) <= self._clock()):
            return None
        return bytes(item["value"]["B"])

    def _spread(self, work: Callable[[Sequence[T]], U], all_of: Sequence[T], size: int) -> list[U]:
        """`work` on pieces of that size, some at a time."""
        pieces = [all_of[n : n + size] for n in range(0, len(all_of), size)]
        return list(map(work, pieces) if len(pieces) < 2 else self._pool.map(work, pieces))

    def _read(self, keys: Sequence[Any]) -> list[dict[str, Any]]:
        answers = self._whole("batch_get_item", {"Keys": keys, "ConsistentRead": True}, "UnprocessedKeys")
        return [item for answer in answers for item in answer["Responses"].get(self._table, ())]

    def _write(self, requests: Sequence[Any]) -> None:
        for _ in self._whole("batch_write_item", requests, "UnprocessedItems"):
            pass

    def _whole(self, operation: str, asked: Any, rest: str) -> Iterator[dict[str, Any]]:
        """The answers to a request, of which DynamoDB may leave a part unprocessed, until none is left."""
        patience = Patience()
        while True:
            answer = self._service.call(operation, RequestItems={self._table: asked})
            yield answer
            left = answer.get(rest, {}).get(self._table)
            if not left:
                return
            if len(_listed(left)) < len(_listed(asked)):
                patience = Patience()
            patience.spend(Unavailable(f"{self._service.name} is too busy: it leaves requests unprocessed"))
            asked = left

    def _scan(self, condition: str) -> Iterator[dict[str, Any]]:
        """The items for which that holds; it reads the whole table."""
        words: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "FilterExpression": condition,
            "ExpressionAttributeNames": {"#value": "value"},
        }
        while True:
            answer = self._service.call("scan", **words)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            words["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _prepare(self) -> None:
        table = self._settled()
        kinds = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        if table["KeySchema"] != _KEY or kinds["key"] != "S":
            raise ValueError(f"the table {self._table!r} is none of Bowerbird's: its key is not the string `key` alone")
        told = self._service.call("describe_time_to_live", TableName=self._table)
        if told["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED":
            with suppress(Refused):  # another process was first
                self._service.call(
                    "update_time_to_live",
                    TableName=self._table,
                    TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
                )

    def _settled(self) -> dict[str, Any]:
        """The table, made if it is not there, once it may be used."""
        deadline = time.monotonic() + SETTLING
        status = "not there"
        while time.monotonic() < deadline:
            try:
                table: dict[str, Any] = self._service.call("describe_table", TableName=self._table)["Table"]
                status = table["TableStatus"]
                if status in ("ACTIVE", "UPDATING"):
                    return table
                time.sleep(0.2)
            except Absent:
                self._create()
        raise Unavailable(f"{self._service.name} is {status} after {SETTLING:.0f} s")

    def _create(self) -> None:
        try:
            self._service.call(
                "create_table",
                TableName=self._table,
                KeySchema=_KEY,
                AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except Refused as error:
            if error.code != "ResourceInUseException":  # another process was first
                raise ValueError(f"the table {self._table!r} cannot be made: {error}") from error
            time.sleep(0.2)


def _key(key: str) -> dict[str, Any]:
    return {"key": {"S": key}}


def _listed(asked: Any) -> Sequence[Any]:
    keys: Sequence[Any] = asked["Keys"] if isinstance(asked, Mapping) else asked
    return keys
