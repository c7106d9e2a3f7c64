"""Images, pins, boards, saves and fetches."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, boards, fetches, images, pins, users, words
from bowerbird.catalog.boards import slug_of
from bowerbird.catalog.rows import clean
from bowerbird.catalog.tables import pins as pins_table
from bowerbird.model import State, media_name
from bowerbird.ports import Database
from tests.catalog.conftest import NOBODY, a_pin, a_user, an_image, opened
from tests.contracts.faults import Tell, together


def test_the_same_content_is_one_image(conn: Connection) -> None:
    sha256 = hashlib.sha256(b"x").hexdigest()
    image, created = images.accept(conn, sha256, 7)
    assert created
    assert (image.state, image.bytes, image.media) == (State.PENDING, 7, media_name(sha256))
    images.ready(conn, image.id, [])
    again, created = images.accept(conn, sha256, 7)
    assert not created
    assert (again.id, again.state) == (image.id, State.READY)
    assert images.by_sha256(conn, sha256) == images.by_media(conn, image.media) == images.by_id(conn, image.id) == again


def _upload(tell: Tell, engine: str, home: Path, user_id: int, number: int) -> None:
    database = opened(engine, home)
    with database.write() as conn:
        image, image_new = images.accept(conn, hashlib.sha256(b"race").hexdigest(), 1)
        _, pin_new = pins.create(conn, user_id, image.id, title=str(number))
    database.close()
    tell((image_new, pin_new))


def test_processes_that_accept_the_same_picture_at_once_make_one(engine: str, home: Path, database: Database) -> None:
    with database.write() as conn:
        ada = a_user(conn, "ada")
    answers = together(_upload, [(engine, home, ada.id, number) for number in range(3)])
    assert sorted(answers) == [[(False, False)]] * 2 + [[(True, True)]]
    with database.read() as conn:
        assert pins.count(conn) == sum(images.counts(conn).values()) == 1


def test_threads_that_save_the_same_pin_at_once_save_it_once(database: Database) -> None:
    with database.write() as conn:
        ada = a_user(conn, "ada")
        pin, board = a_pin(conn, ada), boards.create(conn, ada.id, "Board")
    start, new = threading.Barrier(6), []

    def save() -> None:
        start.wait()
        with database.write() as conn:
            new.append(boards.save(conn, board.id, pin.id, ada.id))

    threads = [threading.Thread(target=save) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new) == [False] * 5 + [True]
    with database.read() as conn:
        assert [found.saves for found in pins.newest(conn, None)] == [1]


def test_a_picture_goes_from_pending_to_an_end_and_back(conn: Connection) -> None:
    image = an_image(conn, ready=False)
    pin, _ = pins.create(conn, a_user(conn, "ada").id, image.id)
    assert [p.id for p in pins.mine_unfinished(conn, pin.user_id)] == [pin.id]
    assert [i.id for i in images.pending(conn, time.time() + 1, 9)] == [image.id]
    assert images.pending(conn, time.time() - 60, 9) == []
    images.failed(conn, image.id, "decode", "It is\x00 cut off " + "x" * 900)
    failed = images.by_ids(conn, [image.id])[image.id]
    assert (failed.state, failed.step) == (State.FAILED, "decode")
    assert failed.error.startswith("It is cut off x")
    assert images.pending(conn, time.time() + 1, 9) == pins.newest(conn, None) == []
    assert len(pins.mine_unfinished(conn, pin.user_id)) == 1
    images.reset(conn, image.id)
    images.touch(conn, [image.id])
    images.ready(conn, image.id, [f"tag{n}" for n in range(500)])
    assert [p.image.state for p in pins.newest(conn, None)] == [State.READY]
    assert pins.mine_unfinished(conn, pin.user_id) == []
    assert images.counts(conn) == {State.PENDING: 0, State.READY: 1, State.FAILED: 0}
    for turn in (
        lambda: images.ready(conn, NOBODY, []),
        lambda: images.failed(conn, NOBODY, "s", "e"),
        lambda: images.reset(conn, NOBODY),
    ):
        with pytest.raises(NotFound):
            turn()


def test_an_image_that_a_pin_shows_is_not_deleted(conn: Connection) -> None:
    pin = a_pin(conn, a_user(conn, "ada"))
    assert images.orphans(conn) == []
    assert not images.delete(conn, pin.image.id)
    assert pins.delete(conn, pin.id) == pin.image.id
    assert [image.id for image in images.orphans(conn)] == [pin.image.id]
    assert images.delete(conn, pin.image.id)
    assert an_image(conn).id > pin.image.id  # an id is never used again
    with pytest.raises(NotFound):
        pins.delete(conn, pin.id)


def test_every_image_comes_in_pages(conn: Connection) -> None:
    made = [an_image(conn).id for _ in range(7)]
    first = images.every(conn, limit=4)
    assert [i.id for i in first + images.every(conn, first[-1].id, 4)] == made
    assert images.ready_ids(conn).tolist() == made


def test_the_same_picture_from_one_person_is_one_pin(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    image, board = an_image(conn), boards.create(conn, ada.id, "Board")
    pin, created = pins.create(conn, ada.id, image.id, title="first")
    assert created
    again, created = pins.create(conn, ada.id, image.id, title="second", board_id=board.id)
    assert not created
    assert (again.id, again.title, again.saves) == (pin.id, "first", 1)
    other, created = pins.create(conn, a_user(conn, "bob").id, image.id)
    assert created
    assert pins.for_images(conn, [image.id], None)[image.id].id == pin.id  # the oldest
    pins.delete(conn, pin.id)
    assert pins.for_images(conn, [image.id], None)[image.id].id == other.id
    with pytest.raises(NotFound):
        pins.create(conn, ada.id, NOBODY)
    with pytest.raises(NotFound):
        pins.create(conn, ada.id, image.id, board_id=NOBODY)


def test_words_of_a_pin_change(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    pin = a_pin(conn, ada, "quagga")
    changed = pins.update(conn, pin.id, ada.id, title=" Zoë’s \u202e café\x00 ", alt="a\r\nb")
    assert (changed.title, changed.alt) == ("Zoë’s \u202e café", "a\nb")
    assert words.find(conn, "quagga", None, 9) == []
    assert [found[0] for found in words.find(conn, "zoe cafe", None, 9)] == [pin.id]
    with pytest.raises(ValueError, match="secret"):
        pins.update(conn, pin.id, ada.id, secret="no")
    with pytest.raises(ValueError, match="200"):
        pins.update(conn, pin.id, ada.id, title="x" * 201)
    assert pins.update(conn, pin.id, ada.id) == changed


def _walked(page, limit: int) -> list[int]:  # type: ignore[no-untyped-def]
    found: list[int] = []
    bookmark = None
    while some := page(bookmark, limit):
        assert len(some) <= limit
        found += [pin.id for pin in some]
        bookmark = some[-1].id
    return found


@pytest.mark.parametrize("limit", [1, 3, 25])
def test_walls_come_in_pages_without_gaps_or_repeats(conn: Connection, limit: int) -> None:
    ada = a_user(conn, "ada")
    board = boards.create(conn, ada.id, "Board")
    made = [a_pin(conn, ada, ready=number % 4 != 0).id for number in range(12)]
    ready = [pin_id for number, pin_id in enumerate(made) if number % 4]
    for pin_id in sorted(made, key=lambda pin_id: (pin_id * 7) % 5):  # saved in another order
        boards.save(conn, board.id, pin_id, ada.id)
    assert _walked(lambda mark, n: pins.newest(conn, None, mark, n), limit) == ready[::-1]
    assert _walked(lambda mark, n: pins.of_user(conn, ada.id, ada.id, mark, n), limit) == ready[::-1]
    saved = _walked(lambda mark, n: pins.of_board(conn, board.id, None, mark, n), limit)
    assert saved == sorted(ready, key=lambda pin_id: ((pin_id * 7) % 5, pin_id))[::-1]


def test_a_board_page_goes_on_from_a_pin_that_has_left_it(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    board = boards.create(conn, ada.id, "Board")
    made = [a_pin(conn, ada, board_id=board.id).id for _ in range(5)]
    boards.unsave(conn, board.id, made[2], ada.id)
    assert [pin.id for pin in pins.of_board(conn, board.id, None, made[2], 9)] == made[1::-1]


@given(st.text(max_size=80))
def test_slugs_are_made_of_letters_digits_and_hyphens(name: str) -> None:
    slug = slug_of(name)
    assert slug
    assert all(c.isalnum() or c == "-" or c.isidentifier() or not c.isascii() for c in slug)
    assert "/" not in slug
    assert not slug.startswith("-")
    assert not slug.endswith("-")
    assert len(slug) <= 90
    assert slug == slug_of(slug)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Board!", "my-board"),
        ("Straße & Café", "strasse-café"),
        ("日本の庭", "日本の庭"),
        ("🌸🌸", "board"),
        ("../etc", "etc"),
        ("  a__b  ", "a-b"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_boards_of_one_name_get_numbered_slugs(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    assert [boards.create(conn, ada.id, "Blue_%").slug for _ in range(3)] == ["blue", "blue-2", "blue-3"]
    assert boards.create(conn, ada.id, "Blueish").slug == "blueish"
    assert boards.create(conn, bob.id, "blue").slug == "blue"
    assert boards.get_or_create(conn, ada.id, " Blue_% ").slug == "blue"
    assert boards.get_or_create(conn, ada.id, "New").slug == "new"
    with pytest.raises(ValueError, match="name"):
        boards.create(conn, ada.id, "\n\x00 ")
    with pytest.raises(ValueError, match="80"):
        boards.create(conn, ada.id, "x" * 81)


def test_what_belongs_to_somebody_who_has_gone_is_refused(conn: Connection) -> None:
    """Also where they went while this waited for its turn to write."""
    with pytest.raises(NotFound):
        boards.create(conn, 10**9, "Blue")
    ada = a_user(conn, "ada")
    assert [boards.create(conn, ada.id, name).slug for name in ("cafe", "café", "CAFÉ")] == ["cafe", "café", "café-2"]


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://www.example.org/a?b", "www.example.org"),
        ("http://[2001:db8::1]:80/", "2001:db8::1"),
        ("http://[photo", ""),
        ("http://\u2100.example/", ""),
        ("javascript:alert(1)", ""),
        ("//example.org/", ""),
        ("a shop", ""),
    ],
)
def test_a_link_is_a_web_address(conn: Connection, link: str, host: str) -> None:
    assert pins.host_of(link) == host
    ada = a_user(conn, "ada")
    pin = a_pin(conn, ada)
    if host:
        assert pins.update(conn, pin.id, ada.id, link=link).link == link
    else:
        with pytest.raises(ValueError, match="web address"):
            pins.update(conn, pin.id, ada.id, link=link)


def test_a_renamed_board_keeps_its_address_and_is_found_by_its_new_name(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    board = boards.create(conn, ada.id, "Zebra")
    pin = a_pin(conn, ada, board_id=board.id)
    boards.update(conn, board.id, ada.id, name="Okapi", description="d")
    found = boards.by_slug(conn, "Ada", "zebra", None)
    assert found is not None
    assert (found.name, found.description) == ("Okapi", "d")
    assert words.find(conn, "zebra", None, 9) == []
    assert [f[0] for f in words.find(conn, "okapi", None, 9)] == [pin.id]


def test_members_come_and_go(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    board = boards.create(conn, ada.id, "Board")
    assert boards.add_member(conn, board.id, bob.id, ada.id)
    assert not boards.add_member(conn, board.id, bob.id, ada.id)
    assert boards.members(conn, board.id) == [bob]
    assert [b.id for b in boards.of_user(conn, bob.id, None)] == [board.id]
    with pytest.raises(NotFound):
        boards.add_member(conn, board.id, NOBODY, ada.id)
    with pytest.raises(ValueError, match="owner"):
        boards.add_member(conn, board.id, ada.id, ada.id)
    assert boards.remove_member(conn, board.id, bob.id, ada.id)
    assert boards.members(conn, board.id) == []


@given(st.text())
def test_what_is_stored_is_clean(text: str) -> None:
    column = pins_table.c.description
    try:
        kept = clean(column, text)
    except ValueError as error:
        assert "2000" in str(error)
    else:
        assert kept == clean(column, kept)
        assert "\x00" not in kept
        kept.encode("utf-8")


def test_a_file_name_that_is_no_utf8_can_be_a_title(conn: Connection) -> None:
    pin = a_pin(conn, a_user(conn, "ada"), "caf\udce9.jpg")
    assert pin.title == "caf?.jpg"


def test_fetches(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    fetch = fetches.create(conn, ada.id, "https://example.org/a.jpg", {"title": "x", "board_id": 3})
    assert (fetch.state, fetch.form) == (State.PENDING, {"title": "x", "board_id": 3})
    assert fetches.pending(conn, time.time() + 1, 9) == [fetch] == fetches.of_user(conn, ada.id)
    fetches.touch(conn, [fetch.id])
    fetches.failed(conn, fetch.id, "too large")
    assert fetches.pending(conn, time.time() + 1, 9) == []
    pin = a_pin(conn, ada)
    fetches.done(conn, fetch.id, pin.id)
    done = fetches.get(conn, fetch.id)
    assert done is not None
    assert (done.state, done.pin_id, done.error) == (State.READY, pin.id, "")
    pins.delete(conn, pin.id)
    orphan = fetches.get(conn, fetch.id)
    assert orphan is not None
    assert orphan.pin_id is None
    assert fetches.sweep(conn, time.time() + 1) == 1
    assert fetches.get(conn, fetch.id) is None
    with pytest.raises(NotFound):
        fetches.failed(conn, NOBODY, "x")


def test_users_listing_is_stable(conn: Connection) -> None:
    made = [a_user(conn, f"user{n}") for n in range(3)]
    assert users.every(conn) == made
