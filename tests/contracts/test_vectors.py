"""Every `Vectors` engine through one suite: what is found, what is gone, who else sees it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bowerbird.adapters.vectors import learned
from bowerbird.adapters.vectors.learned import LearnedVectors
from bowerbird.adapters.vectors.rows import MOST
from bowerbird.ports import Engines, Floats, Projection
from bowerbird.search import check
from tests.contracts.vectors import (
    DIM,
    ENGINES,
    Engine,
    clustered,
    compiled_once,
    engine,
    eventually,
    ids,
    unit,
    up_to,
)

__all__ = ["ENGINES", "compiled_once", "engine"]


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
    assert recall == 1 if not engine.kind.index else recall >= 0.97


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


@pytest.mark.able("buried")
def test_a_neighbourhood_of_dead_rows_hides_no_living_one(engine: Engine) -> None:
    vectors, rows = engine.open(), clustered(2000, 4)
    vectors.add(up_to(2000), rows)
    engine.settle()
    near = vectors.search(rows[:1], 1500).ids[0]
    vectors.remove(near[:1490])
    living = np.setdiff1d(up_to(2000), near[:1490])
    best = living[np.argsort(-(rows[living - 1] @ rows[0]))[:10]]
    found = vectors.search(rows[:1], 10).ids[0]
    assert len(np.intersect1d(found, best)) >= (9 if engine.kind.index else 10)


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


def test_the_running_check_of_recall(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, rows = engine.open(), clustered(500, 8)
    vectors.add(up_to(500), rows)
    engine.settle()
    monkeypatch.setattr(check, "_ids", lambda _: up_to(500))
    found = check.recall(cast(Engines, SimpleNamespace(looks=vectors)), seed=1)
    assert found == 1 if not engine.kind.index else found and found >= 0.95


@pytest.mark.able("learned")
def test_a_version_is_made_adopted_caught_up_and_given_up(engine: Engine) -> None:
    vectors, rows = cast(LearnedVectors, engine.open()), clustered(300, 11)
    vectors.add(up_to(200), rows[:200])
    half = np.diag(np.repeat([1, 0], DIM // 2)).astype(np.float32)
    before = vectors.version
    version = vectors.prepare(Projection(np.zeros(DIM, np.float32), half), up_to(200), lambda *_: None)
    vectors.adopt(version)
    seen = vectors.as_searched(rows)
    assert not np.allclose(seen, rows, atol=0.1)
    truth = np.argsort(-(seen[:20] @ seen[:200].T), axis=1)[:, :5] + 1
    assert np.mean(vectors.search(rows[:20], 5).ids == truth) > 0.95
    assert np.array_equal(vectors.get(up_to(200)), rows[:200])
    vectors.plain.add(np.arange(201, 301), rows[200:])
    assert vectors.catch_up(up_to(300)) == 100
    assert vectors.search(rows[299:], 1).ids[0, 0] == 300
    assert vectors.back() == before
    assert vectors.search(rows[:20], 1).ids[:, 0].tolist() == up_to(20).tolist()


def test_what_is_dropped_is_gone_and_may_be_made_again(engine: Engine) -> None:
    rows = unit(50)
    engine.open().add(up_to(50), rows)
    engine.settle()
    engine.close()
    engine.open().drop()
    again = engine.open()
    assert len(again) == 0
    assert not again.get(up_to(50)).any()
    again.add(ids(3), rows[:1])
    assert again.search(rows[:1], 1).ids.tolist() == [[3]]


@pytest.mark.able("learned")
def test_versions_that_cannot_be_gone_back_to_are_dropped(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in use and the one before it stay, and a process that had them open goes on."""
    vectors, other = (cast(LearnedVectors, engine.open()) for _ in range(2))
    rows = unit(60)
    vectors.add(up_to(60), rows)
    monkeypatch.setattr(learned, "GRACE", 0.2)

    def adopted(seed: int) -> int:
        turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((DIM, DIM)))[0].astype(np.float32)
        version = vectors.prepare(Projection(np.zeros(DIM, np.float32), turn), up_to(60), lambda *_: None)
        vectors.adopt(version)
        return version

    first = vectors.version
    second = adopted(1)
    assert other.search(rows[:5], 1).ids[:, 0].tolist() == [1, 2, 3, 4, 5]
    time.sleep(0.3)
    assert vectors.forget() == []
    third = adopted(2)
    assert vectors.forget() == [first]
    assert vectors.forget() == []
    assert len(engine.also(vectors._open_index(first))) == 0
    assert other.version == third
    assert other.search(rows[:5], 1).ids[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert vectors.back() == second
    assert other.search(rows[5:9], 1).ids[:, 0].tolist() == [6, 7, 8, 9]
    assert vectors.forget() == []  # a call that began before may still be under way in it
    time.sleep(0.3)
    assert vectors.forget() == [third]
    fourth = vectors.prepare(
        Projection(np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32)), up_to(60), lambda *_: None
    )
    assert fourth == third + 1
    assert vectors.forget() == []  # what is being prepared
    assert vectors.back() == 0
    assert other.search(rows[:5], 1).ids[:, 0].tolist() == [1, 2, 3, 4, 5]
