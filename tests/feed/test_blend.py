"""The order of a list: unlike pictures side by side, and each interest with its share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.feed.blend import GAMMA, WINDOW, Interests, diversify, traits, with_fresh
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Feed
from bowerbird.model import CHOICE, Action, Interest
from tests.feed.conftest import NOW, Site, ids


def spread(count: int, numbers: int = 16, seed: int = 3) -> np.ndarray:
    looks = np.random.default_rng(seed).standard_normal((count, numbers)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    return traits(looks, np.arange(count), np.zeros(count, np.int64))


def test_two_of_a_kind_do_not_stand_side_by_side() -> None:
    known = spread(6)
    twins = np.concatenate([known[:1], known[:1] + 0.01, known[1:]])
    scores = np.array([1.0, 0.99, 0.4, 0.4, 0.4, 0.4, 0.4], np.float32)
    order = diversify(scores, twins, 7).tolist()
    assert order[0] == 0
    assert order.index(1) > 2


@pytest.mark.parametrize("dues", [(0.5, 0.5), (0.75, 0.25)])
def test_each_interest_has_its_share_however_strong_the_other_is(dues: tuple[float, float]) -> None:
    scores = np.concatenate([np.full(60, 1.0), np.full(60, -1.0)]).astype(np.float32)
    of = np.repeat([0, 1], 60)
    interests = Interests(of, np.array(dues, np.float32))
    alone = diversify(scores, spread(120), 40)
    shared = diversify(scores, spread(120), 40, interests)
    assert (of[alone] == 0).mean() > 0.95
    assert (of[shared] == 1).mean() == pytest.approx(dues[1], abs=0.12)
    assert (of[shared] == 1).sum() >= 40 * dues[1] / 2


@given(st.integers(0, 30), st.integers(1, 40), st.lists(st.integers(-1, 2), min_size=30, max_size=30))
@settings(deadline=None)  # the first one may wait for what is compiled
def test_nothing_comes_twice_and_nothing_is_lost(count: int, most: int, near: list[int]) -> None:
    scores = np.linspace(1, -1, count, dtype=np.float32)
    interests = Interests(np.array(near[:count], np.int64), np.array([0.5, 0.3, 0.2], np.float32))
    order = diversify(scores, spread(count) if count else np.zeros((0, 64), np.float32), most, interests).tolist()
    assert len(order) == len(set(order)) == min(most, count)


@given(st.integers(13, 40), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_each_place_goes_to_what_the_window_does_not_span(count: int, seed: int) -> None:
    """What is compiled, and changes its sums place by place, against what it is meant to be: at each place the rest of
    each row, once what the latest rows span is taken off in their order."""
    known, scores = spread(count, seed=seed), np.random.default_rng(seed).standard_normal(count).astype(np.float32)
    placed: list[int] = []
    for row in diversify(scores, known, count).tolist():
        rest = known.astype(np.float64)
        for before in placed[-WINDOW:]:
            own = rest[before].copy()
            if own @ own > 1e-6:
                rest -= np.outer(rest @ own / (own @ own), own)
        if len(placed) < WINDOW:  # from then on what leaves the window is given back as it was taken: the paper's way
            worth = scores + GAMMA * np.linalg.norm(rest, axis=1)
            worth[placed] = -np.inf
            assert worth[row] == pytest.approx(worth.max(), abs=1e-3)
        placed.append(row)


@given(st.lists(st.integers(0, 50), unique=True), st.lists(st.integers(0, 50), unique=True))
def test_fresh_ones_are_mixed_in_once(order: list[int], fresh: list[int]) -> None:
    mixed = with_fresh(order, fresh)
    assert len(mixed) == len(set(mixed))
    assert set(order) <= set(mixed) <= set(order) | set(fresh)


def test_all_that_someone_likes_is_on_the_first_page(site: Site) -> None:
    crowded, quiet = site.direction(), site.direction()
    many = [site.add(site.direction((crowded, 0.9))) for _ in range(40)]
    few = [site.add(site.direction((quiet, 0.75))) for _ in range(40)]
    site.trend(many)  # everyone likes these
    site.taste(site.bob, [many[0], few[0]])
    first = ids(site.home(limit=24))
    assert len(set(first) & {pin.id for pin in few}) >= 8
    assert len(set(first) & {pin.id for pin in many}) >= 8


def test_what_someone_chose_at_first_is_liked_and_not_saved(site: Site) -> None:
    style = site.direction()
    alike = [site.add(site.direction((style, 0.85))) for _ in range(10)]
    chosen = alike[0]
    site.taste(
        site.bob,
        actions=(Action("save", chosen.id, chosen.image.id, NOW, CHOICE),),
        interests=(Interest(chosen.image.id, 1.0, (chosen.id,)),),
    )
    reasons = {placed.reason.kind for placed in site.home().placed if placed.source == "interests"}
    assert reasons == {"liked"}


def test_it_is_said_to_be_kept_together_only_with_what_it_is_kept_with(site: Site) -> None:
    near, far, end = site.add(), site.add(), site.add()
    saved, latest = site.add(), site.add()
    graph = SaveGraph.empty()
    graph.add_all([(saved.id, 1), (near.id, 1), (near.id, 2), (far.id, 2), (latest.id, 3), (end.id, 3)])
    site.feed = Feed(site.engines, site.feed.fold, graph=graph, clock=lambda: NOW, budget=60.0)
    site.taste(site.bob, [latest, saved])
    told = {placed.pin.id: placed.reason for placed in site.home().placed if placed.source == "walk"}
    named = {pin_id: reason.pin.id if reason.pin else 0 for pin_id, reason in told.items()}
    assert named == {near.id: saved.id, end.id: latest.id, far.id: 0}
