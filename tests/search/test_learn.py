"""What boards teach, and that noise teaches nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bowerbird.adapters.vectors.faiss import FaissVectors
from bowerbird.ports import Floats, Ints, Projection
from bowerbird.search import learn

DIM = 24


def pictures(boards: int, each: int, noisy: int = 12, seed: int = 0) -> tuple[Floats, Ints]:
    """Boards that differ in some of their numbers only, while strong numbers that say nothing of boards drown them."""
    dice = np.random.default_rng(seed)
    on = np.repeat(np.arange(boards), each)
    means = dice.standard_normal((boards, DIM - noisy))
    told = means[on] + 0.5 * dice.standard_normal((len(on), DIM - noisy))
    rows = np.concatenate([told, 4 * dice.standard_normal((len(on), noisy))], axis=1).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), on.astype(np.int64)


def given(vectors: Floats, boards: Ints, folder: Path) -> learn.Lesson:
    looks = FaissVectors(folder, DIM)
    ids = np.arange(1, len(vectors) + 1)
    looks.add(ids, vectors)
    try:
        return learn.lesson(looks, ids, boards)
    finally:
        looks.close()


def test_what_boards_teach_finds_more_on_pictures_and_boards_never_seen(tmp_path: Path) -> None:
    vectors, boards = pictures(30, 20)
    projection, verdict = learn.learn(given(vectors, boards, tmp_path))
    assert verdict.good
    assert verdict.low > 0.1
    assert verdict.strange > 0.1

    fresh, on = pictures(30, 20, seed=9)  # other boards altogether
    new = learn.Lesson(fresh, np.arange(len(fresh)), on)
    assert learn.recalls(new, projection)[0].mean() > learn.recalls(new, None)[0].mean() + 0.1


def test_boards_without_meaning_are_not_adopted(tmp_path: Path) -> None:
    for seed in range(3):
        vectors, boards = pictures(12, 15, seed=seed)
        shuffled = np.random.default_rng(seed).permutation(boards)
        _, verdict = learn.learn(given(vectors, shuffled, tmp_path / str(seed)))
        assert not verdict.good


def test_too_little_says_how_much_it_takes(tmp_path: Path) -> None:
    vectors, boards = pictures(4, 30)
    with pytest.raises(ValueError, match=r"4 open boards .* 120 pictures .* takes 5 and 100"):
        learn.learn(given(vectors, boards, tmp_path))
    with pytest.raises(ValueError, match="0 open boards"):
        learn.learn(given(vectors, np.arange(len(vectors)), tmp_path / "lonely"))


def test_pictures_on_many_boards_and_pictures_without_a_vector(tmp_path: Path) -> None:
    vectors, boards = pictures(8, 20)
    looks = FaissVectors(tmp_path, DIM)
    ids = np.arange(1, len(vectors) + 1)
    looks.add(ids[:-10], vectors[:-10])
    twice = np.concatenate([ids, ids[:40], [10_000]])
    lesson = learn.lesson(looks, twice, np.concatenate([boards, boards[:40] + 100, [0]]))
    looks.close()
    assert len(np.unique(lesson.rows)) == len(ids) - 10
    projection, _ = learn.learn(lesson)
    assert np.isfinite(projection.matrix).all()


def test_a_projection_gives_unit_rows_and_leaves_nothing_as_nothing() -> None:
    vectors, _ = pictures(5, 4)
    vectors[0] = 0
    projection = Projection(vectors.mean(axis=0), np.diag(np.arange(1, DIM + 1)).astype(np.float32))
    moved = projection.of(vectors)
    assert moved.dtype == np.float32
    assert not moved[0].any()
    assert np.allclose(np.linalg.norm(moved[1:], axis=1), 1, atol=1e-5)
