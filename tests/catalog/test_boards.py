"""Which boards a pin is on."""

from __future__ import annotations

from sqlalchemy import Connection

from bowerbird.catalog import boards
from tests.catalog.conftest import a_pin, a_user, statements


def test_a_pin_on_many_boards_names_the_newest_of_them(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    pin = a_pin(conn, ada)
    made = [boards.create(conn, ada.id, f"Board {n}", secret=n == 4) for n in range(6)]
    for board in made:
        boards.save(conn, board.id, pin.id, ada.id)
    assert [board.name for board in boards.holding(conn, pin.id, ada.id, 3)] == ["Board 5", "Board 4", "Board 3"]
    assert [board.name for board in boards.holding(conn, pin.id, bob.id, limit=3)] == ["Board 5", "Board 3", "Board 2"]
    assert len(boards.holding(conn, pin.id, ada.id)) == 6


def test_which_of_ones_own_boards_have_a_pin_is_asked_of_these_alone(conn: Connection) -> None:
    ada, bob = a_user(conn, "ada"), a_user(conn, "bob")
    pin = a_pin(conn, ada)
    secret, shared, empty = (boards.create(conn, ada.id, name, secret=True) for name in ("Secret", "Shared", "Empty"))
    boards.add_member(conn, shared.id, bob.id, ada.id)
    for board in (secret, shared, boards.create(conn, bob.id, "Other")):
        boards.save(conn, board.id, pin.id, board.user_id)
    mine = [board.id for board in boards.of_user(conn, ada.id, ada.id)]
    with statements(conn) as seen:
        assert boards.with_pin(conn, mine, pin.id) == {secret.id, shared.id}
    assert len(seen) == 1
    bobs = [board.id for board in boards.of_user(conn, bob.id, bob.id)]
    assert boards.with_pin(conn, bobs, pin.id) == {board.id for board in boards.holding(conn, pin.id, bob.id)}
    assert boards.with_pin(conn, [empty.id], pin.id) == boards.with_pin(conn, [], pin.id) == set()
