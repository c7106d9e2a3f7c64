"""What pictures are about, by their looks, and walks that keep to it now and then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bowerbird.cli.events import rebuild
from bowerbird.feed import topics
from bowerbird.feed.generations import generations
from bowerbird.feed.graph import TOPICS, SaveGraph
from bowerbird.feed.topics import NONE
from bowerbird.feed.walk import walk
from bowerbird.ports import Floats, Ints, Unavailable
from tests.feed.conftest import Site
from tests.feed.test_graph import Pairs, edges
from tests.feed.test_walk import compiled_once as compiled_once


class Looks:
    """`styles` groups of pictures, one in ten of which has no look; the groups are by id modulo `styles`."""

    def __init__(self, styles: int) -> None:
        self.centres = np.random.default_rng(1).standard_normal((styles, 64)).astype(np.float32)

    def get(self, ids: Ints) -> Floats:
        noise = np.random.default_rng(int(ids.sum()) % 1000).standard_normal((len(ids), 64)).astype(np.float32)
        rows = self.centres[ids % len(self.centres)] + 0.3 * noise
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return np.where((ids % 10 == 9)[:, None], np.float32(0), rows)


def test_pictures_that_look_alike_share_a_topic_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "BLOCK", 77)
    images = np.repeat(np.random.default_rng(2).permutation(1000), 2)  # each on two boards
    found = topics.topics(Looks(7), images)  # type: ignore[arg-type]
    assert (found == topics.topics(Looks(7), images)).all()  # type: ignore[arg-type]
    assert (found[images % 10 == 9] == NONE).all()
    assert (found[::2] == found[1::2]).all()
    known = images % 10 != 9
    assert found[known].max() < topics.MOST < NONE
    for topic in np.unique(found[known]):
        styles = np.bincount(images[known & (found == topic)] % 7)
        assert styles.max() > 0.97 * styles.sum()


@pytest.mark.parametrize("images", [[], [1, 2, 3], list(range(9, 4000, 10))])
def test_without_enough_looks_there_are_none(images: list[int]) -> None:
    assert (topics.topics(Looks(3), np.array(images, np.int64)) == NONE).all()  # type: ignore[arg-type]


def mixed(folder: Path, boards: int = 6, each: int = 40) -> SaveGraph:
    """Boards of pins of four topics, a pin's being its id modulo 4; those that divide by 11 have none."""
    dice = np.random.default_rng(3)
    pairs = [(int(pin), board) for board in range(boards) for pin in dice.choice(200, each, replace=False) + 1]
    pins, on = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    SaveGraph.build(pins, on, 0, folder / "1", about(pins))
    return SaveGraph.open(folder / "1")


def about(pins: Ints) -> topics.Topics:
    return np.where(pins % 11 == 0, NONE, pins % 4).astype(np.uint8)


def share(graph: SaveGraph, pin: int, bias: float) -> float:
    """Of the visits, that are of the pin's topic."""
    found = walk(graph, {pin: 1.0}, 500, 20_000, bias=bias, enough=(1 << 30, 1 << 30))
    alike = [score for each, score in found if about(np.array([each])) == about(np.array([pin]))]
    return sum(alike) / sum(score for _, score in found)


def test_a_walk_keeps_to_its_topic_as_often_as_it_is_told(tmp_path: Path) -> None:
    graph = mixed(tmp_path)
    begun = next(pin for pin in range(5, 200) if graph.boards(pin) and pin % 11)
    plain, some, whole = (share(graph, begun, bias) for bias in (0.0, 0.5, 1.0))
    assert 0.1 < plain < 0.35
    assert some == pytest.approx(plain + (1 - plain) / 2, abs=0.06)
    assert whole == 1


def test_each_of_the_topic_is_drawn_alike(tmp_path: Path) -> None:
    pairs = [(pin, 1) for pin in range(1, 62)]
    pins = np.arange(1, 62, dtype=np.int64)
    SaveGraph.build(pins, np.ones(61, np.int64), 0, tmp_path / "1", (pins % 3).astype(np.uint8))
    graph = SaveGraph.open(tmp_path / "1")
    assert len(edges(graph)) == len(pairs)
    found = dict(walk(graph, {1: 1.0}, 500, 40_000, bias=1.0, enough=(1 << 30, 1 << 30)))
    assert set(found) == {pin for pin in range(4, 62) if pin % 3 == 1}
    visits = np.array(list(found.values()))
    assert visits.std() < 3 * visits.mean() ** 0.5


def test_what_has_no_topic_is_walked_from_as_before(tmp_path: Path) -> None:
    graph = mixed(tmp_path)
    bare = next(pin for pin in range(11, 200, 11) if graph.boards(pin))
    graph.add_all([(999, 2), (999, 3)])
    for pin in (bare, 999):
        assert walk(graph, {pin: 1.0}, seed=5, bias=1.0) == walk(graph, {pin: 1.0}, seed=5, bias=0.0) != []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 3)), unique=True, min_size=1),
    st.lists(st.tuples(st.booleans(), st.tuples(st.integers(1, 30), st.integers(1, 3))), max_size=20),
)
def test_rows_stay_in_the_order_of_topics_whatever_comes_and_goes(
    tmp_path_factory: pytest.TempPathFactory, base: Pairs, changes: list[tuple[bool, tuple[int, int]]]
) -> None:
    folder, known = tmp_path_factory.mktemp("graph"), set(base)
    pins, on = (np.array(side, np.int64) for side in zip(*base, strict=True))
    SaveGraph.build(pins, on, 0, folder / "1", about(pins))
    graph = SaveGraph.open(folder / "1")
    for new, (pin, board) in changes:
        (graph.add if new else graph.remove)(pin, board)
        (known.add if new else known.discard)((pin, board))
    assert edges(graph) == known
    rows = graph.rows.pins_of
    for board in range(len(rows.place)):
        start, degree = divmod(int(rows.place[board]), 1 << 24)
        if degree:
            told = graph.about.on_boards[start : start + degree]
            assert (np.diff(told.astype(int)) >= 0).all()
            assert (told == about(graph.ids(rows.to[start : start + degree]))).all()
    for pin in {pin for pin, _ in known}:
        reached = {each for each, _ in walk(graph, {pin: 1.0}, bias=1.0, steps=2000)}
        assert reached <= {each for each, _ in walk(graph, {pin: 1.0}, bias=0.0, steps=20_000)}


def test_a_graph_from_before_there_were_topics_is_walked_still(tmp_path: Path) -> None:
    graph = mixed(tmp_path)
    plain = walk(graph, {5: 1.0, 7: 1.0}, seed=2, bias=0.0)
    for name in TOPICS:
        (tmp_path / "1" / f"{name}.npy").unlink()
    older = SaveGraph.open(tmp_path / "1")
    assert walk(older, {5: 1.0, 7: 1.0}, seed=2) == plain
    older.remove(5, 1)
    assert walk(older, {7: 1.0})


def test_the_service_finds_topics_and_does_without_where_looks_are_away(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styles = [site.direction() for _ in range(3)]
    made = [site.add(site.direction((styles[n % 3], 0.95))) for n in range(48)]
    site.board(site.ada, pins=made)
    assert rebuild(site.engines, tmp_path) == len(made)
    graph = SaveGraph.open(generations(tmp_path / "graph")[-1])
    found = [int(graph.about.pins[graph.number(pin.id)]) for pin in made]
    for topic in set(found):
        assert len({n % 3 for n, each in enumerate(found) if each == topic}) == 1

    def away(*_: object) -> None:
        raise Unavailable("looks: no answer")

    monkeypatch.setattr(site.engines.looks, "get", away)
    assert rebuild(site.engines, tmp_path) == len(made)
    graph = SaveGraph.open(generations(tmp_path / "graph")[-1])
    assert (graph.about.pins == NONE).all()
    assert walk(graph, {made[0].id: 1.0})
