"""What is moved from one engine to another arrives whole, whatever happens on the way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from bowerbird.adapters.blobs.folder import Folder
from bowerbird.adapters.events.sqlite import SqliteEvents
from bowerbird.adapters.metadata.sqlite import SqliteMetadata
from bowerbird.adapters.queue.sqlite import SqliteQueue
from bowerbird.adapters.vectors.faiss import FaissVectors
from bowerbird.model import MAX_TRIES, Event, Job
from bowerbird.storage.move import Differs, blobs, events, metadata, queue, vectors
from tests import servers
from tests.contracts.documents import ENGINES as METADATA
from tests.contracts.queues import ENGINES as QUEUES
from tests.contracts.stores import ENGINES as BLOBS
from tests.storage.conftest import Interrupted, after, opened, told


class Damaging(Folder):
    def put(self, key: str, data: bytes) -> None:
        super().put(key, data if key != "236x/b" else data[:-1] + b"!")


class TestBlobs:
    def test_into_s3_and_back(self, tmp_path: Path) -> None:
        source, target = (opened(BLOBS, name, tmp_path / name) for name in ("folder", "seaweedfs"))
        for n in range(60):
            source.put(f"originals/{n:02x}/{n}", os.urandom(n * 3000))
        with pytest.raises(Interrupted):
            blobs.move(source, target, after(1))
        (moved,) = blobs.move(source, target, told)
        back = Folder(tmp_path / "back")
        assert blobs.move(target, back, told) == [moved]
        assert moved.number == 60

    def test_every_blob_arrives_and_nothing_else_stays(self, tmp_path: Path) -> None:
        source, target = Folder(tmp_path / "a"), Folder(tmp_path / "b")
        put = {f"236x/{n:02x}/{n}": os.urandom(n * 100) for n in range(50)}
        for key, data in put.items():
            source.put(key, data)
        assert blobs.empty(target)
        target.put("236x/00/0", b"half of an earlier try")
        target.put("stray", b"x")
        (moved,) = blobs.move(source, target, told)
        assert moved.number == 50
        assert {key: target.get(key) for key in target.keys()} == put  # noqa: SIM118

    def test_interrupted_it_goes_on(self, tmp_path: Path) -> None:
        source, target = Folder(tmp_path / "a"), Folder(tmp_path / "b")
        for n in range(100):
            source.put(f"a/{n}", b"x" * n)
        with pytest.raises(Interrupted):
            blobs.move(source, target, after(2))
        assert 0 < len(list(target.keys())) < 100
        (moved,) = blobs.move(source, target, told)
        assert moved.number == len(list(target.keys())) == 100

    def test_damage_on_the_way_is_found(self, tmp_path: Path) -> None:
        source, target = Folder(tmp_path / "a"), Damaging(tmp_path / "b")
        for name in "abc":
            source.put(f"236x/{name}", b"picture")
        with pytest.raises(Differs, match="236x/b"):
            blobs.move(source, target, told)


class TestMetadata:
    def test_into_dynamodb_and_back(self, tmp_path: Path) -> None:
        source = SqliteMetadata(tmp_path / "a.db")
        target = METADATA["dynamodb"]
        servers.need(target.server)
        there = target.open(tmp_path, time.time)
        documents = {f"look:{n} ü🐦": os.urandom(n % 300) for n in range(700)}
        source.put_many(documents)
        source.put("brief", b"x", ttl=3600)
        source.add("counts:1", {"views": 3, "saves": -2})
        moved = metadata.move(source, there, told)
        back = SqliteMetadata(tmp_path / "b.db")
        assert metadata.move(there, back, told) == moved
        assert {key: value for key, value, _ in back.documents()} == {**documents, "brief": b"x"}
        assert [key for key, _, ttl in back.documents() if ttl is not None] == ["brief"]
        assert dict(back.counters()) == {"counts:1": {"views": 3, "saves": -2}}
        there.close()

    def test_documents_counters_and_times_to_live(self, tmp_path: Path) -> None:
        source, target = SqliteMetadata(tmp_path / "a.db"), SqliteMetadata(tmp_path / "b.db")
        documents = {f"look:{n} ü🐦": os.urandom(n % 300) for n in range(1500)}
        source.put_many(documents)
        source.put("brief", b"x", ttl=60)
        source.put("gone", b"x", ttl=0.01)
        source.add("counts:1", {"views": 3, "saves": -2})
        time.sleep(0.02)
        assert metadata.empty(target)
        target.put("stray", b"x")
        target.add("counts:1", {"views": 1})
        target.add("counts:2", {"views": 1})
        found = {each.what: each.number for each in metadata.move(source, target, told)}
        assert found == {"documents": 1501, "counters": 1}
        assert {key: value for key, value, _ in target.documents()} == {**documents, "brief": b"x"}
        assert dict(target.counters()) == {"counts:1": {"views": 3, "saves": -2}}
        (left,) = [ttl for key, _, ttl in target.documents() if key == "brief"]
        assert left is not None
        assert 50 < left <= 60
        assert {ttl for key, _, ttl in target.documents() if key != "brief"} == {None}

    def test_interrupted_it_goes_on_and_counts_nothing_twice(self, tmp_path: Path) -> None:
        source, target = SqliteMetadata(tmp_path / "a.db"), SqliteMetadata(tmp_path / "b.db")
        source.put_many({f"look:{n}": b"x" for n in range(1000)})
        source.add("counts:1", {"views": 3})
        with pytest.raises(Interrupted):
            metadata.move(source, target, after(2))
        for _ in range(2):
            metadata.move(source, target, told)
        assert dict(target.counters()) == {"counts:1": {"views": 3}}
        assert len(list(target.documents())) == 1000


class TestQueue:
    @pytest.mark.parametrize("engine", [name for name, kind in QUEUES.items() if kind.server])
    def test_into_a_server_and_back(self, tmp_path: Path, engine: str) -> None:
        source, back = SqliteQueue(tmp_path / "a.db"), SqliteQueue(tmp_path / "b.db")
        servers.need(QUEUES[engine].server)
        there = QUEUES[engine].open(tmp_path, time.time)
        source.send([Job("process", {"image_id": n}) for n in range(25)])
        assert queue.empty(there)
        queue.move(source, there, told)
        (moved,) = queue.move(there, back, told)
        assert moved.number == 25
        assert {each.job.payload["image_id"] for _ in range(3) for each in back.receive(10)} == set(range(25))
        there.close()

    def test_what_waits_and_what_was_parked(self, tmp_path: Path) -> None:
        source, target = SqliteQueue(tmp_path / "a.db"), SqliteQueue(tmp_path / "b.db")
        source.send([Job("process", {"image_id": 0})])
        for _ in range(MAX_TRIES):
            (delivery,) = source.receive()
            source.fail(delivery, "it cannot be opened")
        assert len(source.parked()) == 1
        source.send([Job("process", {"image_id": n}) for n in range(1, 35)])
        (moved,) = queue.move(source, target, told)
        assert moved.number == 35
        assert source.depth() == 0
        found = {each.job.payload["image_id"] for _ in range(4) for each in target.receive(10)}
        assert found == set(range(35))

    def test_interrupted_no_job_is_lost(self, tmp_path: Path) -> None:
        source, target = SqliteQueue(tmp_path / "a.db"), SqliteQueue(tmp_path / "b.db")
        source.send([Job("process", {"image_id": n}) for n in range(35)])
        with pytest.raises(Interrupted):
            queue.move(source, target, after(1))
        queue.move(source, target, told)
        assert {each.job.payload["image_id"] for _ in range(5) for each in target.receive(10)} == set(range(35))


class TestEvents:
    def test_each_keeps_its_place(self, tmp_path: Path) -> None:
        source, target = SqliteEvents(tmp_path / "a.db"), SqliteEvents(tmp_path / "b.db")
        source.append(
            [Event("save", at=n / 3, user_id=n, pin_id=n, data={"words": "ü"}, id=f"{n}") for n in range(2500)]
        )
        source.trim(301)
        with pytest.raises(Interrupted):
            events.move(source, target, after(1))
        (moved,) = events.move(source, target, told)
        assert moved.number == 2200
        assert target.read(0, 5000) == source.read(0, 5000)
        source.append([Event("save", at=1.0)])
        target.append([Event("save", at=1.0)])
        assert source.end() == target.end() == 2501

    def test_a_log_all_of_which_was_trimmed(self, tmp_path: Path) -> None:
        source, target = SqliteEvents(tmp_path / "a.db"), SqliteEvents(tmp_path / "b.db")
        source.append([Event("save", at=1.0)] * 7)
        source.trim(8)
        (moved,) = events.move(source, target, told)
        assert moved.number == 0
        assert target.end() == 7


class TestVectors:
    def test_every_row_to_the_last_bit(self, tmp_path: Path) -> None:
        source, target = FaissVectors(tmp_path / "a", 16), FaissVectors(tmp_path / "b", 16)
        rows = np.random.default_rng(1).standard_normal((2500, 16)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        known = np.arange(1, 2501)
        source.add(known, rows)
        source.remove(known[100:200])
        target.add(known[:1], rows[5:6])
        (moved,) = vectors.move("looks", source, target, np.arange(1, 3000), told)
        assert moved.number == len(target) == 2400
        assert np.array_equal(target.get(known), source.get(known))
        (again,) = vectors.move("looks", source, target, known, told)
        assert again == moved
        source.close()
        target.close()
