"""Pages of the feed: what comes, what never does, and what stays the same."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from bowerbird.catalog import boards, follows, pins
from bowerbird.feed import page, placing, served
from bowerbird.feed.features import NAMES, SOURCES, Table, tabulate
from bowerbird.feed.placing import Item
from bowerbird.feed.request import Asked, Why
from bowerbird.model import Action, Interest, Pin, Taste
from bowerbird.ports import Unavailable
from tests.feed.conftest import NOW, Site, ids, sources


def test_an_empty_site(site: Site) -> None:
    assert site.home() == page.Page("newest", [], None)


def test_a_new_user_sees_something(site: Site) -> None:
    made = [site.add() for _ in range(30)]
    first = site.home(limit=10)
    assert len(first.placed) == 10
    assert set(ids(*site.scroll(limit=10))) == {pin.id for pin in made}


def test_one_save_brings_its_like_first_and_says_why(site: Site) -> None:
    style = site.direction()
    alike = [site.add(site.direction((style, 0.85)), title=f"Style {n}") for n in range(10)]
    for _ in range(60):
        site.add()
    site.taste(site.bob, alike[:1])
    first = site.home(limit=10)
    assert len(set(ids(first)) & {pin.id for pin in alike}) >= 6
    of_style = [placed for placed in first.placed if placed.source == "interests"]
    assert of_style[0].reason.kind == "saved"
    assert of_style[0].reason.pin is not None
    assert of_style[0].reason.pin.id == alike[0].id


def test_the_same_bookmark_gives_the_same_pins(site: Site) -> None:
    for _ in range(80):
        site.add()
    first = site.home(limit=20)
    second = site.home(bookmark=first.bookmark, limit=20)
    assert second.placed
    with site.engines.database.read() as conn:
        site.taste(site.bob, pins.by_ids(conn, [second.placed[0].pin.id]))
    for _ in range(5):
        site.add()
    assert site.home(bookmark=first.bookmark, limit=20) == second
    assert not set(ids(first)) & set(ids(second))
    assert [placed.position for placed in second.placed] == list(range(20, 40))


def test_what_is_gone_meanwhile_leaves_gaps_only(site: Site) -> None:
    made = [site.add() for _ in range(60)]
    first = site.home(limit=20)
    second = site.home(bookmark=first.bookmark, limit=20)
    hidden, deleted, *stays = ids(second)
    site.hide(site.bob, next(pin for pin in made if pin.id == hidden))
    with site.engines.database.write() as conn:
        pins.delete(conn, deleted)
    assert ids(site.home(bookmark=first.bookmark, limit=20)) == stays


def test_a_chain_of_lists_shows_everything_once_and_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bowerbird.feed.compose.MOST", 30)
    monkeypatch.setattr("bowerbird.feed.compose.FEW", 20)
    made = [site.add() for _ in range(150)]
    pages = site.scroll(limit=12)
    assert sorted(ids(*pages)) == [pin.id for pin in made]
    assert len({each.request for each in pages}) > 3
    again = site.home(bookmark=pages[3].bookmark, limit=12)
    assert again == pages[4]


def test_a_bookmark_is_its_owners_alone(site: Site) -> None:
    for _ in range(60):
        site.add()
    first = site.home(limit=20)
    eve = site.user("eve")
    stolen = site.home(eve, first.bookmark, limit=20)
    assert stolen.request != first.request
    assert [placed.position for placed in stolen.placed] == list(range(20))


@pytest.mark.parametrize("bookmark", ["", ".", "abc", "abc.", ".5", "abc.-1", "abc.٣", "ä.1", "a" * 60 + ".1", "a.1.2"])
def test_what_is_no_bookmark_is_refused(site: Site, bookmark: str) -> None:
    with pytest.raises(ValueError, match="no bookmark"):
        site.home(bookmark=bookmark)


def test_one_that_is_forgotten_begins_anew(site: Site) -> None:
    made = [site.add() for _ in range(8)]
    assert set(ids(site.home(bookmark="deadbeef.40"))) == {pin.id for pin in made}


def test_own_and_saved_pictures_do_not_come(site: Site) -> None:
    own = [site.add(user_id=site.bob) for _ in range(5)]
    saved = [site.add() for _ in range(5)]
    others = [site.add() for _ in range(5)]
    site.board(site.bob, pins=saved)
    assert set(ids(*site.scroll())) == {pin.id for pin in others}
    assert set(ids(*site.scroll(site.ada))) == {pin.id for pin in own}


def test_who_has_it_all_is_shown_it(site: Site) -> None:
    own = [site.add(user_id=site.bob) for _ in range(5)]
    assert ids(*site.scroll(limit=2)) == [pin.id for pin in reversed(own)]


def test_who_has_it_all_can_hide_some_of_it(site: Site) -> None:
    own = [site.add(user_id=site.bob) for _ in range(9)]
    site.taste(site.bob, hidden=tuple(Action("hide", pin.id, pin.image.id, NOW) for pin in own[3:7]))
    left = [pin.id for pin in reversed([*own[:3], *own[7:]])]
    assert ids(site.home(limit=25)) == left
    assert ids(*site.scroll(limit=2)) == left


def test_of_someone_who_is_followed_it_is_not_said_that_their_board_is(site: Site) -> None:
    pin = site.add()
    site.board(site.ada, "Chairs", pins=[pin])
    with site.engines.database.write() as conn:
        follows.person(conn, site.bob, site.ada)
    told = {placed.reason.kind for placed in site.home().placed if placed.source == "followed"}
    assert told <= {"follow", "person"}
    assert told


def test_hidden_goes_with_its_like_at_once(site: Site) -> None:
    style = site.direction()
    alike = [site.add(site.direction((style, 0.95))) for _ in range(12)]
    others = [site.add() for _ in range(40)]
    first = site.home(limit=20)
    site.hide(site.bob, alike[0])
    on_first = {pin.id for pin in alike} & set(ids(first))
    assert on_first
    for shown in (site.home(bookmark=f"{first.request}.0", limit=60), *site.scroll()):
        assert not {pin.id for pin in alike} & set(ids(shown))
    assert {pin.id for pin in others} == set(ids(*site.scroll()))


def test_hidden_as_seen_already_takes_only_itself(site: Site) -> None:
    style = site.direction()
    alike = [site.add(site.direction((style, 0.92))) for _ in range(5)]
    site.hide(site.bob, alike[0], reason="seen")
    assert set(ids(*site.scroll())) == {pin.id for pin in alike[1:]}


def test_shown_too_often_comes_last(site: Site) -> None:
    old = [site.add() for _ in range(20)]
    new = [site.add() for _ in range(80)]
    site.shown(site.bob, 5, old)
    site.trend(old)
    order = ids(*site.scroll())
    assert set(order[:80]) == {pin.id for pin in new}
    assert set(order[80:]) == {pin.id for pin in old}


def test_what_was_passed_by_once_waits_for_what_was_not_seen(site: Site) -> None:
    style = site.direction()
    liked = site.add(style, user_id=site.bob)
    passed = [site.add(site.direction((style, 0.9))) for _ in range(15)]
    unseen = [site.add(site.direction((style, 0.7))) for _ in range(15)]
    for _ in range(60):
        site.add()
    site.taste(site.bob, [liked])
    assert {pin.id for pin in passed} & set(ids(site.home(limit=15)))
    site.shown(site.bob, 1, passed)
    shown = site.home(limit=15)
    assert not {pin.id for pin in passed} & set(ids(shown))
    assert len({pin.id for pin in unseen} & set(ids(shown))) >= 12


def test_a_great_interest_counts_more_than_a_small_one_that_is_as_near(site: Site) -> None:
    great, small = site.direction(), site.direction()
    liked = [site.add(style, user_id=site.bob) for style in (great, small)]
    to_great, to_small = ([site.add(site.direction((style, 0.8))) for _ in range(30)] for style in (great, small))
    interests = [Interest(pin.image.id, share, (pin.id,)) for pin, share in zip(liked, (0.9, 0.1), strict=True)]
    actions = tuple(Action("save", pin.id, pin.image.id, NOW) for pin in liked)
    site.taste(site.bob, liked, actions=actions, interests=tuple(interests))
    table = tabulated(site, [*to_great, *to_small])
    taste = dict(zip(table.facts["pin_id"].tolist(), table.features[:, NAMES.index("taste")].tolist(), strict=True))
    least = min(taste[pin.id] for pin in to_great)
    assert all(taste[pin.id] < least for pin in to_small)
    assert np.isfinite(table.features).all()


def tabulated(site: Site, some: Sequence[Pin]) -> Table:
    """What ranking knows of these for bob."""
    known = site.engines.metadata.get(f"taste:{site.bob}")
    with site.engines.database.read() as conn:
        asked = Asked(site.feed, conn, site.bob, NOW, np.random.default_rng(1), msgspec.json.decode(known, type=Taste))
        facts = site.feed.lately.of_pins(conn, np.array([pin.id for pin in some]), site.bob)
        return tabulate(asked, facts, np.zeros((len(facts), len(SOURCES)), np.float32))


def test_near_duplicates_are_folded(site: Site) -> None:
    one = site.direction()
    twins = [site.add(site.direction((one, 0.995))) for _ in range(6)]
    for _ in range(70):
        site.add()
    assert len({pin.id for pin in twins} & set(ids(site.home(limit=100)))) == 1  # all that there is


def test_secret_things_never_show(site: Site) -> None:
    open_pin = site.add(title="open")
    secret = site.board(site.ada, secret=True)
    hidden = [site.add(board_id=secret.id) for _ in range(3)]
    for _ in range(10):
        site.add()
    site.trend([*hidden, open_pin])
    site.taste(site.bob, hidden)
    seen = site.scroll()
    assert not {pin.id for pin in hidden} & set(ids(*seen))
    told = [placed.reason for each in seen for placed in each.placed]
    assert all(reason.pin is None for reason in told if reason.kind in {"saved", "liked"})
    assert {reason.kind for reason in told} & {"look"}


def test_a_board_that_turns_secret_is_named_no_more(site: Site) -> None:
    made = [site.add() for _ in range(6)]
    board = site.board(site.ada, "Plans", pins=made)
    site.board(site.ada, "Other", pins=made)  # else the pins themselves would turn secret
    with site.engines.database.write() as conn:
        follows.board(conn, site.bob, board.id)
    first = site.home()
    assert sources(first)["followed"] == 6
    assert {placed.reason.board and placed.reason.board.name for placed in first.placed} == {"Plans"}
    with site.engines.database.write() as conn:
        boards.update(conn, board.id, site.ada, secret=True)
    again = site.home(bookmark=f"{first.request}.0")
    assert again.placed
    assert all(placed.reason.board is None for placed in again.placed)


def test_served_features_are_logged(site: Site) -> None:
    for _ in range(10):
        site.add()
    first = site.home()
    assert site.engines.events.end() == 0  # a page waits for no disk
    served.flush(site.feed)
    served.flush(site.feed)
    (event,) = site.engines.events.read(0)
    assert (event.kind, event.user_id) == (served.SERVED, site.bob)
    assert event.data["request"] == first.request
    assert event.data["pins"] == ids(first)


def test_a_taste_that_cannot_be_read_is_none(site: Site) -> None:
    site.add()
    site.engines.metadata.put(f"taste:{site.bob}", b'{"actions": 5}')
    assert len(site.home().placed) == 1


def test_actions_with_pins_that_never_were(site: Site) -> None:
    made = site.add()
    strange = tuple(Action("save", 10**12 + n, -5 if n % 2 else 10**12 + n, NOW * 2) for n in range(20))
    site.put(f"taste:{site.bob}", Taste(actions=strange, hidden=strange))
    assert ids(site.home()) == [made.id]


class Away:
    """An engine that cannot be reached."""

    dim = 256

    def __getattr__(self, name: str) -> object:
        def refuse(*_: object, **__: object) -> object:
            raise Unavailable("away")

        return refuse

    def __len__(self) -> int:
        raise Unavailable("away")


@pytest.mark.parametrize("away", [("metadata",), ("looks",), ("events",), ("metadata", "looks", "events", "colours")])
def test_with_stores_away_there_is_a_feed(site: Site, away: tuple[str, ...]) -> None:
    made = [site.add() for _ in range(30)]
    site.taste(site.bob, made[:2])
    site.feed.engines = site.engines._replace(**dict.fromkeys(away, Away()))
    pages = site.scroll(limit=10)
    assert set(ids(*pages)) == {pin.id for pin in made}


def test_a_hidden_picture_is_hidden_as_another_persons_pin_too(site: Site) -> None:
    """Also one that looks like nothing that is known."""
    taste = Taste(hidden=(Action("hide", 10**6, 10**7, NOW),))
    items = [Item(2, 10**7, "walk", Why("new"), b""), Item(3, 10**7 + 1, "walk", Why("new"), b"")]
    assert placing._hidden(site.feed, taste, items) == {10**6, 2}
