"""Reciprocal rank fusion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowerbird.model import Hit
from bowerbird.search.fuse import SMOOTH, fuse

RANKINGS = st.lists(st.lists(st.integers(1, 30), unique=True, max_size=20), max_size=5)


def hits(ids: list[int]) -> list[Hit]:
    return [Hit(image_id, 1.0 / rank) for rank, image_id in enumerate(ids, 1)]


def test_by_hand() -> None:
    fused = fuse([hits([1, 2, 3]), hits([3, 1])])
    assert [hit.image_id for hit in fused] == [1, 3, 2]
    assert fused[0].score == pytest.approx(1 / (SMOOTH + 1) + 1 / (SMOOTH + 2))


@given(RANKINGS)
def test_each_picture_once_and_scores_fall(rankings: list[list[int]]) -> None:
    fused = fuse([hits(ids) for ids in rankings])
    assert sorted(hit.image_id for hit in fused) == sorted({image_id for ids in rankings for image_id in ids})
    assert [hit.score for hit in fused] == sorted((hit.score for hit in fused), reverse=True)


@given(st.lists(st.integers(1, 30), unique=True), st.integers(1, 4))
def test_agreement_keeps_the_order(ids: list[int], times: int) -> None:
    assert [hit.image_id for hit in fuse([hits(ids)] * times)] == ids


@given(RANKINGS, st.randoms())
def test_the_order_of_the_rankings_does_not_matter(rankings: list[list[int]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = rankings[:]
    random.shuffle(shuffled)
    one, other = (
        {hit.image_id: hit.score for hit in fuse([hits(ids) for ids in some])} for some in (rankings, shuffled)
    )
    assert one == pytest.approx(other)


@given(st.lists(st.integers(1, 30), unique=True, min_size=2), st.data())
def test_what_rises_in_one_ranking_does_not_fall_in_the_answer(ids: list[int], data: st.DataObject) -> None:
    other = data.draw(st.permutations(ids))
    at = data.draw(st.integers(1, len(ids) - 1))
    raised = [*ids[: at - 1], ids[at], ids[at - 1], *ids[at + 1 :]]

    def place(first: list[int]) -> int:
        return [hit.image_id for hit in fuse([hits(first), hits(list(other))])].index(ids[at])

    assert place(raised) <= place(ids)


def test_weights() -> None:
    assert [hit.image_id for hit in fuse([hits([1, 2]), hits([2, 1])], [1.0, 3.0])] == [2, 1]
    with pytest.raises(ValueError, match="zip"):
        fuse([hits([1])], [1.0, 1.0])


def test_what_is_scored_alike_has_one_rank() -> None:
    alike = [Hit(image_id, 1.0) for image_id in (1, 2, 3)]
    assert [hit.image_id for hit in fuse([alike, hits([3, 1, 2])])] == [3, 1, 2]
    later = [Hit(9, 2.0), *alike]
    scores = {hit.image_id: hit.score for hit in fuse([later])}
    assert scores[1] == scores[2] == scores[3] == pytest.approx(1 / (SMOOTH + 2))
