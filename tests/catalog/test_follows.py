"""Following people and boards."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, boards, follows, pins, users
from bowerbird.catalog.tables import pins as pins_table
from bowerbird.catalog.tables import saves as saves_table
from tests.catalog.conftest import NOBODY, a_pin, a_user


def shown(conn: Connection, viewer: int, bookmark: int | None = None, limit: int = 25) -> list[int]:
    return [pin.id for pin in follows.wall(conn, viewer, bookmark, limit)]


def saved(conn: Connection, board_id: int, pin_id: int, user_id: int, at: float) -> None:
    boards.save(conn, board_id, pin_id, user_id)
    there = sa.and_(saves_table.c.board_id == board_id, saves_table.c.pin_id == pin_id)
    conn.execute(sa.update(saves_table).where(there).values(saved_at=at))


def test_following_people(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    assert follows.person(conn, ada.id, bob.id)
    assert not follows.person(conn, ada.id, bob.id)
    assert follows.follows_person(conn, ada.id, bob.id)
    assert not follows.follows_person(conn, bob.id, ada.id)
    assert not follows.follows_person(conn, None, ada.id)
    assert follows.people_of(conn, ada.id) == [bob.id]
    assert follows.counts(conn, ada.id) == (0, 1)
    assert follows.counts(conn, bob.id) == (1, 0)
    assert [user.username for user in follows.followers(conn, bob.id)] == ["ada"]
    assert [user.username for user in follows.following(conn, ada.id)] == ["bob"]
    users.update(conn, bob.id, disabled=True)
    assert follows.following(conn, ada.id) == []
    assert follows.unfollow_person(conn, ada.id, bob.id)
    assert not follows.unfollow_person(conn, ada.id, bob.id)
    with pytest.raises(ValueError, match="themselves"):
        follows.person(conn, ada.id, ada.id)
    with pytest.raises(NotFound):
        follows.person(conn, ada.id, NOBODY)


def test_following_boards(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    blue = boards.create(conn, ada.id, "Blue")
    assert follows.board(conn, bob.id, blue.id)
    assert not follows.board(conn, bob.id, blue.id)
    assert follows.follows_board(conn, bob.id, blue.id)
    assert follows.boards_of(conn, bob.id) == [blue.id]
    assert follows.board_followers(conn, blue.id) == 1
    assert follows.counts(conn, bob.id) == (0, 1)
    with pytest.raises(ValueError, match="own board"):
        follows.board(conn, ada.id, blue.id)
    assert follows.unfollow_board(conn, bob.id, blue.id)
    assert not follows.unfollow_board(conn, bob.id, blue.id)


def test_a_secret_board_is_not_followed_nor_told_of(conn: Connection) -> None:
    ada, bob, eve = (a_user(conn, name) for name in ("ada", "bob", "eve"))
    hidden = boards.create(conn, ada.id, "Hidden", secret=True)
    with pytest.raises(NotFound):
        follows.board(conn, bob.id, hidden.id)
    boards.add_member(conn, hidden.id, eve.id, ada.id)
    with pytest.raises(ValueError, match="secret"):
        follows.board(conn, eve.id, hidden.id)

    board = boards.create(conn, ada.id, "Open for now")
    pin = a_pin(conn, ada, board_id=board.id)
    follows.board(conn, bob.id, board.id)
    assert shown(conn, bob.id) == [pin.id]
    boards.update(conn, board.id, ada.id, secret=True)
    assert follows.boards_of(conn, bob.id) == []
    assert follows.counts(conn, bob.id) == (0, 0)
    assert shown(conn, bob.id) == []
    boards.update(conn, board.id, ada.id, secret=False)
    assert follows.boards_of(conn, bob.id) == [board.id]
    assert shown(conn, bob.id) == [pin.id]


def test_the_wall_has_what_followed_people_pin_and_keep(conn: Connection) -> None:
    me, ada, bob, eve = (a_user(conn, name) for name in ("me", "ada", "bob", "eve"))
    kept, hers = boards.create(conn, ada.id, "Kept"), boards.create(conn, bob.id, "Board")
    loose, mine, foreign = a_pin(conn, ada, "loose"), a_pin(conn, me, "mine"), a_pin(conn, eve, "foreign")
    on_board, unready = a_pin(conn, eve, "on board"), a_pin(conn, ada, "unready", ready=False)
    conn.execute(sa.update(pins_table).values(created_at=100.0))
    saved(conn, kept.id, foreign.id, ada.id, 200.0)
    saved(conn, kept.id, mine.id, ada.id, 250.0)
    saved(conn, hers.id, on_board.id, bob.id, 300.0)
    saved(conn, hers.id, loose.id, bob.id, 400.0)
    assert shown(conn, me.id) == []
    follows.person(conn, me.id, ada.id)
    assert shown(conn, me.id) == [foreign.id, loose.id]
    follows.board(conn, me.id, hers.id)
    assert shown(conn, me.id) == [loose.id, on_board.id, foreign.id]
    assert unready.id not in shown(conn, me.id)


def test_what_is_secret_of_someone_followed_stays_secret(conn: Connection) -> None:
    me, ada = a_user(conn, "me"), a_user(conn, "ada")
    hidden = boards.create(conn, ada.id, "Hidden", secret=True)
    a_pin(conn, ada, board_id=hidden.id)
    follows.person(conn, me.id, ada.id)
    assert shown(conn, me.id) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=12),
    size=st.integers(1, 5),
)
def test_page_by_page_is_the_whole_wall_in_order(conn: Connection, times: list[float], size: int) -> None:
    with conn.begin_nested() as attempt:
        me, ada = a_user(conn, "me"), a_user(conn, "ada")
        board = boards.create(conn, ada.id, "Board")
        made = {a_pin(conn, ada).id: at for at in times}
        conn.execute(sa.update(pins_table).values(created_at=0.0))
        for pin_id, at in made.items():
            saved(conn, board.id, pin_id, ada.id, at)
        follows.person(conn, me.id, ada.id)
        found: list[int] = []
        while page := shown(conn, me.id, found[-1] if found else None, size):
            found += page
        assert found == sorted(made, key=lambda pin_id: (-made[pin_id], -pin_id))
        assert pins.get_many(conn, found, me.id).keys() == made.keys()
        attempt.rollback()
