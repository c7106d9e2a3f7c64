"""Learning to rank from what people did: what is known to be true is found, and what is not better is not used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from types import ModuleType

import numpy as np
import pytest

from bowerbird.feed import learn
from bowerbird.feed.features import NAMES
from bowerbird.feed.learn import Learned
from bowerbird.feed.lesson import WORTH
from bowerbird.feed.trees import Trees
from bowerbird.ports import Floats, Unavailable
from tests.feed.viewers import FAVOURED, Old, World, looked_at, world

pytestmark = pytest.mark.usefixtures("trees")


class Anyhow:
    """A ranking by chance."""

    version = "anyhow"

    def __init__(self, dice: np.random.Generator) -> None:
        self._dice = dice

    def predict(self, features: Floats) -> Floats:
        return self._dice.random(len(features), np.float32)


@cache
def lived() -> World:
    return world(seed=1)


@cache
def taught() -> Learned[Trees]:
    return learn.learn(lived().lesson(), Old())


@cache
def others() -> World:
    """People that nothing was learned from."""
    return world(seed=99, people=30, days=2)


def test_what_is_learned_ranks_other_people_better_than_what_they_were_shown() -> None:
    old = others().rightly(Old().predict(others().features))
    assert others().rightly(taught().model.predict(others().features)) > old + 0.1
    verdict = taught().verdict
    assert verdict.good
    assert verdict.before + verdict.low < verdict.after < verdict.before + verdict.high


def test_how_much_a_place_is_looked_at_is_found_from_what_was_chosen() -> None:
    given = world(seed=2, people=150).lesson()
    found, places = learn.examined(given), learn.step(given.depths)
    for place in np.unique(places)[:10]:  # further down hardly anything was chosen
        true = looked_at(given.depths[places == place]).mean()
        assert found[place] == pytest.approx(true, rel=0.3)


def test_it_learns_what_people_like_and_not_what_stood_above() -> None:
    given = lived().lesson()
    naively = learn.fit(given, np.ones(40))
    known = learn.fit(given, learn.examined(given))
    features = others().features
    assert others().rightly(known.predict(features)) > others().rightly(naively.predict(features)) + 0.01
    # What only the old ranking liked is what stood above.
    old = [NAMES.index(name) for name, weight in FAVOURED.items() if weight >= 0.6]
    kept = [np.corrcoef(model.predict(features), features[:, old].sum(axis=1))[0, 1] for model in (known, naively)]
    assert kept[0] < kept[1]


def test_what_was_done_by_chance_changes_nothing() -> None:
    """A feature of no use, and likings that go to any pin of the list."""
    given = lived().lesson()
    anyhow = np.lexsort((np.random.default_rng(4).random(len(given.lists)), given.lists))
    verdict = learn.learn(given._replace(features=given.features[anyhow]), Old()).verdict
    assert not verdict.good
    assert verdict.low < 0 < verdict.high


def test_what_is_as_good_as_what_is_in_use_changes_nothing() -> None:
    again = learn.learn(lived().lesson(), taught().model)
    assert again.verdict.before == again.verdict.after
    assert not again.verdict.good


def test_better_by_chance_is_seldom_surely_better() -> None:
    """Of rankings by dice half are better than the other half, and one in forty surely."""
    given = lived().lesson()
    by = learn.weights(given, taught().chances)
    dice = [np.random.default_rng(seed) for seed in range(60)]
    verdicts = [learn.judge(given, by, Anyhow(one), Anyhow(one)) for one in dice]
    assert sum(verdict.after > verdict.before for verdict in verdicts) > 15
    assert sum(verdict.good for verdict in verdicts) < 6


def test_hidden_is_worse_than_nothing() -> None:
    given = lived().lesson()
    trait = NAMES.index("trending")
    dice = np.random.default_rng(5)
    hated = (given.features[:, trait] > 0.5) & (dice.random(len(given.worth)) < 0.3 * looked_at(given.depths))
    worth = np.where(hated, np.float32(WORTH["hidden"]), given.worth)
    features = given.features[:2000].copy()

    def change(with_hidden: bool) -> float:
        """Of the mean score when the trait comes."""
        lesson = given._replace(worth=worth if with_hidden else np.maximum(worth, 0))
        trees = learn.fit(lesson, taught().chances)
        means = []
        for value in (0.0, 0.9):
            features[:, trait] = value
            means.append(float(trees.predict(features).mean()))
        return means[1] - means[0]

    assert change(with_hidden=True) < change(with_hidden=False) - 0.5


def test_one_save_far_down_does_not_outweigh_all() -> None:
    given = lived().lesson()
    assert learn.weights(given, taught().chances).max() == learn.CLIP
    assert (learn.weights(given._replace(depths=given.depths + 10**6), taught().chances) == learn.CLIP).all()


@pytest.mark.parametrize(("people", "days"), [(0, 1), (1, 1), (3, 10), (60, 1), (9, 60)])
def test_too_little_is_said_with_how_much_it_takes(people: int, days: int) -> None:
    given = world(3, max(1, people), days, each=2 + 18 * (people == 9)).lesson()
    given = given.only(np.full(len(given.at), people > 0))
    with pytest.raises(ValueError, match=f"too little to learn from.*It takes {learn.LEAST}, and"):
        learn.learn(given)


def test_quiet_sites_hold_out_more_days() -> None:
    quiet = world(seed=6, people=12, days=20, each=4).lesson()
    assert 1 < learn.learn(quiet).verdict.days <= learn.HELD


def test_places_grow_with_depth() -> None:
    steps = learn.step(np.arange(30_000))
    assert (np.diff(steps) >= 0).all()
    assert steps[0] == 0
    assert steps[2**7 - 1] == 14


def test_without_openmp_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Bare(), *sys.meta_path])
    with pytest.raises(Unavailable, match="apt-get install libgomp1"):
        learn.learn(lived().lesson())
