"""Every `Vectors` engine through one suite, and what only the FAISS one promises below it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bowerbird.adapters.vectors.build import rebuild
from bowerbird.adapters.vectors.faiss import MOST, FaissVectors
from bowerbird.adapters.vectors.learned import LearnedVectors
from bowerbird.ports import Floats, Ints, Projection, Unavailable, Vectors

DIM = 32
NEVER = 1 << 40


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield


class Engine:
    """One place that can be opened many times; `settle` brings all that was added under the index."""

    def __init__(self, folder: Path, graph: bool, learned: bool = False) -> None:
        self.folder, self.graph, self.learned = folder, graph, learned
        self._opened: list[Vectors] = []

    def open(self) -> Vectors:
        opened: Vectors = FaissVectors(self.folder, DIM, exact_below=NEVER)
        if self.learned:
            opened = turned(opened, self.folder.with_name("learned"))
        self._opened.append(opened)
        return opened

    def settle(self) -> None:
        if self.graph:
            assert rebuild(self.folder, DIM, 1)

    def close(self) -> None:
        for vectors in self._opened:
            vectors.close()


def turned(plain: Vectors, folder: Path) -> LearnedVectors:
    """Searched through a projection that changes no inner product: a rotation."""
    opened = LearnedVectors(plain, folder, lambda version: FaissVectors(folder / f"w{version}", DIM, NEVER))
    if not opened.version:
        rotation = np.linalg.qr(np.random.default_rng(9).standard_normal((DIM, DIM)))[0].astype(np.float32)
        projection = Projection(np.zeros(DIM, np.float32), rotation)
        opened.adopt(opened.prepare(projection, np.empty(0, np.int64), lambda *_: None))
    return opened


@pytest.fixture(params=["faiss exact", "faiss graph", "learned"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "vectors", request.param == "faiss graph", request.param == "learned")
    yield engine
    engine.close()


def unit(n: int, seed: int = 0, dim: int = DIM) -> Floats:
    rows: Floats = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def clustered(n: int, seed: int, dim: int = DIM) -> Floats:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((max(1, n // 50), dim), dtype=np.float32)[rng.integers(0, max(1, n // 50), n)]
    rows += 0.5 * rng.standard_normal((n, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def ids(*numbers: int) -> Ints:
    return np.array(numbers, np.int64)


def up_to(n: int) -> Ints:
    return np.arange(1, n + 1)


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)


def test_finds_each_row_and_its_score(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(300)
    vectors.add(up_to(300), rows)
    engine.settle()
    found = vectors.search(rows[:20], 5)
    assert found.ids.shape == found.scores.shape == (20, 5)
    assert found.ids.dtype == np.int64
    assert found.scores.dtype == np.float32
    assert (found.ids[:, 0] == up_to(20)).all()
    assert (np.diff(found.scores, axis=1) <= 0).all()
    for query, near, scores in zip(rows, found.ids, found.scores, strict=False):
        assert np.allclose(rows[near - 1] @ query, scores, atol=1e-5)
    assert len(vectors) == 300


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_recall(engine: Engine, seed: int) -> None:
    vectors, rows = engine.open(), clustered(3000, seed)
    vectors.add(up_to(2800), rows[:2800])
    engine.settle()
    truth = np.argsort(-(rows[2800:] @ rows[:2800].T), axis=1)[:, :10] + 1
    found = vectors.search(rows[2800:], 10).ids
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(truth, found, strict=True)])
    assert recall == 1 if not engine.graph else recall >= 0.97


def test_fewer_rows_than_asked_for(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(3)
    assert (vectors.search(rows, 2).ids == -1).all()
    vectors.add(up_to(3), rows)
    engine.settle()
    found = vectors.search(rows[:1], 5)
    assert set(found.ids[0, :3].tolist()) == {1, 2, 3}
    assert (found.ids[0, 3:] == -1).all()
    assert vectors.search(rows[:1], MOST).ids.shape == (1, MOST)


def test_adding_again_replaces(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(200)
    vectors.add(up_to(100), rows[:100])
    engine.settle()
    vectors.add(ids(7), rows[150:151])
    vectors.add(ids(8, 8), rows[160:162])
    assert len(vectors) == 100
    assert np.array_equal(vectors.get(ids(7, 8)), rows[[150, 161]])
    assert vectors.search(rows[150:151], 1).ids[0, 0] == 7
    found = vectors.search(rows[6:7], 100)
    assert sorted(found.ids[0].tolist()) == up_to(100).tolist()
    assert found.scores[0, 0] < 0.999


def test_removed_is_gone_at_once(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(100)
    vectors.add(up_to(100), rows)
    engine.settle()
    vectors.remove(ids(5, 6, 4000))
    assert len(vectors) == 98
    assert not np.isin([5, 6], vectors.search(rows[4:6], 98).ids).any()
    assert (vectors.get(ids(5, 6)) == 0).all()
    vectors.add(ids(5), rows[4:5])
    assert vectors.search(rows[4:5], 1).ids[0, 0] == 5
    vectors.remove(up_to(100))
    assert len(vectors) == 0
    assert (vectors.search(rows[:2], 3).ids == -1).all()


def test_a_neighbourhood_of_dead_rows_hides_no_living_one(engine: Engine) -> None:
    vectors, rows = engine.open(), clustered(2000, 4)
    vectors.add(up_to(2000), rows)
    engine.settle()
    near = vectors.search(rows[:1], 1500).ids[0]
    vectors.remove(near[:1490])
    assert vectors.search(rows[:1], 10).ids[0].tolist() == near[1490:].tolist()


def test_get_in_order(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(50)
    vectors.add(up_to(50), rows)
    engine.settle()
    assert np.array_equal(vectors.get(ids(9, 3, 51, 9)), np.stack([rows[8], rows[2], np.zeros(DIM), rows[8]]))
    assert vectors.get(ids()).shape == (0, DIM)


def test_survives_closing(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(120)
    vectors.add(up_to(100), rows[:100])
    engine.settle()
    vectors.add(np.arange(101, 121), rows[100:])
    vectors.remove(ids(50, 110))
    vectors.close()
    again = engine.open()
    assert len(again) == 118
    assert again.search(rows, 1).ids[[0, 99, 119], 0].tolist() == [1, 100, 120]
    assert not np.isin([50, 110], again.search(rows, 118).ids).any()


def test_the_others_see_it_within_a_second(engine: Engine) -> None:
    one, other, rows = engine.open(), engine.open(), unit(60)
    one.add(up_to(50), rows[:50])
    engine.settle()
    eventually(lambda: bool(other.search(rows[9:10], 1).ids[0, 0] == 10), 1)
    other.add(ids(60), rows[59:])
    eventually(lambda: bool(one.search(rows[59:], 1).ids[0, 0] == 60), 1)
    one.remove(ids(60))
    eventually(lambda: bool(other.search(rows[59:], 1).ids[0, 0] != 60), 1)


@pytest.mark.parametrize(
    "bad",
    [
        np.ones((1, DIM - 1), np.float32),
        np.ones((1, DIM), np.float32),
        np.zeros((1, DIM), np.float32),
        np.full((1, DIM), np.nan, np.float32),
        np.full((1, DIM), np.inf, np.float32),
        unit(1).astype(np.float64),
        (unit(1) * 127).astype(np.int8),
        unit(1)[0],
        unit(0),
    ],
)
def test_bad_rows(engine: Engine, bad: Floats) -> None:
    vectors = engine.open()
    with pytest.raises(ValueError, match="vectors must be"):
        vectors.add(up_to(1), bad)
    with pytest.raises(ValueError, match="vectors must be"):
        vectors.search(bad, 1)
    assert len(vectors) == 0


def test_bad_ids_and_k(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(2)
    wrong: list[Any] = [ids(0, 1), ids(-1, 1), np.array([1.0, 2.0]), ids(1, 2)[:, None], np.array([1, 2], np.uint64)]
    for bad in wrong:
        with pytest.raises(ValueError, match="ids must be"):
            vectors.add(bad, rows)
        with pytest.raises(ValueError, match="ids must be"):
            vectors.remove(bad)
    with pytest.raises(ValueError, match="3 ids for 2"):
        vectors.add(up_to(3), rows)
    for k in (0, -1, MOST + 1):
        with pytest.raises(ValueError, match="k is"):
            vectors.search(rows, k)
    assert len(vectors) == 0


def test_threads_search_while_one_writes(engine: Engine) -> None:
    vectors, rows = engine.open(), unit(600)
    vectors.add(up_to(200), rows[:200])
    engine.settle()
    stop, wrong = threading.Event(), []

    def search() -> None:
        while not stop.is_set():
            if vectors.search(rows[:1], 3).ids[0, 0] != 1:
                wrong.append(1)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(200, 600, 10):
        vectors.add(np.arange(i + 1, i + 11), rows[i : i + 10])
        vectors.remove(ids(i - 100))
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(vectors) == 560


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    start = f"""
import sys, numpy as np
from pathlib import Path
from bowerbird.adapters.vectors.faiss import FaissVectors
from tests.contracts.test_vectors import unit, DIM, NEVER
vectors = FaissVectors(Path(sys.argv[1]), DIM, NEVER)
{code}"""
    command = [sys.executable, "-c", start, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_many_processes_add(tmp_path: Path) -> None:
    code = """
for i in range(int(sys.argv[2]), 200, 3):
    vectors.add(np.array([i + 1]), unit(200)[i : i + 1])
"""
    for writer in [python(code, tmp_path, part) for part in range(3)]:
        assert writer.wait() == 0
    vectors = FaissVectors(tmp_path, DIM)
    assert np.array_equal(vectors.get(up_to(200)), unit(200))
    vectors.close()


def test_a_writer_killed_at_any_moment_loses_nothing_it_confirmed(tmp_path: Path) -> None:
    code = """
for i in range(100_000):
    vectors.add(np.arange(i * 20 + 1, i * 20 + 21) + int(sys.argv[2]), unit(20, i))
    print(i, flush=True)
"""
    confirmed = {}
    for turn in range(3):
        writer = python(code, tmp_path, turn * 10_000_000)
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.05 * turn)
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split("\n")[:-1]
        confirmed[turn * 10_000_000] = int(rest[-1]) if rest else 0
        writer.wait()
    vectors = FaissVectors(tmp_path, DIM, NEVER)
    for start, last in confirmed.items():
        for i in range(last + 1):
            assert np.array_equal(vectors.get(np.arange(i * 20 + 1, i * 20 + 21) + start), unit(20, i))
    vectors.close()


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
