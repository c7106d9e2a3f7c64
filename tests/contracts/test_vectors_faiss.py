"""What only the embedded engine promises: its files, its builder, what a damaged disk leaves."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bowerbird.adapters.vectors import build, faiss
from bowerbird.adapters.vectors.build import rebuild
from bowerbird.adapters.vectors.faiss import FaissVectors
from bowerbird.ports import Floats, Unavailable
from tests.contracts.vectors import DIM, NEVER, clustered, compiled_once, eventually, ids, unit, up_to

__all__ = ["compiled_once"]


def test_torn_ends_are_overwritten(tmp_path: Path) -> None:
    vectors = FaissVectors(tmp_path, DIM, NEVER)
    vectors.add(up_to(10), unit(10))
    with (tmp_path / "0.ids").open("ab") as file:
        file.write(b"\x07\x00\x00")
    with (tmp_path / "0.rows").open("r+b") as file:
        file.seek(10 * DIM * 4)
        file.write(b"half a row")
    assert len(vectors) == 10
    other = FaissVectors(tmp_path, DIM, NEVER)
    assert len(other) == 10
    other.add(ids(11), unit(11)[10:])
    assert np.array_equal(vectors.get(up_to(11))[:10], unit(10))
    assert vectors.search(unit(11)[10:], 1).ids[0, 0] == 11
    vectors.close()
    other.close()


def test_one_folder_holds_one_dimension(tmp_path: Path) -> None:
    FaissVectors(tmp_path, DIM).close()
    with pytest.raises(ValueError, match="32"):
        FaissVectors(tmp_path, DIM + 1)


def test_a_build_in_the_background_stops_no_query_and_loses_no_change(tmp_path: Path) -> None:
    rows = clustered(8300, 5)
    vectors = FaissVectors(tmp_path, DIM, exact_below=4000)
    vectors.add(up_to(8000), rows[:8000])
    answered, added, end = 0, 8000, time.monotonic() + 120
    while not (tmp_path / "current").exists():
        assert time.monotonic() < end, "nothing was built"
        assert vectors.search(rows[added - 1 : added], 1).ids[0, 0] == added
        answered += 1
        time.sleep(0.005)
        if added < 8300:
            vectors.remove(ids(added - 7999))
            added += 1
            vectors.add(ids(added), rows[added - 1 : added])
    assert answered > 20
    assert len(vectors) == 8000
    assert np.array_equal(vectors.get(up_to(added)[-8000:]), rows[added - 8000 : added])
    assert vectors.search(rows[added - 1 : added], 1).ids[0, 0] == added
    vectors.close()


def test_a_builder_killed_leaves_the_live_generation(tmp_path: Path) -> None:
    rows = clustered(20_000, 6)
    vectors = FaissVectors(tmp_path, DIM, NEVER)
    vectors.add(up_to(20_000), rows)
    command = [sys.executable, "-m", "bowerbird.adapters.vectors.build", str(tmp_path), str(DIM), "1"]
    builder = subprocess.Popen(command)
    eventually((tmp_path / "1.graph").exists)
    builder.kill()
    builder.wait()
    assert vectors.search(rows[:1], 1).ids[0, 0] == 1
    assert not (tmp_path / "current").exists()
    assert rebuild(tmp_path, DIM, 1)
    assert vectors.search(rows[:1], 1).ids[0, 0] == 1
    vectors.close()


def test_a_build_that_fails_leaves_nothing_and_is_tried_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, rows = FaissVectors(tmp_path, DIM, NEVER), unit(3000)
    vectors.add(up_to(3000), rows)
    before = set(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build, "switch", full)
        with pytest.raises(OSError, match="space"):
            rebuild(tmp_path, DIM, 1)
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"building"}
    monkeypatch.setattr(faiss, "BUILD", "bowerbird.nothing")
    monkeypatch.setattr(faiss, "PATIENCE", 0.05)
    vectors.exact_below = 1
    started = time.monotonic()
    while vectors._pause < 1 and time.monotonic() - started < 30:
        vectors.search(rows[:1], 1)
        time.sleep(0.02)
    assert vectors._pause >= 1
    vectors.close()


def test_an_index_is_mapped_and_dead_rows_leave_the_disk(tmp_path: Path) -> None:
    vectors, rows = FaissVectors(tmp_path, DIM, NEVER), unit(3000)
    vectors.add(up_to(3000), rows)
    vectors.remove(up_to(2000))
    assert rebuild(tmp_path, DIM, 1)
    vectors.close()
    again = FaissVectors(tmp_path, DIM, NEVER)
    assert again.search(rows[2999:], 1).ids[0, 0] == 3000
    assert f"{tmp_path}/1.graph/codes.npy" in Path("/proc/self/maps").read_text()
    assert (tmp_path / "1.ids").stat().st_size == 1000 * 8
    assert not (tmp_path / "0.rows").exists()
    again.close()


def test_a_damaged_index_is_done_without_until_the_next_build(tmp_path: Path) -> None:
    vectors, rows = FaissVectors(tmp_path, DIM, NEVER), unit(500)
    vectors.add(up_to(500), rows)
    assert rebuild(tmp_path, DIM, 1)
    vectors.close()
    os.truncate(tmp_path / "1.graph" / "codes.npy", 1000)
    again = FaissVectors(tmp_path, DIM, NEVER)
    assert (again.search(rows, 1).ids[:, 0] == up_to(500)).all()
    assert rebuild(tmp_path, DIM, 1)
    assert (again.search(rows, 1).ids[:, 0] == up_to(500)).all()
    assert (tmp_path / "2.graph" / "codes.npy").exists()
    again.close()


def test_a_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    vectors, rows = FaissVectors(tmp_path / "vectors", DIM, NEVER), unit(5)
    vectors.add(up_to(4), rows[:4])
    shutil.rmtree(tmp_path / "vectors")
    with pytest.raises(Unavailable, match="folder"):
        vectors.add(ids(5), rows[4:])
    assert vectors.search(rows[:1], 1).ids[0, 0] == 1
    vectors.close()


def test_only_one_builder(tmp_path: Path) -> None:
    from bowerbird.adapters.vectors.log import locked

    FaissVectors(tmp_path, DIM).close()
    with locked(tmp_path / "building"):
        assert not rebuild(tmp_path, DIM, 1)
    assert rebuild(tmp_path, DIM, 1000)


step = st.tuples(st.sampled_from(["add", "add", "add", "remove", "build", "reopen"]), st.integers(0, 1000))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, max_size=25))
def test_any_run_of_changes_matches_a_dict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("vectors")
    model: dict[int, Floats] = {}
    vectors = FaissVectors(folder, DIM, NEVER)
    for verb, seed in steps:
        chosen = np.random.default_rng(seed).integers(1, 30, 1 + seed % 7)
        if verb == "add":
            rows = unit(len(chosen), seed)
            vectors.add(chosen, rows)
            model |= dict(zip(chosen.tolist(), rows, strict=True))
        elif verb == "remove":
            vectors.remove(chosen)
            for one in chosen.tolist():
                model.pop(one, None)
        elif verb == "build" and model:
            rebuild(folder, DIM, 1 + seed % 20)
        else:
            vectors.close()
            vectors = FaissVectors(folder, DIM, NEVER)
        assert len(vectors) == len(model)
        query = unit(1, seed + 1)
        scores = sorted((float(row @ query[0]) for row in model.values()), reverse=True)[:5]
        assert np.allclose(vectors.search(query, 5).scores[0, : len(scores)], scores, atol=1e-5)
        known = np.array(sorted(model), np.int64)
        assert all(np.array_equal(row, model[one]) for one, row in zip(known.tolist(), vectors.get(known), strict=True))
    vectors.close()


@pytest.mark.slow
def test_recall_at_200_000(tmp_path: Path) -> None:
    from bench.vectors import draw

    rows, queries = draw(200_000, 500)
    vectors = FaissVectors(tmp_path, 256)
    for i in range(0, 200_000, 20_000):
        vectors.add(np.arange(i + 1, i + 20_001), rows[i : i + 20_000])
    eventually(lambda: vectors._fresh().sealed > 190_000, 280)
    truth = np.argsort(-(queries @ rows.T), axis=1)[:, :10] + 1
    found = vectors.search(queries, 10).ids
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(truth, found, strict=True)])
    assert recall >= 0.95
    vectors.close()
