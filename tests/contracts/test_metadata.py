"""What every key-value store keeps: one key is changed whole or not at all."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bowerbird.ports import Metadata
from tests.contracts.conftest import Clock
from tests.contracts.documents import ENGINES, Timer, metadata, wait

__all__ = ["metadata", "wait"]


def test_what_is_put_is_got(metadata: Metadata) -> None:
    documents = {"look:1": b"one", "ключ 🐦": bytes(range(256)), "empty": b"", "'; DROP TABLE": b"x", "5": b"five"}
    for key, value in documents.items():
        metadata.put(key, value)
    for key, value in documents.items():
        assert metadata.get(key) == value
    assert metadata.get_many([*documents, "absent"]) == documents


def test_what_is_not_there(metadata: Metadata) -> None:
    assert metadata.get("absent") is None
    assert metadata.get_many(["absent", "too"]) == {}
    assert metadata.get_many([]) == {}
    metadata.delete(["absent"])
    metadata.delete([])


def test_a_key_is_taken_as_it_is(metadata: Metadata) -> None:
    metadata.put("a", b"lower")
    metadata.put("A", b"upper")
    metadata.put("é", b"one character")
    assert metadata.get("a") == b"lower"
    assert metadata.get("e\u0301") is None
    assert metadata.get("a ") is None


def test_many_at_once(metadata: Metadata) -> None:
    for n in range(300):
        metadata.put(f"look:{n}", str(n).encode())
    wanted = [f"look:{n}" for n in range(1000)]
    assert metadata.get_many(wanted) == {f"look:{n}": str(n).encode() for n in range(300)}
    assert metadata.get_many(["look:1", "look:1"]) == {"look:1": b"1"}


def test_many_are_put_at_once(metadata: Metadata, wait: Callable[[float], None]) -> None:
    metadata.put("look:1", b"old", ttl=0.2)
    metadata.put_many({f"look:{n}": str(n).encode() for n in range(300)})
    metadata.put_many({})
    wait(0.25)
    assert metadata.get("look:1") == b"1"
    assert len(metadata.get_many([f"look:{n}" for n in range(300)])) == 300
    metadata.put_many({"look:1": b"short", "look:2": b"short"}, ttl=0.2)
    assert metadata.get_many(["look:1", "look:2"]) == {"look:1": b"short", "look:2": b"short"}
    wait(0.25)
    assert metadata.get_many(["look:1", "look:2", "look:3"]) == {"look:3": b"3"}
    with pytest.raises(ValueError, match="400000"):
        metadata.put_many({"large": b"y" * 400_001})
    assert metadata.get("large") is None


@pytest.mark.parametrize("key", ["", "x" * 2000, "a\0b", "\ud800"])
def test_a_bad_key_is_refused(metadata: Metadata, key: str) -> None:
    for call in (
        lambda: metadata.get(key),
        lambda: metadata.get_many(["good", key]),
        lambda: metadata.put(key, b"x"),
        lambda: metadata.put_many({"good": b"x", key: b"x"}),
        lambda: metadata.put_new(key, b"x"),
        lambda: metadata.add(key, {"n": 1}),
        lambda: metadata.delete(["good", key]),
    ):
        with pytest.raises(ValueError):
            call()


def test_a_document_is_small(metadata: Metadata) -> None:
    metadata.put("large", b"x" * 399_000)
    assert metadata.get("large") == b"x" * 399_000
    with pytest.raises(ValueError, match="400000"):
        metadata.put("large", b"y" * 400_001)
    with pytest.raises(ValueError, match="400000"):
        metadata.put_new("new", b"y" * 400_001)
    assert metadata.get("large") == b"x" * 399_000
    assert metadata.get("new") is None


def test_a_put_replaces_the_value_and_its_time(metadata: Metadata, wait: Callable[[float], None]) -> None:
    metadata.put("key", b"old", ttl=0.2)
    metadata.put("key", b"new")
    wait(0.25)
    assert metadata.get("key") == b"new"


def test_what_has_expired_is_not_returned(metadata: Metadata, wait: Callable[[float], None]) -> None:
    metadata.put("short", b"x", ttl=0.2)
    metadata.put("long", b"y", ttl=60)
    assert metadata.get_many(["short", "long"]) == {"short": b"x", "long": b"y"}
    wait(0.25)
    assert metadata.get("short") is None
    assert metadata.get_many(["short", "long"]) == {"long": b"y"}


def test_put_new_writes_only_where_nothing_is(metadata: Metadata, wait: Callable[[float], None]) -> None:
    assert metadata.put_new("key", b"first")
    assert not metadata.put_new("key", b"second")
    assert metadata.get("key") == b"first"
    metadata.delete(["key"])
    assert metadata.put_new("key", b"third")
    metadata.put("short", b"x", ttl=0.1)
    assert not metadata.put_new("short", b"too early")
    wait(0.15)
    assert metadata.put_new("short", b"for good")
    assert metadata.get("short") == b"for good"


def test_counters_add_up(metadata: Metadata) -> None:
    assert metadata.add("pin:1", {"saves": 1, "clicks": 5}) == {"saves": 1, "clicks": 5}
    assert metadata.add("pin:1", {"saves": -3}) == {"saves": -2}
    assert metadata.add("pin:1", {"saves": 0, "clicks": 0, "seen": 0}) == {"saves": -2, "clicks": 5, "seen": 0}
    assert metadata.add("pin:2", {"saves": 2**40}) == {"saves": 2**40}
    assert metadata.add("pin:1", {}) == {}
    metadata.delete(["pin:1"])
    assert metadata.add("pin:1", {"saves": 0}) == {"saves": 0}


def test_all_there_is_can_be_listed(metadata: Metadata, wait: Callable[[float], None]) -> None:
    assert list(metadata.documents()) == []
    assert list(metadata.counters()) == []
    large = {f"look:{n}": bytes([n]) * 20_000 for n in range(150)}
    metadata.put_many(large)
    metadata.put("gone", b"x", ttl=0.1)
    metadata.put("short", b"x", ttl=60)
    metadata.add("pin:1", {"saves": 2, "clicks": -1})
    metadata.add("pin:2", {"saves": 0})
    wait(0.15)
    found = {key: (value, left) for key, value, left in metadata.documents()}
    value, left = found.pop("short")
    assert value == b"x" and left is not None and 50 < left <= 60
    assert found == {key: (value, None) for key, value in large.items()}
    assert dict(metadata.counters()) == {"pin:1": {"saves": 2, "clicks": -1}, "pin:2": {"saves": 0}}


@pytest.mark.able("clock", "disk")
def test_what_expires_leaves_the_disk(engine: str, tmp_path: Path, clock: Clock) -> None:
    metadata = ENGINES[engine].open(tmp_path, clock)
    for n in range(300):
        metadata.put(f"seen:{n}", b"x" * 20_000, ttl=10)
        clock.now += 1
    metadata.close()
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 2_000_000


def test_everything_is_there_after_a_restart(engine: str, tmp_path: Path) -> None:
    metadata = ENGINES[engine].open(tmp_path, time.time)
    metadata.put("key", b"value")
    metadata.add("counter", {"n": 7})
    metadata.close()
    metadata = ENGINES[engine].open(tmp_path, time.time)
    assert metadata.get("key") == b"value"
    assert metadata.add("counter", {"n": 0}) == {"n": 7}
    metadata.close()


KEYS = st.sampled_from(["a", "b", "look:1", "ü"])


VALUES = st.binary(max_size=20)


FIELDS = st.dictionaries(st.sampled_from(["saves", "clicks"]), st.integers(-1000, 1000))


class Model(RuleBasedStateMachine):
    """The store beside two dictionaries that do the same."""

    open: Callable[[Path, Timer], Metadata]

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.metadata = type(self).open(Path(self.folder.name), self.clock)
        self.documents: dict[str, tuple[bytes, float]] = {}
        self.counters: dict[tuple[str, str], int] = {}

    def teardown(self) -> None:
        if hasattr(self, "metadata"):
            self.metadata.close()
            self.folder.cleanup()

    def alive(self) -> dict[str, bytes]:
        return {key: value for key, (value, until) in self.documents.items() if until > self.clock.now}

    @rule(key=KEYS, value=VALUES, ttl=st.sampled_from([None, None, 5.0, 50.0]), durable=st.booleans())
    def put(self, key: str, value: bytes, ttl: float | None, durable: bool) -> None:
        self.metadata.put(key, value, ttl, durable)
        self.documents[key] = (value, self.clock.now + (ttl or float("inf")))

    @rule(key=KEYS, value=VALUES)
    def put_new(self, key: str, value: bytes) -> None:
        written = self.metadata.put_new(key, value)
        assert written == (key not in self.alive())
        if written:
            self.documents[key] = (value, float("inf"))

    @rule(key=KEYS, fields=FIELDS)
    def add(self, key: str, fields: dict[str, int]) -> None:
        for field, n in fields.items():
            self.counters[key, field] = self.counters.get((key, field), 0) + n
        assert self.metadata.add(f"count:{key}", fields) == {field: self.counters[key, field] for field in fields}

    @rule(keys=st.lists(KEYS))
    def delete(self, keys: list[str]) -> None:
        self.metadata.delete(keys)
        for key in keys:
            self.documents.pop(key, None)

    @rule(key=KEYS)
    def delete_counters(self, key: str) -> None:
        self.metadata.delete([f"count:{key}"])
        self.counters = {(k, field): n for (k, field), n in self.counters.items() if k != key}

    @rule(seconds=st.sampled_from([1.0, 6.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def restart(self) -> None:
        self.metadata.close()
        self.metadata = type(self).open(Path(self.folder.name), self.clock)

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        if hasattr(self, "metadata"):
            assert self.metadata.get_many(["a", "b", "look:1", "ü"]) == self.alive()
            assert self.metadata.get("a") == self.alive().get("a")


@pytest.mark.able("clock")
def test_it_does_what_its_model_does(engine: str) -> None:
    machine = type("Machine", (Model,), {"open": staticmethod(ENGINES[engine].open)})
    examples = 3 if ENGINES[engine].server else 20
    checks = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=checks)
