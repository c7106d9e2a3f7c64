"""The save graph: what is on disk, what came since, and what went."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bowerbird.feed.generations import generations
from bowerbird.feed.graph import MOST_BOARDS, SaveGraph, renew
from bowerbird.model import Event

Pairs = list[tuple[int, int]]


def built(folder: Path, pairs: Pairs, offset: int = 0) -> SaveGraph:
    pins, boards = (np.array(side, np.int64) for side in (zip(*pairs, strict=True) if pairs else ([], [])))
    SaveGraph.build(pins, boards, offset, folder / "1")
    return SaveGraph.open(folder / "1")


def edges(graph: SaveGraph) -> set[tuple[int, int]]:
    """Every save as the rows of either direction tell it; both must tell the same."""
    rows = graph.rows
    boards = {**dict(enumerate(graph._ids["board"].tolist())), **{n: i for i, n in graph._new["board"].items()}}
    pins = graph.ids(np.arange(len(graph)))
    there = {
        (int(pins[p]), boards[int(b)])
        for side in (rows.boards_of, rows.newer_boards_of)
        for p in range(len(side.place))
        for b in side.of(p)
    }
    back = {
        (int(pins[p]), boards[b])
        for side in (rows.pins_of, rows.newer_pins_of)
        for b in range(len(side.place))
        for p in side.of(b)
    }
    assert there == back
    return there


def test_what_is_built_is_there_after_opening(tmp_path: Path) -> None:
    pairs = [(10, 1), (10, 2), (30, 2), (2**40, 7)]
    graph = built(tmp_path, pairs, offset=99)
    assert edges(graph) == set(pairs)
    assert graph.offset == 99
    assert len(graph) == 3
    assert graph.number(11) == -1


def test_an_empty_graph(tmp_path: Path) -> None:
    for graph in (built(tmp_path, []), SaveGraph.empty()):
        assert edges(graph) == set()
        graph.remove(1, 1)
        graph.add(5, 6)
        assert edges(graph) == {(5, 6)}


Save = st.tuples(st.integers(1, 6), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(st.lists(Save, unique=True), st.lists(st.tuples(st.booleans(), Save), max_size=30))
def test_adding_and_removing_is_as_with_a_set(
    tmp_path_factory: pytest.TempPathFactory, base: Pairs, changes: list[tuple[bool, tuple[int, int]]]
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    graph, known = built(folder, base), set(base)
    for new, (pin, board) in changes:
        (graph.add if new else graph.remove)(pin, board)
        (known.add if new else known.discard)((pin, board))
    assert edges(graph) == known
    at_once = SaveGraph.open(folder / "1")
    at_once.change((pin, board, new) for new, (pin, board) in changes)
    assert edges(at_once) == known


def test_it_follows_the_log_from_where_it_was_built(tmp_path: Path) -> None:
    graph = built(tmp_path, [(1, 1)], offset=10)
    graph.follow(
        [
            Event("save", 1.0, 1, 2, {"board_id": 1}, offset=10),  # is in it already, or went again
            Event("save", 1.0, 1, 3, {"board_id": 1}, offset=11),
            Event("save", 1.0, 1, 4, {"board_id": 9, "secret": True}, offset=12),
            Event("save", 1.0, 1, 5, {"choice": True}, offset=13),
            Event("save", 1.0, 1, 6, {"board_id": "1"}, offset=14),
            Event("unsave", 1.0, 1, 1, {"board_id": 1}, offset=15),
            Event("closeup", 1.0, 1, 7, {"board_id": 1}, offset=16),
        ]
    )
    assert edges(graph) == {(3, 1)}


def test_a_board_that_turned_secret_or_was_deleted_is_walked_over_no_more(tmp_path: Path) -> None:
    graph = built(tmp_path, [(1, 1), (2, 1), (2, 2), (3, 2)], offset=10)
    graph.follow(
        [
            Event("save", 1.0, 1, 4, {"board_id": 1}, offset=11),
            Event("save", 1.0, 1, 5, {"board_id": 3}, offset=12),
            Event("board", 1.0, 1, data={"board_id": 1, "secret": True}, offset=13),
            Event("board", 1.0, 1, data={"board_id": 3, "secret": True}, offset=14),
            Event("board", 1.0, 1, data={"board_id": 2}, offset=15),  # was opened
            Event("board", 1.0, 1, data={"board_id": 77, "secret": True}, offset=16),  # nobody knew it
            Event("board", 1.0, 1, offset=17),
        ]
    )
    assert edges(graph) == {(2, 2), (3, 2)}
    graph.follow([Event("save", 1.0, 1, 4, {"board_id": 1}, offset=18)])
    assert edges(graph) == {(2, 2), (3, 2), (4, 1)}


def test_what_was_removed_stays_on_disk_for_others(tmp_path: Path) -> None:
    graph = built(tmp_path, [(1, 1), (2, 1)])
    graph.remove(1, 1)
    assert edges(graph) == {(2, 1)}
    assert edges(SaveGraph.open(tmp_path / "1")) == {(1, 1), (2, 1)}


def test_a_pin_on_every_board_keeps_some_of_them(tmp_path: Path) -> None:
    boards = MOST_BOARDS + 500
    graph = built(tmp_path, [(1, board) for board in range(1, boards + 1)] + [(2, 1)])
    assert sum(pin == 1 for pin, _ in edges(graph)) == MOST_BOARDS


def test_generations_come_and_go_and_a_part_of_one_is_none(tmp_path: Path) -> None:
    assert generations(tmp_path / "nowhere") == []
    one = np.ones(1, np.int64)
    for _ in range(4):
        renew(tmp_path, one, one, 5)
    (tmp_path / "9.part").mkdir()
    assert [path.name for path in generations(tmp_path)] == ["3", "4"]
    with pytest.raises(FileNotFoundError):
        SaveGraph.open(tmp_path / "9")
