"""Users, sessions and tokens."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from bowerbird.catalog import Forbidden, NotFound, Taken, boards, follows, images, pins, sessions, tokens, users, words
from bowerbird.model import Role, Scope
from bowerbird.ports import Database
from tests.catalog.conftest import NOBODY, a_pin, a_user


def test_the_first_account_is_the_administrator(conn: Connection) -> None:
    assert [a_user(conn, name).role for name in ("ada", "bob", "cy")] == [Role.ADMIN, Role.USER, Role.USER]


def test_of_many_first_accounts_at_once_one_is_the_administrator(database: Database) -> None:
    start = threading.Barrier(8)

    def sign_up(number: int) -> None:
        start.wait()
        with database.write() as conn:
            users.create(conn, f"user{number}", "hash")

    threads = [threading.Thread(target=sign_up, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as conn:
        roles = [user.role for user in users.every(conn)]
    assert len(roles) == 8
    assert roles.count(Role.ADMIN) == 1


def test_a_username_is_taken_in_whatever_case(conn: Connection) -> None:
    a_user(conn, "ada")
    with pytest.raises(Taken, match="ada"):
        a_user(conn, " ADA ")
    assert users.count(conn) == 1
    found = users.password(conn, "Ada")
    assert found is not None
    assert found[1] == "hash"
    assert users.password(conn, "nobody") is None


@given(st.text(max_size=40))
def test_only_plain_usernames_are_taken(name: str) -> None:
    plain = users.USERNAME.fullmatch(name.strip().lower()) is not None
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_.-")
    lowered = name.strip().lower()
    by_hand = 2 <= len(lowered) <= 30 and set(lowered) <= allowed and lowered[0] not in "_.-"
    assert plain == by_hand


@pytest.mark.parametrize("name", ["", "a", "-ab", "a b", "ünal", "x" * 31, "a\n", "ab/c", "٣٣"])
def test_bad_usernames_are_refused(conn: Connection, name: str) -> None:
    with pytest.raises(ValueError, match="username"):
        a_user(conn, name)


def test_the_last_administrator_stays(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    for refused in (
        lambda: users.update(conn, ada.id, role=Role.USER),
        lambda: users.update(conn, ada.id, disabled=True),
        lambda: users.delete(conn, ada.id),
    ):
        with pytest.raises(Forbidden):
            refused()
    users.update(conn, bob.id, role=Role.ADMIN)
    assert users.update(conn, ada.id, role=Role.USER).role is Role.USER
    users.delete(conn, ada.id)
    users.delete(conn, bob.id)
    assert users.count(conn) == 0


def test_a_profile_can_be_changed(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    changed = users.update(conn, ada.id, name="Ada Łovelace 🌸", about="two\nlines")
    assert (changed.name, changed.about) == ("Ada Łovelace 🌸", "two\nlines")
    assert users.update(conn, ada.id, name=" ").name == "ada"
    with pytest.raises(ValueError, match="500"):
        users.update(conn, ada.id, about="x" * 501)
    with pytest.raises(NotFound):
        users.update(conn, NOBODY, name="x")


def test_a_user_goes_with_everything_and_leaves_no_trace(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    users.update(conn, bob.id, role=Role.ADMIN)
    board = boards.create(conn, ada.id, "Zebra")
    own, bobs = a_pin(conn, ada, "quagga", board.id), a_pin(conn, bob, "okapi")
    boards.save(conn, board.id, bobs.id, ada.id)
    cookie, _ = sessions.create(conn, ada.id, 1)
    secret, _ = tokens.create(conn, ada.id, "t", [Scope.READ], time.time() + 9)
    follows.person(conn, bob.id, ada.id)
    follows.board(conn, bob.id, board.id)
    before = pins.get(conn, bobs.id, None)
    assert before is not None
    assert before.saves == 1

    users.delete(conn, ada.id)
    after = pins.get(conn, bobs.id, None)
    assert after is not None
    assert after.saves == 0
    assert pins.get(conn, own.id, None) is None
    assert [image.id for image in images.orphans(conn)] == [own.image.id]
    assert sessions.get(conn, cookie) is None
    assert tokens.get(conn, secret) is None
    for word in ("quagga", "zebra"):
        assert words.find(conn, word, None, 9) == []
    assert conn.exec_driver_sql("SELECT count(*) FROM words").scalar() == 1
    for table in ("boards", "saves", "follows", "board_follows", "sessions", "tokens", "members"):
        assert conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


def test_a_session_lives_until_it_expires_or_ends(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    cookie, session = sessions.create(conn, ada.id, days=1)
    other, _ = sessions.create(conn, ada.id, days=1)
    old, _ = sessions.create(conn, ada.id, days=-1)
    assert sessions.get(conn, cookie) == (session, ada)
    assert session.id not in cookie
    assert sessions.get(conn, old) is None
    assert sessions.get(conn, cookie + "x") is None
    assert sessions.get(conn, "\ud800") is None
    assert sessions.sweep(conn) == 1
    sessions.delete_all(conn, ada.id, keep=session.id)
    assert sessions.get(conn, other) is None
    assert sessions.get(conn, cookie) is not None
    users.update(conn, a_user(conn, "bob").id, role=Role.ADMIN)
    users.update(conn, ada.id, disabled=True)
    assert sessions.get(conn, cookie) is None
    users.update(conn, ada.id, disabled=False)
    sessions.delete(conn, cookie)
    assert sessions.get(conn, cookie) is None


def test_the_cookie_and_the_token_are_stored_nowhere(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    cookie, _ = sessions.create(conn, ada.id, 1)
    secret, _ = tokens.create(conn, ada.id, "phone", [Scope.READ], time.time() + 60)
    for table in ("sessions", "tokens"):
        stored = str(conn.exec_driver_sql(f"SELECT * FROM {table}").all())
        assert cookie not in stored
        assert secret not in stored


def test_a_token_lives_until_it_expires_or_is_deleted(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    secret, token = tokens.create(conn, ada.id, "phone", [Scope.WRITE, Scope.READ], time.time() + 60)
    assert secret.startswith("bb_")
    assert tokens.get(conn, secret) == (token, ada)
    assert token.scopes == (Scope.READ, Scope.WRITE)
    tokens.used(conn, token.id)
    assert tokens.list_of(conn, ada.id)[0].used_at > 0
    with pytest.raises(NotFound):
        tokens.delete(conn, bob.id, token.id)
    tokens.delete(conn, ada.id, token.id)
    assert tokens.get(conn, secret) is None
    with pytest.raises(ValueError, match="scope"):
        tokens.create(conn, ada.id, "none", [], time.time() + 60)
    with pytest.raises(ValueError, match="future"):
        tokens.create(conn, ada.id, "old", [Scope.READ], time.time() - 1)
    short, _ = tokens.create(conn, ada.id, "short", [Scope.READ], time.time() + 0.05)
    time.sleep(0.06)
    assert tokens.get(conn, short) is None
