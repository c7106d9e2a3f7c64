"""What belongs with a pin or on a board: what looks like it, what people keep with it, what is about the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bowerbird.catalog import pins
from bowerbird.feed import related as kin
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Page, Placed
from bowerbird.model import Pin
from tests.feed.conftest import Site, ids


class Kin:
    """A lamp with its likes, and a chair that people keep with it and that looks like nothing else."""

    def __init__(self, site: Site) -> None:
        self.site = site
        style = site.direction()
        self.lamp = site.add(style, title="Paper lamp")
        self.alike = [site.add(site.direction((style, 0.8)), title=f"Style {n}") for n in range(8)]
        self.chair = site.add(title="Chair")
        self.named = site.add(title="Another paper lamp")
        for _ in range(30):
            site.add()
        graph = SaveGraph.empty()
        for n in range(5):
            site.board(site.ada, f"Room {n}", pins=[self.lamp, self.chair])
            graph.add_all([(self.lamp.id, n), (self.chair.id, n)])
        site.feed.graph = graph

    def related(self, bookmark: str | None = None, limit: int = 12, viewer: int | None = None) -> Page:
        with self.site.engines.database.read() as conn:
            return kin.related(self.site.feed, conn, viewer, self.lamp, bookmark, limit)

    def more(self, viewer: int, board_id: int) -> Page:
        with self.site.engines.database.read() as conn:
            return kin.more_for_board(self.site.feed, conn, viewer, board_id)

    def scroll(self, limit: int) -> list[Page]:
        found = [self.related(limit=limit)]
        while found[-1].bookmark is not None:
            found.append(self.related(found[-1].bookmark, limit))
        return found


@pytest.fixture
def home(site: Site) -> Kin:
    return Kin(site)


def of(page: Page, pin: Pin) -> Placed:
    return next(placed for placed in page.placed if placed.pin.id == pin.id)


def test_what_is_kept_together_and_what_looks_alike_share_the_page(home: Kin) -> None:
    page = home.related(limit=25)
    assert {pin.id for pin in home.alike} <= set(ids(page))
    assert of(page, home.chair).reason.kind == "together"
    assert "walk" in of(page, home.chair).source
    assert of(page, home.alike[0]).reason.kind == "alike"
    assert "words" in of(page, home.named).source
    assert {placed.reason.pin.id for placed in page.placed if placed.reason.pin} == {home.lamp.id}
    assert home.lamp.id not in ids(page)


def test_only_what_is_on_one_board_is_said_to_be_saved_together(home: Kin) -> None:
    graph, far, farther = home.site.feed.graph, home.site.add(), home.site.add()
    assert graph is not None
    graph.add_all([(home.chair.id, 900), (far.id, 900), (far.id, 901), (farther.id, 901)])
    page = home.related(limit=60)
    told = {placed.pin.id: placed.reason.kind for placed in page.placed if "walk" in placed.source}
    assert of(page, home.chair).reason.kind == "together"
    assert {told.get(far.id, "near"), told.get(farther.id, "near")} == {"near"}
    assert {far.id, farther.id} & told.keys()


def test_what_both_kinds_find_comes_first(home: Kin) -> None:
    both = home.alike[-1]
    assert home.site.feed.graph is not None
    home.site.feed.graph.add_all([(both.id, n) for n in range(5)])
    first = home.related().placed[0]
    assert first.pin.id == both.id
    assert set(first.source.split("+")) == {"visual", "walk"}


def test_scrolling_brings_each_once_and_the_same_again(home: Kin) -> None:
    pages = home.scroll(6)
    every = ids(*pages)
    assert len(pages) > 3
    assert len(every) == len(set(every))
    assert home.related(pages[0].bookmark, 6) == pages[1]
    assert [placed.position for placed in pages[1].placed] == list(range(6, 12))


def test_secret_pins_stay_with_their_owner(home: Kin) -> None:
    site = home.site
    secret = site.board(site.ada, "Secret", secret=True)
    hidden = site.add(site.direction((home.site.vector(home.lamp.image), 0.9)), board_id=secret.id)
    assert hidden.id not in ids(home.related())
    assert hidden.id not in ids(home.related(viewer=site.bob))
    assert hidden.id in ids(home.related(viewer=site.ada))


def test_hidden_pictures_and_their_like_are_gone(home: Kin) -> None:
    home.site.hide(home.site.bob, home.chair)
    assert home.chair.id in ids(home.related())
    assert home.chair.id not in ids(home.related(viewer=home.site.bob))


def test_what_is_deleted_meanwhile_is_not_on_the_next_page(home: Kin) -> None:
    first = home.related(limit=6)
    second = home.related(first.bookmark, 6)
    gone = ids(second)[0]
    with home.site.engines.database.write() as conn:
        pins.delete(conn, gone)
    assert ids(home.related(first.bookmark, 6)) == ids(second)[1:]


@pytest.mark.parametrize("kind", sorted(kin.KINDS))
def test_without_one_kind_the_others_come(home: Kin, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("away")

    whole = set(ids(home.related()))
    monkeypatch.setitem(kin.KINDS, kind, fail)  # type: ignore[arg-type]
    left = home.related()
    assert left.placed
    assert set(ids(left)) <= whole | set(ids(*home.scroll(12)))
    assert home.site.feed.missed[f"{kind}:failed"] > 0


def test_more_ideas_are_not_on_the_board_yet(home: Kin) -> None:
    site = home.site
    board = site.board(site.bob, "Mine", pins=[home.lamp, home.alike[0]])
    ideas = ids(home.more(site.bob, board.id))
    assert {pin.id for pin in home.alike[1:]} | {home.chair.id} <= set(ideas)
    assert not {home.lamp.id, home.alike[0].id} & set(ideas)


@pytest.mark.parametrize("make", [lambda site: site.board(site.bob), lambda site: site.board(site.ada, secret=True)])
def test_a_board_that_is_empty_or_not_for_them_has_none(home: Kin, make: Callable[[Site], Kin]) -> None:
    assert home.more(home.site.bob, make(home.site).id).placed == []  # type: ignore[attr-defined]
