"""The one door: what it finds, in which order, for whom."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bowerbird.catalog import boards, images, pins
from bowerbird.search import check, colour, similar
from bowerbird.search.ask import Query
from tests.search.conftest import Gallery


def test_related_pictures_come_nearest_first_and_without_the_picture_itself(gallery: Gallery) -> None:
    own = gallery.add()
    centre = gallery.vector(own.image)
    near = {cosine: gallery.add(gallery.direction((centre, cosine))).id for cosine in (0.3, 0.69, 0.5)}
    assert gallery.answer(Query(image_id=own.image.id)) == [near[0.69], near[0.5], near[0.3]]
    assert [hit.image_id for hit in similar.related(gallery.engines, own.image.id, 1)] != [own.image.id]


def test_a_picture_that_is_not_kept_finds_itself(gallery: Gallery) -> None:
    pin = gallery.add()
    gallery.add()
    assert gallery.answer(Query(vector=gallery.vector(pin.image)), k=1) == [pin.id]


def test_a_part_of_a_picture_finds_others_but_not_the_picture(gallery: Gallery) -> None:
    pin, other = gallery.add(), gallery.add()
    part = gallery.direction((gallery.vector(pin.image), 0.8), (gallery.vector(other.image), 0.5))
    assert gallery.answer(Query(image_id=pin.image.id, vector=part)) == [other.id]


def test_a_picture_without_a_vector_has_no_relations(gallery: Gallery) -> None:
    gallery.add()
    assert gallery.answer(Query(image_id=999)) == []
    assert gallery.answer(Query()) == []
    assert gallery.answer(Query(words="  ", colour=" ")) == []


def test_words_show_the_pin_whose_words_they_are(gallery: Gallery) -> None:
    first = gallery.add(title="okapi")
    with gallery.engines.database.write() as conn:
        second, _ = pins.create(conn, gallery.bob, first.image.id, title="quagga")
    assert gallery.answer(Query(words="quagga")) == [second.id]
    assert gallery.answer(Query(words="okapi")) == [first.id]
    assert gallery.answer(Query(image_id=gallery.add().image.id)) == [first.id]  # by look: the oldest


def test_a_picture_that_many_pins_show_is_found_once(gallery: Gallery) -> None:
    first = gallery.add(title="quagga")
    with gallery.engines.database.write() as conn:
        pins.create(conn, gallery.bob, first.image.id, title="quagga")
    other = gallery.add(title="quagga and more words")
    assert sorted(gallery.answer(Query(words="quagga")))[-1] == other.id
    assert len(gallery.answer(Query(words="quagga"))) == 2


def test_colours(gallery: Gallery) -> None:
    red = gallery.add(colours=[("#d01818", 0.9), ("#ffffff", 0.1)])
    half = gallery.add(colours=[("#d01818", 0.5), ("#2040c0", 0.5)])
    blue = gallery.add(colours=[("#2040c0", 1.0)])
    assert gallery.answer(Query(colour="#cc1a1a")) == [red.id, half.id, blue.id]
    assert gallery.answer(Query(colour="2040C0"), k=1) == [blue.id]
    assert gallery.answer(Query(colour="#f00"), k=1) == [red.id]
    for bad in ("red", "#12345", "#gggggg", "#1234567", "'", "#٣٣٣٣٣٣"):
        with pytest.raises(ValueError, match="hex"):
            gallery.answer(Query(colour=bad))
    assert colour.vector_of("#fff") @ colour.vector_of("#fefefe") > 0.99


def test_words_and_a_colour_order_what_the_words_find(gallery: Gallery) -> None:
    reds = [gallery.add(colours=[("#d01818", 1.0)]) for _ in range(5)]
    blue = gallery.add(title="shoe", colours=[("#2040c0", 1.0)])
    red = gallery.add(title="shoe", colours=[("#d01818", 1.0)])
    found = gallery.answer(Query(words="shoe", colour="#d01818"))
    assert found == [red.id, blue.id]
    assert not set(found) & {pin.id for pin in reds}


def test_the_name_of_a_colour_finds_what_has_it_though_nobody_wrote_so(gallery: Gallery) -> None:
    blue = gallery.add(colours=[("#2040c0", 1.0)])
    red = gallery.add(colours=[("#c2312d", 1.0)])
    written = gallery.add(title="A red letter day", colours=[("#c2312d", 0.5), ("#2040c0", 0.5)])
    assert gallery.answer(Query(words="Red")) == [written.id, red.id, blue.id]
    assert gallery.answer(Query(words="blue"), k=1) == [blue.id]
    assert gallery.answer(Query(words="reddish")) == []
    assert gallery.answer(Query(words="red", colour="#2040c0")) == [written.id]  # who has chosen a colour means it


def test_the_name_of_a_colour_orders_what_the_other_words_find(gallery: Gallery) -> None:
    gallery.add(colours=[("#2040c0", 1.0)])
    red = gallery.add(title="vase", colours=[("#c2312d", 1.0)])
    blue = gallery.add(title="vase", colours=[("#2040c0", 1.0)])
    both = gallery.add(title="vase", colours=[("#2040c0", 0.5), ("#c2312d", 0.5)])
    assert gallery.answer(Query(words="a vase in blue")) == [blue.id, both.id, red.id]
    assert gallery.answer(Query(words="red vase")) == [red.id, both.id, blue.id]
    assert gallery.answer(Query(words="red and blue vase"), k=1) == [both.id]


@given(st.text(max_size=60))
def test_whatever_is_asked_names_colours_or_none(text: str) -> None:
    found = colour.named(text)
    assert (found is not None) == any(word in colour.NAMES for word in re.findall(r"\w+", text.casefold()))
    assert colour.named(f"{text} GREY") is not None


def test_a_picture_and_a_colour_prefer_what_is_both(gallery: Gallery) -> None:
    centre = gallery.direction()
    like = [gallery.add(gallery.direction((centre, 0.6)), colours=[("#2040c0", 1.0)]) for _ in range(9)]
    red = [gallery.add(colours=[("#d01818", 1.0)]) for _ in range(9)]
    both = [gallery.add(gallery.direction((centre, 0.62)), colours=[("#d01818", 1.0)]) for _ in range(3)]
    found = gallery.answer(Query(vector=centre, colour="#d01818"))
    assert set(found[:3]) == {pin.id for pin in both}
    assert set(found) == {pin.id for pin in like + red + both}


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("k", [1, 7, 25])
def test_pages_are_parts_of_one_list(gallery: Gallery, k: int, mixed: bool) -> None:
    centre = gallery.direction()
    for number in range(40):
        cosine = 0.65 - number / 150
        pin = gallery.add(gallery.direction((centre, cosine)), user_id=gallery.bob)
        if number % 3 == 0:  # what is hidden and what is folded must not open gaps
            gallery.add(gallery.direction((gallery.vector(pin.image), 0.99)))
        if number % 4 == 0:
            with gallery.engines.database.write() as conn:
                images.failed(conn, pin.image.id, "decode", "x")
    query = Query(vector=centre, colour="#808080") if mixed else Query(vector=centre)
    whole = gallery.answer(query, k=200)
    assert len(whole) == len(set(whole)) == 40 - 10 + 4
    paged: list[int] = []
    while page := gallery.answer(query, k=k, skip=len(paged)):
        paged += page
    assert paged == whole


def test_only_what_the_viewer_sees_is_found(gallery: Gallery) -> None:
    centre = gallery.direction()
    with gallery.engines.database.write() as conn:
        hidden = boards.create(conn, gallery.ada, "Hidden", secret=True)
    secret = gallery.add(centre, title="quagga", board_id=hidden.id, colours=[("#d01818", 1.0)])
    public = gallery.add(gallery.direction((centre, 0.5)), title="quagga", colours=[("#2040c0", 1.0)])
    pending = gallery.add(gallery.direction((centre, 0.6)), title="quagga", ready=False)
    for query in (
        Query(vector=centre),
        Query(words="quagga"),
        Query(colour="#d01818"),
        Query(words="quagga", vector=centre),
    ):
        assert gallery.answer(query, None) == gallery.answer(query, gallery.bob) == [public.id]
        assert set(gallery.answer(query, gallery.ada)) == {secret.id, public.id}
        assert pending.id not in gallery.answer(query, gallery.ada)


def test_a_hidden_picture_does_not_fold_a_visible_one_away(gallery: Gallery) -> None:
    centre = gallery.direction()
    with gallery.engines.database.write() as conn:
        hidden = boards.create(conn, gallery.ada, "Hidden", secret=True)
    gallery.add(centre, board_id=hidden.id)
    copy = gallery.add(gallery.direction((centre, 0.99)))
    assert gallery.answer(Query(vector=centre), gallery.bob) == [copy.id]


def test_recall_is_measured_against_every_vector(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check.recall(gallery.engines) is None
    for _ in range(30):
        gallery.add()
    assert check.recall(gallery.engines, seed=1) == 1.0
    monkeypatch.setattr(check, "BLOCK", 7)
    assert check.recall(gallery.engines, seed=1) == 1.0
    search = gallery.engines.looks.search

    def forgetful(queries: np.ndarray, k: int):  # type: ignore[no-untyped-def, type-arg]
        found = search(queries, k + 5)
        return type(found)(found.ids[:, 5:], found.scores[:, 5:])

    monkeypatch.setattr(gallery.engines.looks, "search", forgetful)
    assert check.recall(gallery.engines, seed=1) == pytest.approx(0.5)
