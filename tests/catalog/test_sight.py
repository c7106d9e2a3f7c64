"""Who sees what: every viewer, pin and board, through every door."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import Connection

from bowerbird.catalog import Forbidden, NotFound, boards, images, pins, users, words
from bowerbird.model import Board, Pin, User
from tests.catalog.conftest import a_pin, a_user

VIEWERS = ("owner", "member", "stranger", "anonymous")


@dataclass
class Scene:
    viewers: dict[str, int | None]
    owner: User
    board: Board
    pin: Pin


@pytest.fixture(params=["open board", "secret board"])
def secret_board(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "secret board")


@pytest.fixture(params=["public pin", "secret pin"])
def secret_pin(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "secret pin")


@pytest.fixture
def scene(conn: Connection, secret_board: bool, secret_pin: bool) -> Scene:
    """A pin on a board that has a member."""
    owner, member, stranger = (a_user(conn, name) for name in ("owner", "member", "stranger"))
    board = boards.create(conn, owner.id, "Zebra", secret=secret_board)
    boards.add_member(conn, board.id, member.id, owner.id)
    if secret_pin:
        # Made secret on the owner's secret board, and then put on the other one by the member.
        hidden = boards.create(conn, owner.id, "Hideout", secret=True)
        boards.add_member(conn, hidden.id, member.id, owner.id)
        pin = a_pin(conn, owner, "quagga", hidden.id)
        boards.save(conn, board.id, pin.id, member.id)
        boards.remove_member(conn, hidden.id, member.id, owner.id)
    else:
        pin = a_pin(conn, owner, "quagga")
        boards.save(conn, board.id, pin.id, owner.id)
    found = pins.get(conn, pin.id, owner.id)
    assert found is not None
    assert found.secret == secret_pin
    ids: dict[str, int | None] = {"owner": owner.id, "member": member.id, "stranger": stranger.id, "anonymous": None}
    return Scene(ids, owner, board, found)


@pytest.mark.parametrize("who", VIEWERS)
def test_a_secret_pin_shows_to_its_owner_and_where_a_viewer_takes_part(
    conn: Connection, scene: Scene, secret_pin: bool, secret_board: bool, who: str
) -> None:
    viewer, pin, board, user_id = scene.viewers[who], scene.pin, scene.board, scene.owner.id
    sees_pin = not secret_pin or who in ("owner", "member")
    sees_board = not secret_board or who in ("owner", "member")

    assert (pins.get(conn, pin.id, viewer) is not None) == sees_pin
    assert (pin.id in pins.get_many(conn, [pin.id], viewer)) == sees_pin
    assert (pin.image.id in pins.for_images(conn, [pin.image.id], viewer)) == sees_pin
    assert (pin.id in [p.id for p in pins.newest(conn, viewer)]) == sees_pin
    assert (pin.id in [p.id for p in pins.of_user(conn, user_id, viewer)]) == sees_pin
    assert (pin.id in [p.id for p in pins.of_board(conn, board.id, viewer)]) == (sees_pin and sees_board)
    assert (pin.id in [p for p, _, _ in words.find(conn, "quagga", viewer, 9)]) == sees_pin

    assert (boards.get(conn, board.id, viewer) is not None) == sees_board
    assert (boards.by_slug(conn, "owner", "zebra", viewer) is not None) == sees_board
    listed = {b.id: b for b in boards.of_user(conn, user_id, viewer)}
    assert (board.id in listed) == sees_board
    assert (board.id in [b.id for b in boards.holding(conn, pin.id, viewer)]) == (sees_pin and sees_board)
    if sees_board:
        assert listed[board.id].pin_count == int(sees_pin)
        assert listed[board.id].covers == ((pin.image.media,) if sees_pin else ())


@pytest.mark.parametrize("who", VIEWERS)
def test_secret_boards_cannot_be_found_by_their_name(
    conn: Connection, scene: Scene, secret_pin: bool, secret_board: bool, who: str
) -> None:
    found = [pin_id for pin_id, _, _ in words.find(conn, "zebra", scene.viewers[who], 9)]
    sees_pin = not secret_pin or who in ("owner", "member")
    assert found == ([scene.pin.id] if sees_pin and not secret_board else [])


@pytest.mark.parametrize("who", VIEWERS)
def test_saves_on_secret_boards_are_not_counted(conn: Connection, scene: Scene, secret_board: bool, who: str) -> None:
    seen = pins.get(conn, scene.pin.id, scene.viewers[who])
    if seen is not None:
        assert seen.saves == int(not secret_board)


def test_media_are_public_if_a_pin_that_everyone_sees_shows_them(
    conn: Connection, scene: Scene, secret_pin: bool
) -> None:
    media, image_id = scene.pin.image.media, scene.pin.image.id
    assert images.is_public(conn, media) == (not secret_pin)
    other, created = pins.create(conn, a_user(conn, "other").id, image_id)
    assert created
    assert not other.secret
    assert images.is_public(conn, media)
    images.reset(conn, image_id)
    assert not images.is_public(conn, media)


def test_strangers_can_neither_save_to_a_board_nor_save_what_they_do_not_see(
    conn: Connection, scene: Scene, secret_pin: bool, secret_board: bool
) -> None:
    stranger = scene.viewers["stranger"]
    assert stranger is not None
    assert not boards.may_write(conn, scene.board.id, stranger)
    refused = NotFound if secret_board else Forbidden
    with pytest.raises(refused):
        boards.save(conn, scene.board.id, scene.pin.id, stranger)
    with pytest.raises(refused):
        boards.unsave(conn, scene.board.id, scene.pin.id, stranger)
    with pytest.raises(refused):
        pins.create(conn, stranger, scene.pin.image.id, board_id=scene.board.id)
    with pytest.raises(refused):
        boards.update(conn, scene.board.id, stranger, name="mine")
    with pytest.raises(refused):
        boards.delete(conn, scene.board.id, stranger)
    with pytest.raises(refused):
        boards.add_member(conn, scene.board.id, stranger, stranger)
    with pytest.raises(NotFound if secret_pin else Forbidden):
        pins.update(conn, scene.pin.id, stranger, title="mine")
    own = boards.create(conn, stranger, "Own")
    if secret_pin:
        with pytest.raises(NotFound):
            boards.save(conn, own.id, scene.pin.id, stranger)
    else:
        assert boards.save(conn, own.id, scene.pin.id, stranger)


def test_members_change_what_is_on_a_board_but_not_the_board(conn: Connection, scene: Scene) -> None:
    member = scene.viewers["member"]
    assert member is not None
    assert boards.may_write(conn, scene.board.id, member)
    with pytest.raises(Forbidden):
        boards.update(conn, scene.board.id, member, secret=False)
    with pytest.raises(Forbidden):
        boards.delete(conn, scene.board.id, member)
    assert boards.unsave(conn, scene.board.id, scene.pin.id, member)
    assert not boards.unsave(conn, scene.board.id, scene.pin.id, member)
    assert boards.remove_member(conn, scene.board.id, member, member)
    assert not boards.may_write(conn, scene.board.id, member)


@pytest.mark.parametrize("text", ["\x00", "ow\x00ner", "\ud800", "owner ", "zebra ", "%", "ówner", "Zebra", "x" * 3000])
def test_what_nobody_could_be_called_is_nowhere_found(conn: Connection, text: str) -> None:
    boards.create(conn, a_user(conn, "owner").id, "Zebra")
    assert boards.by_slug(conn, text, "zebra", None) is None
    assert boards.by_slug(conn, "owner", text, None) is None
    assert users.by_name(conn, f"{text}r") is None
    assert not images.is_public(conn, text)


def test_the_owner_publishes_a_secret_pin_by_saving_it_to_an_open_board(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    hidden, shown = boards.create(conn, ada.id, "Hidden", secret=True), boards.create(conn, ada.id, "Shown")
    pin = a_pin(conn, ada, "quagga", hidden.id)
    assert pin.secret
    assert pin.saves == 0
    boards.save(conn, shown.id, pin.id, ada.id)
    published = pins.get(conn, pin.id, None)
    assert published is not None
    assert published.saves == 1
    boards.unsave(conn, shown.id, pin.id, ada.id)
    assert pins.get(conn, pin.id, None) is not None  # what was public stays public


def test_a_board_that_turns_takes_its_owners_pins_with_it(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    board, other = boards.create(conn, ada.id, "Turning"), boards.create(conn, ada.id, "Other")
    boards.add_member(conn, board.id, bob.id, ada.id)
    alone, elsewhere, bobs = (a_pin(conn, user, "quagga") for user in (ada, ada, bob))
    for pin, user in ((alone, ada), (elsewhere, ada), (bobs, bob)):
        boards.save(conn, board.id, pin.id, user.id)
    boards.save(conn, other.id, elsewhere.id, ada.id)

    boards.update(conn, board.id, ada.id, secret=True)
    seen = pins.get_many(conn, [alone.id, elsewhere.id, bobs.id], None)
    assert set(seen) == {elsewhere.id, bobs.id}  # the one is open elsewhere, the other is not ada's to hide
    assert {pin.saves for pin in seen.values()} == {0, 1}
    assert words.find(conn, "turning", ada.id, 9) == []

    boards.update(conn, board.id, ada.id, secret=False)
    assert len(pins.get_many(conn, [alone.id, elsewhere.id, bobs.id], None)) == 3
    assert len(words.find(conn, "turning", None, 9)) == 3


def test_a_deleted_secret_board_publishes_nothing(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    board = boards.create(conn, ada.id, "Hidden", secret=True)
    pin = a_pin(conn, ada, "quagga", board.id)
    boards.delete(conn, board.id, ada.id)
    assert pins.get(conn, pin.id, None) is None
    assert pins.get(conn, pin.id, ada.id) is not None


def test_edges_are_of_open_boards(conn: Connection, scene: Scene, secret_board: bool) -> None:
    pin_ids, board_ids, image_ids = boards.edges(conn)
    expected = [] if secret_board else [(scene.pin.id, scene.board.id, scene.pin.image.id)]
    assert list(zip(pin_ids.tolist(), board_ids.tolist(), image_ids.tolist(), strict=True)) == expected
