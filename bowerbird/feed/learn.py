"""How to rank a feed, learned from what people did with theirs.

What stands at the top is looked at more, whatever it is: learned from as it is, a log teaches what the old ranking put
there. So a pin is taken to be chosen from its list in proportion to the product of how much its place is looked at and
of what its features are worth. Both are estimated by turns: the regression-based EM of Wang et al. (WSDM 2018), with a
choice within the list instead of independent clicks, so that how much a person does, and how far they scroll, drops
out; it needs no experiments with anybody's feed. Then trees are boosted for what features are worth beside the places
thus known, which are left out when it ranks. Last the new ranking and the one in use are compared on days that nothing
was learned from, each choice weighed by the inverse of how much its place is looked at (Joachims, Swaminathan and
Schnabel, WSDM 2017).

To learn with such weights is the other way, and takes about twice the data for as good a ranking: a save far
down comes seldom and weighs much. Listwise, because a list is what is ranked; LightGBM's own LambdaRank takes weights
by the row and not by the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from bowerbird.feed import rank
from bowerbird.feed.lesson import Lesson
from bowerbird.feed.trees import Nodes, Trees
from bowerbird.ports import Floats, Ints, Unavailable

if TYPE_CHECKING:
    from lightgbm import Booster

DAY = 86400.0
HELD = 7
"""The most days that are held out: the last one, or as many as it takes to hold `LEAST_HELD`."""
LEAST, LEAST_HELD = 400, 150
"""Pins saved, opened or hidden to learn from, and to compare with."""
LEAST_PEOPLE = 10
"""On the days held out: they are what the interval is drawn over."""
CLIP = 10.0
"""The greatest weight of a choice: with more, one save at the end of a list would outweigh all else."""
ROUNDS = (20, 40, 80, 160)
"""Numbers of trees that are tried."""
RATE, LEAVES, LEAST_CHOICES = 0.1, 8, 5.0
"""Of boosting: its step, leaves of a tree, expected choices in a leaf."""
EXAMINED = (0.3, 150)
"""Step and rounds while places are estimated: what trees shrink here would be put down to the places."""
DOUBT = 3.0
"""Choices as expected that are added to those of each place."""
DRAWS = 2000
"""Of the bootstrap."""

Reals = NDArray[np.float64]
Report = Callable[[int, int], None]
M = TypeVar("M", bound=rank.Model)


class Verdict(NamedTuple):
    """What a ranking brings on the days held out."""

    days: int
    lists: int
    people: int
    acts: int
    before: float
    """Discounted gain of the ranking in use, of the best possible order's; each pin by its worth and its weight."""
    after: float
    low: float
    high: float
    """95 % interval of the difference, by a bootstrap over people."""

    @property
    def good(self) -> bool:
        """Surely better."""
        return self.low > 0


class Learned(NamedTuple, Generic[M]):
    model: M
    chances: Reals
    """By `step`: how much a place is looked at, 1 where it is most."""
    verdict: Verdict


def step(depths: Ints) -> Ints:
    """Places that are taken together: each, then ever more; twice as deep is two further."""
    return np.asarray(2 * np.log2(1 + depths), np.int64)


def learn(given: Lesson, before: rank.Model | None = None, report: Report = lambda *_: None) -> Learned[Trees]:
    """Rank anew, and compare with what is in use. Raises `ValueError` where there is too little, `Unavailable` without
    LightGBM."""
    taught, asked, days = parted(given, "on their feeds")
    chances = examined(taught)
    report(1, 3)
    trees = fit(taught, chances)
    report(2, 3)
    verdict = judge(asked, weights(asked, chances), before, trees)._replace(days=days)
    report(3, 3)
    return Learned(trees, chances, verdict)


def last(days: int) -> str:
    return "the last day" if days == 1 else f"the last {days} days"


def parted(given: Lesson, where: str) -> tuple[Lesson, Lesson, int]:
    """What is learned from, what is held out, and how many days that are. Raises `ValueError` where it is too little
    that people did there."""
    end = given.at.max(initial=0.0)
    for days in range(1, HELD + 1):
        held = given.at > end - days * DAY
        taught, asked = given.only(~held), given.only(held)
        if asked.acts >= LEAST_HELD and len(np.unique(asked.people)) >= LEAST_PEOPLE:
            break
    people = len(np.unique(asked.people))
    if taught.acts < LEAST or asked.acts < LEAST_HELD or people < LEAST_PEOPLE:
        raise ValueError(
            f"There is too little to learn from: {taught.acts} pins that people saved, opened or hid {where} "
            f"before {last(days)}, and {asked.acts} by {people} people since. It takes {LEAST}, and "
            f"{LEAST_HELD} by {LEAST_PEOPLE} people."
        )
    return taught, asked, days


def examined(given: Lesson) -> Reals:
    """By `step`: how much a place is looked at, 1 where it is most.

    By turns one round of boosting what features are worth, and one step of each place towards the choices that it had
    over those that were to be expected, which is the MM step for Plackett and Luce's model (Hunter, Annals of
    Statistics 2004).
    """
    places, chosen = step(given.depths), (given.worth > 0).astype(np.float64)
    had = np.bincount(places, chosen)
    total = summed(chosen, given)
    log = np.zeros(len(had))

    def log_of(scores: Reals) -> Reals:
        expected = np.bincount(places, total * softmax(scores + log[places], given), len(had))
        log[:] += np.log((had + DOUBT) / (expected + DOUBT))
        log[:] -= log.max()
        return log[places]

    rate, rounds = EXAMINED
    _boosted(given, chosen, rounds, rate, log_of)
    return np.exp(log)


def weights(given: Lesson, chances: Reals) -> Reals:
    """(n,): the inverse of how much its place is looked at, clipped."""
    return np.minimum(1 / _by_place(given, chances), CLIP)


def _by_place(given: Lesson, chances: Reals) -> Reals:
    """(n,); deeper places than are known are as the last."""
    return chances[np.minimum(step(given.depths), len(chances) - 1)]


def fit(given: Lesson, chances: Reals) -> Trees:
    """Trees for what was chosen, as many as do best for a fifth of the people, when learned from the others."""
    people, number = np.unique(given.people, return_inverse=True)
    away = (np.random.default_rng(0).permutation(len(people)) % 5 == 0)[number]
    taught, asked = given.only(~away), given.only(away)
    booster, by = _chosen(taught, chances, max(ROUNDS)), weights(asked, chances)
    found = {n: _gains(booster.predict(asked.features, num_iteration=n), asked, by).sum() for n in ROUNDS}
    return Trees(_nodes(_chosen(given, chances, max(ROUNDS, key=lambda n: found[n]))))


def _chosen(given: Lesson, chances: Reals, rounds: int) -> Booster:
    known = np.log(_by_place(given, chances))
    return _boosted(given, given.worth.astype(np.float64), rounds, RATE, lambda _: known)


def judge(asked: Lesson, weights: Reals, before: rank.Model | None, after: rank.Model) -> Verdict:
    """Both rankings of the same lists; people are drawn, not lists, for those of one person rise and fall together."""
    best = _gains(asked.worth * weights, asked, weights)
    old, new = (_gains(rank.scores(asked.features, model), asked, weights) for model in (before, after))
    people, number = np.unique(asked.people, return_inverse=True)
    sums = np.stack([np.bincount(number, part) for part in (new - old, best)])
    drawn = np.random.default_rng(3).integers(0, len(people), (DRAWS, len(people)))
    differ, whole = sums[:, drawn].sum(axis=2)
    low, high = np.quantile(differ / np.maximum(whole, 1e-9), [0.025, 0.975])
    shares = old.sum() / best.sum(), new.sum() / best.sum()
    return Verdict(0, len(asked.at), len(people), asked.acts, *map(float, (*shares, low, high)))


def _gains(scores: Floats | Reals, given: Lesson, weights: Reals) -> Reals:
    """(lists,): each pin's worth and weight, discounted by the logarithm of the place that these scores give it."""
    order = np.lexsort((-scores, given.lists))
    starts = np.searchsorted(given.lists, np.arange(len(given.at)))
    places = np.arange(len(order)) - starts[given.lists]
    return _counted(given.lists, (given.worth * weights)[order] / np.log2(2 + places), len(given.at))


def _boosted(given: Lesson, worth: Reals, rounds: int, rate: float, places: Callable[[Reals], Reals]) -> Booster:
    """Trees whose softmax within each list, with what `places` adds to their scores, is each pin's share of `worth`
    (n,) (Ai et al., SIGIR 2018). What is below zero is chosen likewise, but for the lowest score."""
    liked, hidden = np.maximum(worth, 0), np.maximum(-worth, 0)
    most, least = summed(liked, given), summed(hidden, given)

    def slopes(scores: Reals, _: Any) -> tuple[Reals, Reals]:
        looked_at = places(scores)
        up, down = softmax(looked_at + scores, given), softmax(looked_at - scores, given)
        first = most * up - liked - (least * down - hidden)
        return first, np.maximum(most * up * (1 - up) + least * down * (1 - down), 1e-9)

    lightgbm = _library()
    told = {
        "objective": slopes,
        "learning_rate": rate,
        "num_leaves": LEAVES,
        "min_sum_hessian_in_leaf": LEAST_CHOICES,
        "min_data_in_leaf": 50,
        "lambda_l2": 1.0,
        "max_bin": 63,
        "use_missing": False,
        "num_threads": 1,
        "deterministic": True,
        "seed": 1,
        "verbose": -1,
    }
    return lightgbm.train(told, lightgbm.Dataset(given.features, label=worth), rounds)


def _library() -> Any:
    """It takes 30 MB, and the system's OpenMP."""
    try:
        import lightgbm
    except OSError as error:
        raise Unavailable(
            f"LightGBM, which learns how to rank, cannot be loaded ({error}). On Debian `apt-get install libgomp1` "
            "brings what it lacks. Until then feeds are ranked as before."
        ) from error
    return lightgbm


def summed(of: Reals, given: Lesson) -> Reals:
    """(n,): of the list that each is on."""
    return _counted(given.lists, of, len(given.at))[given.lists]


def _counted(groups: Ints, of: Reals, count: int) -> Reals:
    return np.bincount(groups, of, count).astype(np.float64)


def softmax(scores: Reals, given: Lesson) -> Reals:
    """(n,): within each list."""
    starts = np.searchsorted(given.lists, np.arange(len(given.at)))
    raised = np.exp(scores - np.maximum.reduceat(scores, starts)[given.lists])
    return raised / summed(raised, given)


def _nodes(booster: Booster) -> Nodes:
    feature: list[int] = []
    value: list[float] = []
    child: list[int] = []

    def put(at: int, node: dict[str, Any]) -> None:
        if "split_feature" not in node:
            value[at] = node["leaf_value"]
            return
        feature[at], value[at], child[at] = node["split_feature"], node["threshold"], len(feature)
        room(2)
        put(child[at], node["left_child"])
        put(child[at] + 1, node["right_child"])

    def room(count: int) -> int:
        feature.extend([-1] * count)
        value.extend([0.0] * count)
        child.extend([0] * count)
        return len(feature) - count

    roots = []
    for tree in booster.dump_model()["tree_info"]:
        roots.append(room(1))
        put(roots[-1], tree["tree_structure"])
    arrays = (np.array(part, kind) for part, kind in zip((roots, feature, value, child), "iidi", strict=True))
    return Nodes(*arrays)
