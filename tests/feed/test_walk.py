"""Walks find what is kept together, always the same, whatever happens around them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.walk import walk
from tests.feed.test_graph import Pairs, built, edges


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield


def clusters(count: int, pins: int, boards: int, seed: int = 0) -> Pairs:
    """Pins of one cluster (ids from 100 times its number on) are on the boards of that cluster."""
    dice = np.random.default_rng(seed)
    return sorted(
        {
            (100 * c + p, 100 * c + int(b))
            for c in range(1, count + 1)
            for p in range(pins)
            for b in dice.choice(boards, 3, replace=False)
        }
    )


def test_it_finds_the_cluster_and_nothing_else(tmp_path: Path) -> None:
    graph = built(tmp_path, clusters(5, 30, 10))
    found = walk(graph, {203: 1.0}, k=50)
    assert {pin // 100 for pin, _ in found} == {2}
    assert len(found) == 29
    assert 203 not in dict(found)


def test_what_two_pins_lead_to_comes_before_what_one_leads_to(tmp_path: Path) -> None:
    graph = built(
        tmp_path, [(1, 1), (2, 2), (10, 1), (10, 2), *((n, 1) for n in range(20, 24)), *((n, 2) for n in range(30, 34))]
    )
    assert walk(graph, {1: 1.0, 2: 1.0})[0][0] == 10


def test_weights_and_popularity_change_the_order(tmp_path: Path) -> None:
    graph = built(tmp_path, clusters(2, 20, 8))
    heavy = walk(graph, {100: 9.0, 200: 1.0}, k=10)
    assert {pin // 100 for pin, _ in heavy} == {1}
    everywhere = [(999, board) for board in range(1, 60)]
    graph = built(tmp_path / "popular", [(1, 1), (2, 1), (3, 1), *everywhere, *((n, n) for n in range(2, 60))])
    assert walk(graph, {1: 1.0})[0][0] == 999
    assert walk(graph, {1: 1.0}, popularity=0.8)[0][0] != 999


def test_pins_that_lead_nowhere(tmp_path: Path) -> None:
    graph = built(tmp_path, [(1, 1), (2, 2)])
    assert walk(graph, {}) == []
    assert walk(graph, {77: 1.0}) == []
    assert walk(graph, {1: 0.0}) == []
    assert walk(graph, {1: 1.0}) == []  # alone on its board
    assert walk(SaveGraph.empty(), {1: 1.0}) == []


def test_a_new_save_is_walked_at_once_and_a_removed_one_no_more(tmp_path: Path) -> None:
    graph = built(tmp_path, [(1, 1), (2, 1), (3, 2)])
    graph.add(9, 1)  # a pin that the base does not know
    graph.add(3, 77)  # a board that it does not know
    graph.add(9, 77)
    assert {pin for pin, _ in walk(graph, {1: 1.0})} == {2, 9, 3}
    assert {pin for pin, _ in walk(graph, {9: 1.0})} == {1, 2, 3}
    graph.remove(9, 1)
    assert {pin for pin, _ in walk(graph, {1: 1.0})} == {2}


def test_a_hundred_thousand_saves_are_a_query_like_any_other(tmp_path: Path) -> None:
    pins = [(pin, pin % 500) for pin in range(1, 100_001)]
    graph = built(tmp_path, [*pins, *((200_000 + n, n) for n in range(500))])
    found = walk(graph, {pin: 1.0 for pin, _ in pins}, k=20, steps=10_000)
    assert found
    assert all(pin >= 200_000 for pin, _ in found)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), unique=True, min_size=1),
    st.dictionaries(st.integers(1, 14), st.floats(0.1, 5), max_size=4),
    st.integers(0, 2**31),
)
def test_an_answer_is_reachable_sorted_and_repeatable(
    tmp_path_factory: pytest.TempPathFactory, pairs: Pairs, query: dict[int, float], seed: int
) -> None:
    graph = built(tmp_path_factory.mktemp("graph"), pairs)
    found = walk(graph, query, steps=2000, seed=seed)
    assert found == walk(graph, query, steps=2000, seed=seed)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    reached, wave = set(), {pin for pin in query if graph.number(pin) >= 0}
    while wave:
        reached |= wave
        boards = {board for pin, board in edges(graph) if pin in wave}
        wave = {pin for pin, board in edges(graph) if board in boards} - reached
    assert {pin for pin, _ in found} <= reached - set(query)


def test_walks_go_on_while_saves_come_and_go(tmp_path: Path) -> None:
    graph, stop = built(tmp_path, clusters(4, 25, 8)), threading.Event()

    def change() -> None:
        dice = np.random.default_rng(1)
        while not stop.is_set():
            pin, board = int(dice.integers(100, 600)), int(dice.integers(100, 600))
            graph.add(pin, board)
            graph.remove(int(dice.integers(100, 600)), int(dice.integers(100, 600)))
            graph.remove(pin, board)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for seed in range(300):
            assert all(pin >= 100 for pin, _ in walk(graph, {101: 1.0, 205: 1.0}, steps=2000, seed=seed))
    finally:
        stop.set()
        changer.join()
