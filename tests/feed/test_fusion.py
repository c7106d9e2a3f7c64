"""How much each kind of related pins counts is learned from people: what is known to be true of them is found, and
what is not better is not used."""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from bowerbird.events import report
from bowerbird.feed import fusion, learn, lesson
from bowerbird.feed.features import NAMES as OF_FEEDS
from bowerbird.feed.fusion import Fusion
from bowerbird.feed.generations import give_up, renewed
from bowerbird.feed.lesson import Lesson
from bowerbird.feed.related import NAMES, SMOOTH, WEIGHTS
from bowerbird.feed.served import SERVED, flush
from bowerbird.model import Event
from bowerbird.ports import Floats
from bowerbird.web import current
from tests.feed.conftest import Site, ids
from tests.feed.test_related import Kin
from tests.feed.viewers import START, looked_at

LIKED = {"visual": 0.6, "walk": 3.0, "affinity": 1.4, "words": 0.0}
"""What these people like: the walk most, and words are of no use."""


class Pages(NamedTuple):
    """Pages of related pins as fixed weights fuse them, and what people did with them."""

    lesson: Lesson
    liking: NDArray[np.float64]
    """(n,): what is true."""

    def rightly(self, weights: Fusion) -> float:
        """NDCG with what is true, whatever was looked at."""
        given = self.lesson
        places = np.arange(len(given.lists)) - np.searchsorted(given.lists, given.lists)

        def gain(by: Floats | NDArray[np.float64]) -> float:
            return float((self.liking[np.lexsort((-by, given.lists))] / np.log2(2 + places)).sum())

        return gain(weights.predict(given.features)) / gain(self.liking)


def lived(
    seed: int, people: int = 60, days: int = 10, each: int = 5, pins: int = 60, liked: dict[str, float] = LIKED
) -> Pages:
    """Of each page 25 of `pins` pins are seen at most, less if someone does not scroll."""
    dice = np.random.default_rng(seed)
    parts: list[tuple[NDArray[np.generic], ...]] = []
    whose = np.tile(np.repeat(np.arange(people), each), days)
    for _ in whose:
        ranks = np.stack([dice.permutation(pins) for _ in NAMES], axis=1) + 1
        found = dice.random((pins, len(NAMES))) < 0.5
        features = np.where(found, (SMOOTH + 1) / (SMOOTH + ranks), 0).astype(np.float16).astype(np.float32)
        order = np.argsort(-Fusion().predict(features), kind="stable")[: int(dice.integers(8, 26))]
        features, depths = features[order], np.arange(len(order))
        liking = 1 / (1 + np.exp(5.0 - features @ np.array([liked[name] for name in NAMES])))
        chosen = dice.random(len(order)) < liking * looked_at(depths)
        worth = chosen * np.where(dice.random(len(order)) < 0.4, 3.0, 1.0)
        parts.append((features, depths, liking, worth.astype(np.float32)))
    features, depths, liking, worth = (np.concatenate(part) for part in zip(*parts, strict=True))
    lists = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    at = START + np.repeat(np.arange(days), people * each) * learn.DAY
    given = Lesson(features, depths, worth, lists, whose + 1, at)
    kept = np.bincount(lists, worth > 0) > 0
    return Pages(given.only(kept), liking[kept[lists]])


@cache
def pages() -> Pages:
    return lived(1)


@cache
def taught() -> learn.Learned[Fusion]:
    return fusion.learn(pages().lesson)


def test_the_kind_that_people_like_counts_most_and_the_useless_one_least() -> None:
    weights = taught().model.weights
    assert weights["walk"] == 1
    assert weights["words"] < 0.1
    assert weights["visual"] < weights["affinity"] < 0.75
    assert taught().verdict.good
    others = lived(99, people=30, days=2)
    assert others.rightly(taught().model) > others.rightly(Fusion()) + 0.03


def test_how_much_a_place_is_looked_at_is_found_beside_it() -> None:
    """Though what the old weights liked stands above."""
    found, places = taught().chances, learn.step(pages().lesson.depths)
    for place in range(int(learn.step(np.array([15]))[0])):
        true = looked_at(pages().lesson.depths[places == place])
        if len(true):
            assert found[place] == pytest.approx(true.mean(), rel=0.35)


def test_where_it_stood_is_not_taken_for_what_it_is_worth() -> None:
    """People who like all kinds alike, and look at what stands above: fixed weights would be learned again."""
    alike = lived(3, people=100, liked=dict.fromkeys(NAMES, 2.0)).lesson
    naive, _ = fusion.fit(alike._replace(depths=np.zeros_like(alike.depths)))
    known, _ = fusion.fit(alike)

    def apart(found: Fusion) -> float:
        return max(found.weights.values()) - min(found.weights.values())

    assert apart(known) < 0.35 < apart(naive)


@pytest.mark.parametrize("seed", range(5))
def test_what_was_done_by_chance_is_never_adopted(seed: int) -> None:
    """Likings go to any pin of the page: whatever is learned then, is not surely better."""
    given = pages().lesson
    anyhow = np.lexsort((np.random.default_rng(seed).random(len(given.lists)), given.lists))
    verdict = fusion.learn(given._replace(features=given.features[anyhow])).verdict
    assert not verdict.good
    assert verdict.low < 0


def test_learned_again_it_is_as_good_and_changes_nothing() -> None:
    again = fusion.learn(pages().lesson, taught().model)
    assert again.verdict.before == again.verdict.after
    assert not again.verdict.good


def test_what_people_hide_counts_against_the_kind_that_brought_it() -> None:
    given = pages().lesson
    dice = np.random.default_rng(5)
    bad = (given.features[:, NAMES.index("affinity")] > 0) & (dice.random(len(given.worth)) < 0.2)
    found, _ = fusion.fit(given._replace(worth=np.where(bad, lesson.WORTH["hidden"], given.worth)))
    assert found.weights["affinity"] == fusion.LEAST < taught().model.weights["affinity"]


def test_too_little_is_said() -> None:
    with pytest.raises(ValueError, match=r"too little .* beside related pins .*It takes 400, and 150 by 10 people"):
        fusion.learn(lived(3, people=4, days=2).lesson)


@pytest.mark.parametrize("kept", ["", "{}", '{"weights": {"visual": 1}}', '{"weights": 5}', "half a file"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, kept: str) -> None:
    (tmp_path / "fusion.json").write_text(kept)
    with pytest.raises(ValueError, match=str(tmp_path)):
        Fusion.load(tmp_path)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), 2.0])
def test_weights_are_above_zero_and_at_most_one(weight: float) -> None:
    with pytest.raises(ValueError, match="no weights"):
        Fusion(WEIGHTS | {"walk": weight})


def test_pages_are_fused_by_what_was_learned_and_by_what_was_before(site: Site, tmp_path: Path) -> None:
    home = Kin(site)
    before = ids(home.related(limit=25))
    assert before[0] == home.chair.id
    closing = threading.Event()
    thread = current.follow(site.feed, tmp_path, closing)
    try:
        renewed(tmp_path / "fusion", Fusion(dict.fromkeys(NAMES, 0.05) | {"visual": 1.0}).save)
        assert becomes(site, "1")
        assert ids(home.related(limit=25))[0] in {pin.id for pin in home.alike}
        give_up(tmp_path / "fusion")
        assert becomes(site, "")
        assert ids(home.related(limit=25)) == before
    finally:
        closing.set()
        thread.join()


def becomes(site: Site, version: str) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (site.feed.fusion.version if site.feed.fusion else "") == version:
            return True
        time.sleep(0.01)
    return False


def test_what_was_served_beside_a_pin_can_be_learned_from(site: Site) -> None:
    """Only of those who are known, and apart from what their feeds teach."""
    home = Kin(site)
    home.related(limit=25)
    assert not site.feed.untold
    first = home.related(limit=6, viewer=site.bob)
    second = home.related(first.bookmark, 6, site.bob)
    more = home.more(site.bob, site.board(site.bob, pins=[home.lamp]).id)
    flush(site.feed)
    assert [event.data["page"] for event in site.engines.events.read(0)] == ["related", "related", "more"]
    for page in (first, second, more):
        for placed in page.placed:
            where = {"page": "related", "request": page.request, "position": placed.position}
            site.engines.events.append([Event("impression", site.feed.clock(), site.bob, placed.pin.id, where)])
    saved = second.placed[2]
    site.engines.events.append(
        [Event("save", site.feed.clock() + 9, site.bob, saved.pin.id, {"request": second.request})]
    )
    with report.table(site.engines, 0, lesson.KINDS, SERVED) as db:
        found = lesson.lesson(db, site.feed.clock() + 1e5, NAMES)
        assert lesson.lesson(db, site.feed.clock() + 1e5, OF_FEEDS).acts == 0
    assert found.depths.tolist() == list(range(12))
    assert found.depths[found.worth > 0].tolist() == [saved.position]
    for row, placed in zip(found.features, (*first.placed, *second.placed), strict=True):
        kinds = {name for name, height in zip(NAMES, row.tolist(), strict=True) if height > 0}
        assert kinds == set(placed.source.split("+"))
    assert found.features.max() <= 1
