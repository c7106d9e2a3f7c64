"""What boards teach about likeness: a projection in which pictures that people keep together are closer.

Closed form, from pairs on the same board. The scatter within boards is shrunk towards a multiple of the identity and
whitened away (within-class covariance normalisation: Hatch, Kajarekar and Stolcke, Interspeech 2006; learned whitening:
Mikolajczyk and Matas, ICCV 2007; Radenovic, Tolias and Chum, TPAMI 2019, section 4), and in the whitened space the
directions in which boards differ (Fisher's discriminants) are stretched. How much of each is chosen on held-out
pictures and on held-out boards.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from bowerbird.ports import Floats, Ints, Projection, Vectors

SHRINK = (0.2, 0.5, 0.8)
"""Share of the identity in the scatter within boards."""
STRETCH = (0.0, 0.25, 0.5, 1.0, 2.0)
"""How much longer the direction becomes in which boards differ most; the others by their share of it. Much of it helps
the boards that are there and harms those to come."""
FOLDS = 5
K = 10
LEAST_BOARDS = 5
LEAST_PICTURES = 100
"""Fewer teach nothing that could be checked."""
LARGEST = 200
"""Pictures of one board that are learned from: scatter does not get better with more, and boards should count alike."""
DRAWS = 2000
"""Of the bootstrap."""
WORTH = 0.01
"""recall@10 for which it is worth to make an index anew, and which new boards may lose at most."""


class Lesson(NamedTuple):
    """Pictures on boards: row `rows[i]` of `vectors` is on board `boards[i]`."""

    vectors: Floats
    """(n, dim)"""
    rows: Ints
    boards: Ints
    """Numbers from 0, `rows` long."""


class Verdict(NamedTuple):
    """What a projection brings for pictures that it was not learned from."""

    before: float
    """recall@10 of the plain vectors: of a picture's nearest ten the share from its boards, of what could be there."""
    after: float
    gain: float
    low: float
    high: float
    """95 % interval of the gain, by a bootstrap over boards, wider for few of them."""
    strange: float
    """Gain for boards that it was not learned from."""

    @property
    def against(self) -> str:
        """Why it should not be used; empty if it should: surely and noticeably better for new pictures, and no worse
        for new boards."""
        if self.low <= 0:
            return "It is not surely better"
        if self.gain < WORTH:
            return "It is hardly better"
        return "It harms boards that it does not know" if self.strange <= -WORTH else ""

    @property
    def good(self) -> bool:
        return not self.against


def lesson(looks: Vectors, image_ids: Ints, board_ids: Ints) -> Lesson:
    """What can be learned from: boards with at least four pictures that have a vector, `LARGEST` of each at most."""
    known, at = np.unique(image_ids, return_inverse=True)
    vectors = looks.get(known)
    there = np.asarray(vectors.any(axis=1))[at]
    rows, boards = at[there].astype(np.int64), board_ids[there]
    dice = np.random.default_rng(0)
    kept = []
    for board in np.unique(boards):
        on = np.flatnonzero(boards == board)
        if len(on) >= 4:
            kept.append(dice.permutation(on)[:LARGEST])
    chosen = np.concatenate(kept) if kept else np.empty(0, np.int64)
    numbers = np.unique(boards[chosen], return_inverse=True)[1]
    return Lesson(vectors, rows[chosen], numbers.astype(np.int64))


def enough(given: Lesson) -> bool:
    return len(np.unique(given.boards)) >= LEAST_BOARDS and len(np.unique(given.rows)) >= LEAST_PICTURES


def fit(given: Lesson, shrink: float, stretch: float) -> Projection:
    """Needs at least two boards."""
    x = given.vectors[given.rows].astype(np.float64)
    count = np.bincount(given.boards).astype(np.float64)
    means = np.zeros((len(count), x.shape[1]))
    np.add.at(means, given.boards, x)
    means /= np.maximum(count, 1)[:, None]
    centre = x.mean(axis=0)
    off = x - means[given.boards]
    dim = x.shape[1]
    within = off.T @ off / max(1, len(x) - len(count))
    within = (1 - shrink) * within + shrink * np.trace(within) / dim * np.eye(dim)
    values, axes = np.linalg.eigh(within)
    white = (axes / np.sqrt(np.maximum(values, 1e-12))) @ axes.T
    apart = ((means - centre) * np.sqrt(count)[:, None]) @ white
    spread, fisher = np.linalg.eigh(apart.T @ apart / len(x))
    longer = 1 + stretch * np.maximum(spread, 0) / max(spread.max(), 1e-12)
    matrix = white @ (fisher * longer) @ fisher.T
    return Projection(centre.astype(np.float32), matrix.astype(np.float32))


def learn(given: Lesson, report: Callable[[int, int], None] = lambda *_: None) -> tuple[Projection, Verdict]:
    """The projection learned from everything, and what the same way of learning brought on held-out pictures.

    Each fold's pictures are asked about with a projection, and with choices of `SHRINK` and `STRETCH`, that never saw
    them. Raises `ValueError` if there is not enough.
    """
    if not enough(given):
        raise ValueError(
            f"There is too little to learn from: {len(np.unique(given.boards))} open boards of four pictures and more "
            f"with {len(np.unique(given.rows))} pictures on them. It takes {LEAST_BOARDS} and {LEAST_PICTURES}."
        )
    fold_of = np.random.default_rng(1).permutation(len(given.vectors)) % FOLDS
    gains: list[NDArray[np.float64]] = []
    plain: list[NDArray[np.float64]] = []
    of_board: list[Ints] = []
    for fold in range(FOLDS):
        taught, asked = _part(given, fold_of != fold), _part(given, fold_of == fold)
        projection = fit(taught, *_choice(taught, fold))
        before, board = recalls(asked, None)
        after, _ = recalls(asked, projection)
        plain.append(before)
        gains.append(after - before)
        of_board.append(board)
        report(fold + 1, FOLDS + 1)
    gain, board = np.concatenate(gains), np.concatenate(of_board)
    low, high = _interval(gain, board)
    before_mean = float(np.concatenate(plain).mean())
    verdict = Verdict(before_mean, before_mean + float(gain.mean()), float(gain.mean()), low, high, _strange(given))
    final = fit(given, *_choice(given, FOLDS))
    report(FOLDS + 1, FOLDS + 1)
    return final, verdict


def recalls(asked: Lesson, projection: Projection | None) -> tuple[NDArray[np.float64], Ints]:
    """recall@10 of each picture that shares a board with another, among all that are asked about, and its board."""
    rows, first = np.unique(asked.rows, return_index=True)
    vectors = asked.vectors[rows] if projection is None else projection.of(asked.vectors[rows])
    on = np.zeros((len(rows), int(asked.boards.max(initial=0)) + 1), np.float32)
    on[np.searchsorted(rows, asked.rows), asked.boards] = 1
    together = on @ on.T > 0
    np.fill_diagonal(together, False)
    possible = np.minimum(together.sum(axis=1), K)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    k = min(K, len(rows) - 1)
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(together, nearest, axis=1).sum(axis=1)
    fair = possible > 0
    return hits[fair] / possible[fair], asked.boards[first][fair]


def _choice(given: Lesson, seed: int) -> tuple[float, float]:
    """Of `SHRINK` and `STRETCH`, what is best for held-out pictures and held-out boards, when learned from the rest."""
    dice = np.random.default_rng(100 + seed)
    held = dice.permutation(len(given.vectors)) % 3 == 0
    tests = [(_part(given, ~held), _part(given, held))]
    tests += _apart(given, dice.permutation(int(given.boards.max()) + 1) % 3 == 0)

    def worth(choice: tuple[float, float]) -> float:
        return sum(float(recalls(asked, fit(taught, *choice))[0].mean()) for taught, asked in tests)

    return max(itertools.product(SHRINK, STRETCH), key=worth)


def _strange(given: Lesson) -> float:
    """The mean gain for pictures of boards none of which was learned from."""
    fold_of = np.random.default_rng(2).permutation(int(given.boards.max()) + 1) % FOLDS
    gains = []
    for fold in range(FOLDS):
        for taught, asked in _apart(given, fold_of == fold):
            projection = fit(taught, *_choice(taught, fold))
            gains.append(recalls(asked, projection)[0] - recalls(asked, None)[0])
    return float(np.concatenate(gains).mean()) if gains else 0.0


def _apart(given: Lesson, new: NDArray[np.bool_]) -> list[tuple[Lesson, Lesson]]:
    """The boards that are not new, and the new ones with the pictures that are on no other; nothing where that leaves
    too little to learn from or to ask about."""
    fresh = new[given.boards]
    strangers = fresh & ~np.isin(given.rows, given.rows[~fresh])
    taught, asked = _of(given, ~fresh), _of(given, strangers)
    fair = len(np.unique(taught.boards)) > 1 and len(np.unique(asked.boards)) > 1
    return [(taught, asked)] if fair else []


def _of(given: Lesson, kept: NDArray[np.bool_]) -> Lesson:
    """These places on boards; boards that keep fewer than two pictures are left out."""
    rows, boards = given.rows[kept], given.boards[kept]
    full = np.bincount(boards, minlength=1)[boards] >= 2 if len(boards) else np.zeros(0, bool)
    return Lesson(given.vectors, rows[full], np.unique(boards[full], return_inverse=True)[1].astype(np.int64))


def _part(given: Lesson, chosen: NDArray[np.bool_]) -> Lesson:
    """Only these pictures."""
    return _of(given, chosen[given.rows])


def _interval(gain: NDArray[np.float64], board: Ints) -> tuple[float, float]:
    """Of the mean: boards are drawn, not pictures, for those of one board rise and fall together. A bootstrap of few
    groups is too sure of itself, by as much as Student's distribution is wider than the normal one (Cameron, Gelbach
    and Miller, Review of Economics and Statistics 2008)."""
    boards, at = np.unique(board, return_inverse=True)
    sums, counts, many = np.bincount(at, gain), np.bincount(at), max(2, len(boards))
    drawn = np.random.default_rng(3).integers(0, len(boards), (DRAWS, len(boards)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    wider = stdtrit(many - 1, 0.975) / ndtri(0.975) * np.sqrt(many / (many - 1))
    low, high = gain.mean() + wider * (np.quantile(means, [0.025, 0.975]) - gain.mean())
    return float(low), float(high)
