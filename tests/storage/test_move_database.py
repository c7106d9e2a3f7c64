"""Relations arrive as they were, through every dialect and back."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
import sqlalchemy as sa

from bowerbird.adapters.database.sqlite import SqliteDatabase
from bowerbird.catalog import ids, pins, schema, users, words
from bowerbird.catalog.tables import metadata as tables
from bowerbird.ports import Database
from bowerbird.storage.move import Differs, database
from tests.contracts.test_database import ENGINES
from tests.storage.conftest import Interrupted, after, opened, told

TEXTS = ("", "plain", "Ä Ö ü", "日本語の庭", "🐦‍⬛ bower", 'it\'s 100% \\ "quoted"; DROP', "e\u0301", "x" * 200)


def catalog(folder: Path) -> SqliteDatabase:
    made = SqliteDatabase(folder / "catalog.db")
    schema.upgrade(made)
    return made


def fill(into: Database, people: int = 40, pictures: int = 120) -> None:
    """Every table, with names that differ by case and accent only, odd texts and times to the last bit."""
    chance = random.Random(4)
    now = 1_700_000_000.123456

    def text() -> str:
        return chance.choice(TEXTS)

    def rows(table: str, some: Iterable[dict[str, object]]) -> None:
        conn.execute(sa.insert(tables.tables[table]), list(some))

    with into.write() as conn:
        rows(
            "users",
            (
                {
                    "id": n,
                    "username": ("ann", "änn", "ann\u00e9e", "anne\u0301e")[n] if n < 4 else f"user{n}",
                    "name": text()[:80],
                    "about": text(),
                    "role": "admin" if n == 1 else "user",
                    "password": "hash",
                    "disabled": n % 3 == 0,
                    "created_at": now + n / 3,
                }
                for n in range(1, people)
            ),
        )
        rows(
            "images",
            (
                {
                    "id": n,
                    "sha256": f"{n:064x}",
                    "media": f"{n:040x}",
                    "state": "ready",
                    "step": "",
                    "error": "",
                    "bytes": 2**40 + n,
                    "tags": "bird garden" if n % 2 else "",
                    "created_at": now + 1 / n,
                    "touched_at": now + n**0.5,
                    "original": f"originals/{n}-{n:x}" if n % 3 else "",
                }
                for n in range(1, pictures)
            ),
        )
        rows("remains", ({"image_id": 10**6 + n, "media": f"{n:040x}", "original": f"originals/{n}"} for n in (1, 2)))
        rows(
            "pins",
            (
                {
                    "id": n,
                    "user_id": 1 + n % (people - 1),
                    "image_id": n,
                    "title": text(),
                    "description": text() * 3,
                    "link": "",
                    "alt": text(),
                    "secret": n % 7 == 0,
                    "ready": True,
                    "saves": 0,
                    "created_at": now + n * 1e-6,
                }
                for n in range(1, pictures)
            ),
        )
        rows(
            "boards",
            (
                {
                    "id": n,
                    "user_id": n,
                    "name": f"Board {text()}"[:80],
                    "slug": f"board-{n}",
                    "description": text(),
                    "secret": n % 5 == 0,
                    "created_at": now,
                }
                for n in range(1, people)
            ),
        )
        rows(
            "saves",
            (
                {"board_id": board, "pin_id": pin, "user_id": board, "saved_at": now + pin / 7}
                for board in range(1, people)
                for pin in chance.sample(range(1, pictures), 15)
            ),
        )
        rows("members", ({"board_id": n, "user_id": n + 1, "created_at": now} for n in range(1, people - 1)))
        rows("follows", ({"follower_id": n, "user_id": n + 1, "created_at": now} for n in range(1, people - 1)))
        rows("board_follows", ({"follower_id": n + 1, "board_id": n, "created_at": now} for n in range(1, people - 1)))
        rows(
            "sessions",
            ({"id": f"{n:064x}", "user_id": n, "csrf": "c", "created_at": now, "expires_at": now} for n in range(1, 9)),
        )
        rows(
            "tokens",
            (
                {
                    "id": n,
                    "user_id": n,
                    "name": text()[:80],
                    "hash": f"{n:064x}",
                    "scopes": "read",
                    "created_at": now,
                    "expires_at": now,
                    "used_at": 0.0,
                }
                for n in range(1, 9)
            ),
        )
        rows(
            "fetches",
            (
                {
                    "id": n,
                    "user_id": 1,
                    "url": "https://example.org/ü",
                    "form": '{"title": "ü"}' * n,
                    "state": "pending",
                    "error": "",
                    "pin_id": None if n % 2 else n,
                    "created_at": now,
                    "touched_at": now,
                }
                for n in range(1, 9)
            ),
        )
        words.refresh(conn, range(1, pictures))


def everything(of: Database) -> dict[str, list[tuple[object, ...]]]:
    with of.read() as conn:
        return {
            table.name: [tuple(row) for row in conn.execute(sa.select(table).order_by(*table.primary_key.columns))]
            for table in tables.sorted_tables
        }


def test_round_all_dialects_and_back(tmp_path: Path) -> None:
    """SQLite, PostgreSQL, MariaDB, SQLite: each row to the last bit, each word found, each number once."""
    first = catalog(tmp_path / "first")
    fill(first)
    wanted, last = everything(first), first
    for number, engine in enumerate(("postgres", "mysql", "sqlite")):
        target: Database = opened(ENGINES, engine, tmp_path / str(number))
        schema.upgrade(target)
        database.move(last, target, told)
        assert everything(target) == wanted
        with target.read() as conn:
            assert {pin for pin, _, _ in words.find(conn, "garden", 3, 200)}
        last.close()
        last = target
    with last.write() as conn:
        assert users.create(conn, "next", "hash").id == 40
    last.close()


def test_every_row_arrives_as_it_was(tmp_path: Path) -> None:
    source, target = catalog(tmp_path / "a"), catalog(tmp_path / "b")
    fill(source)
    assert database.empty(target)
    moved = {each.what: each.number for each in database.move(source, target, told)}
    assert everything(target) == everything(source)
    assert moved["saves"] == 39 * 15
    assert not database.empty(target)


def test_what_is_found_by_words_is_found_there(tmp_path: Path) -> None:
    source, target = catalog(tmp_path / "a"), catalog(tmp_path / "b")
    fill(source)
    database.move(source, target, told)
    for text in ("日本語", "bower", "garden", "plain bird"):
        with source.read() as here, target.read() as there:
            assert words.find(here, text, 3, 50) == words.find(there, text, 3, 50) != []


def test_interrupted_anywhere_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BATCH", 50)
    source, target = catalog(tmp_path / "a"), catalog(tmp_path / "b")
    fill(source)
    tries = 0
    while True:
        tries += 1
        try:
            database.move(source, target, after(3 * tries))
            break
        except Interrupted:
            pass
    assert tries > 3
    assert everything(target) == everything(source)


def test_a_number_given_once_is_given_to_nothing_else(tmp_path: Path) -> None:
    source, target = catalog(tmp_path / "a"), catalog(tmp_path / "b")
    fill(source)
    with source.write() as conn:
        pins.delete(conn, 119)
        conn.execute(sa.delete(tables.tables["images"]).where(tables.tables["images"].c.id == 119))
    database.move(source, target, told)
    with target.write() as conn:
        images = tables.tables["images"]
        assert ids.highest(conn, images) == 119
        row = {
            "sha256": "f" * 64,
            "media": "f" * 40,
            "state": "pending",
            "bytes": 1,
            "created_at": 0,
            "touched_at": 0,
        }
        assert conn.execute(sa.insert(images).values(**row)).inserted_primary_key == (120,)
        assert users.create(conn, "next", "hash").id == 40


def test_a_source_that_goes_on_changing_is_noticed(tmp_path: Path) -> None:
    source, target = catalog(tmp_path / "a"), catalog(tmp_path / "b")
    fill(source)
    with pytest.raises(Interrupted):
        database.move(source, target, after(3))
    with source.write() as conn:
        conn.execute(sa.update(tables.tables["users"]).values(name="changed"))
    with pytest.raises(Differs, match="Is the service still running"):
        database.move(source, target, told)
