"""What saves teach: pins of one taste speak for each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from bowerbird.feed.affinity import Affinity, fit, renew


def tastes(people: int, pins: int, groups: int, each: int, seed: int = 0) -> csr_matrix:
    """Everyone is of one group and keeps `each` of its pins, and two of any."""
    dice = np.random.default_rng(seed)
    of = np.arange(pins) % groups
    kept = np.zeros((people, pins), np.float32)
    for person in range(people):
        own = np.flatnonzero(of == person % groups)
        kept[person, dice.choice(own, min(each, len(own)), replace=False)] = 1
        kept[person, dice.choice(pins, 2)] = 1
    return csr_matrix(kept)


def test_it_finds_the_group_and_not_what_is_kept_already() -> None:
    learned = fit(tastes(200, 120, 6, 8))
    kept = np.array([3, 9, 15, 21])  # group 3
    found, scores = learned.top_k(kept, 12)
    assert not set(found.tolist()) & set(kept.tolist())
    assert (found % 6 == 3).sum() >= 11
    assert (np.diff(scores) <= 0).all()
    assert [pin % 6 for pin, _ in learned.near(3, 5)] == [3] * 5


def test_held_out_saves_come_back_far_better_than_by_popularity() -> None:
    saves = tastes(400, 300, 10, 12).tolil()
    held = {}
    for person in range(0, 400, 4):
        own = [pin for pin in saves.rows[person] if pin % 10 == person % 10]
        held[person] = own[0]
        saves[person, own[0]] = 0
    saves = saves.tocsr()
    saves.eliminate_zeros()
    learned = fit(saves)
    hits = sum(
        pin in learned.pin_ids[learned.top_k(learned.columns(saves[person].indices.astype(np.int64)), 30)[0]]
        for person, pin in held.items()
    )
    popular = np.argsort(-np.asarray(saves.sum(axis=0)).ravel())[:30]
    assert hits > 3 * max(1, sum(pin in popular for pin in held.values()))


def test_ids_columns_and_pins_it_does_not_know() -> None:
    ids = np.arange(120, dtype=np.int64) * 7 + 1_000_000_000_000
    learned = fit(tastes(60, 120, 6, 6), ids)
    assert learned.near(5, 3) == []
    assert all(pin in ids for pin, _ in learned.near(int(ids[4]), 3))
    assert learned.columns(np.array([1, ids[2], 3])).tolist() == [int(np.searchsorted(learned.pin_ids, ids[2]))]


def test_only_the_most_saved_are_learned_about() -> None:
    saves = tastes(100, 90, 3, 10).toarray()
    saves[:, 5] = 1
    learned = fit(csr_matrix(saves), most_pins=20)
    assert len(learned) == 20
    assert 5 in learned.pin_ids
    assert (np.diff(learned.pin_ids) > 0).all()


@pytest.mark.parametrize(
    "saves",
    [np.zeros((0, 0)), np.zeros((4, 3)), np.ones((1, 1)), np.ones((5, 1)), np.ones((3, 4)), np.eye(6)],
    ids=["nothing", "no saves", "one save", "one pin", "everything", "nobody shares"],
)
def test_strange_matrices(saves: np.ndarray) -> None:
    learned = fit(csr_matrix(saves))
    assert len(learned) == int((saves.sum(axis=0) > 0).sum())
    assert np.isfinite(learned.matrix.data).all()
    everything = np.arange(len(learned))
    assert learned.top_k(everything, 5)[0].tolist() == []
    assert learned.top_k(everything[:0], 5)[0].tolist() == []


def test_what_is_written_is_what_is_opened(tmp_path: Path) -> None:
    learned = fit(tastes(60, 50, 5, 6))
    learned.save(tmp_path / "1")
    opened = Affinity.load(tmp_path / "1")
    for pin in range(50):
        assert opened.near(pin, 10) == learned.near(pin, 10)
    pairs = tastes(60, 50, 5, 6).tocoo()
    folder = renew(tmp_path / "kept", pairs.col.astype(np.int64) + 100, pairs.row.astype(np.int64) + 7)
    assert Affinity.load(folder).near(100, 5)
    assert renew(tmp_path / "empty", np.empty(0, np.int64), np.empty(0, np.int64)).exists()
