"""Seeding a real, empty service: all there, once, however often it is run or stopped."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import argon2
import pytest
import sqlalchemy as sa

from bowerbird import wiring
from bowerbird.catalog import boards, pins, tables, users, words
from bowerbird.demo import seed as seeding
from bowerbird.demo.paint import STYLES, Painting, gallery, paint
from bowerbird.demo.people import DEMO, PEOPLE
from bowerbird.model import Role
from bowerbird.ports import Engines
from bowerbird.settings import load

FEW = tuple(next(p for p in gallery()[30:] if p.style == style) for style in STYLES)


@cache
def small(painting: Painting) -> bytes:
    return paint(painting, width=32)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    opened = wiring.connect(load({}, data=tmp_path / "data"))
    yield opened
    opened.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small gallery of small paintings, painted in this process."""
    monkeypatch.setattr(seeding, "gallery", lambda: FEW)
    monkeypatch.setattr(seeding, "_painted", lambda todo: ((p, small(p)) for p in todo))


def counted(engines: Engines) -> dict[str, int]:
    with engines.database.read() as conn:
        every = (tables.users, tables.boards, tables.pins, tables.images, tables.saves, tables.follows)
        return {table.name: conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in every}


@pytest.mark.usefixtures("few")
def test_seed(engines: Engines):
    told = []
    login = seeding.seed(engines, lambda *step: told.append(step))
    first = counted(engines)
    assert first["pins"] == first["images"] == len(FEW)
    assert first["users"] == len(PEOPLE) + 1
    assert first["saves"] > 5 * len(FEW)
    assert engines.queue.depth() == len(FEW)
    assert told[0][0] == "Painting" and told[-1] == ("Saving", 41, 41)

    with engines.database.read() as conn:
        demo, hashed = users.password(conn, login.username) or pytest.fail("no demo account")
        assert demo.role is Role.ADMIN
        assert argon2.PasswordHasher().verify(hashed, login.password)
        assert len(boards.of_user(conn, demo.id, demo.id)) >= 3
        assert len(boards.of_user(conn, demo.id, None)) < len(boards.of_user(conn, demo.id, demo.id))
        first_pin, last_pin = (conn.scalar(sa.select(f(tables.pins.c.created_at))) for f in (sa.func.min, sa.func.max))
        assert 300 * 86400 < last_pin - first_pin < 366 * 86400
        early = (
            sa.select(tables.saves).join(tables.pins).where(tables.saves.c.saved_at < tables.pins.c.created_at - 0.01)
        )
        assert not conn.execute(early).all()
        # On open boards only, as the catalog counts them.
        assert all(pin.saves >= 0 for pin in pins.get_many(conn, range(1, 20), None).values())

    assert seeding.seed(engines) == login
    assert counted(engines) == first


@pytest.mark.usefixtures("few")
def test_words_find_paintings(engines: Engines):
    seeding.seed(engines)
    with engines.database.write() as conn:
        conn.execute(sa.update(tables.pins).values(ready=sa.true()))
        found = words.find(conn, "mountain ridges", None, 20)
        titles = pins.get_many(conn, [pin_id for pin_id, _, _ in found], None)
    ranges = {p.title for p in FEW if p.style == "ranges"}
    assert ranges and ranges <= {pin.title for pin in titles.values()}


@pytest.mark.usefixtures("few")
def test_goes_on_where_it_was_stopped(engines: Engines, monkeypatch: pytest.MonkeyPatch):
    class Stopped(Exception):
        pass

    def stop(what: str, done: int, of: int) -> None:
        if done == 7:
            raise Stopped

    with pytest.raises(Stopped):
        seeding.seed(engines, stop)
    halfway = counted(engines)
    assert 0 < halfway["pins"] < len(FEW)
    painted = []
    monkeypatch.setattr(seeding, "_painted", lambda todo: ((p, painted.append(p) or small(p)) for p in todo))
    seeding.seed(engines)
    assert counted(engines)["pins"] == len(FEW)
    assert len(painted) == len(FEW) - 7


@pytest.mark.usefixtures("few")
def test_what_was_deleted_stays_deleted(engines: Engines):
    def stop(what: str, done: int, of: int) -> None:
        if what == "Saving":
            raise InterruptedError

    with pytest.raises(InterruptedError):
        seeding.seed(engines, stop)
    with engines.database.write() as conn:
        pins.delete(conn, 3)
    seeding.seed(engines)
    assert counted(engines)["pins"] == len(FEW) - 1


def test_painters_in_processes_of_their_own():
    todo = [painting for painting in gallery() if painting.style in ("poster", "tartan")][:3]
    assert [(p, data[:2]) for p, data in seeding._painted(todo)] == [(p, b"\xff\xd8") for p in todo]


def test_photos_of_ones_own(engines: Engines, tmp_path: Path):
    folder = tmp_path / "Holidays"
    (folder / "Norway").mkdir(parents=True)
    for n, painting in enumerate(FEW[:5]):
        where = folder / "Norway" if n < 2 else folder
        (where / f"picture {n}.jpg").write_bytes(small(painting))
    login = seeding.from_photos(engines, folder)
    assert login.username == DEMO.username
    with engines.database.write() as conn:
        conn.execute(sa.update(tables.pins).values(ready=sa.true()))
    with engines.database.read() as conn:
        demo = users.by_name(conn, "demo")
        assert demo is not None
        assert {b.name: b.pin_count for b in boards.of_user(conn, demo.id, None)} == {"Norway": 2, "Holidays": 3}
    before = counted(engines)
    assert seeding.from_photos(engines, folder) == login
    assert counted(engines) == before
