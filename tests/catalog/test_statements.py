"""What the walls cost: few statements, each by an index."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import boards, facts, fetches, images, pins, tables
from bowerbird.ports import Database
from tests.catalog.conftest import a_pin, a_user, statements


def test_a_wall_takes_few_statements(conn: Connection) -> None:
    ada = a_user(conn, "ada")
    made = [a_pin(conn, ada) for _ in range(30)]
    for number in range(3):
        board = boards.create(conn, ada.id, f"Board {number}")
        for pin in made:
            boards.save(conn, board.id, pin.id, ada.id)
    with statements(conn) as seen:
        assert len(pins.newest(conn, ada.id)) == 25
        assert len(pins.for_images(conn, [pin.image.id for pin in made], ada.id)) == 30
        assert len(pins.of_board(conn, board.id, ada.id)) == 25
        assert len(seen) == 3
        listed = boards.of_user(conn, ada.id, None)
        assert len(seen) == 6
    assert [(board.pin_count, len(board.covers)) for board in listed] == [(30, 5)] * 3
    assert listed[0].covers == tuple(pin.image.media for pin in made[:-6:-1])


def _plan(conn: Connection, statement: str, parameters: Any) -> tuple[list[str], bool]:
    """Tables that it goes through from end to end, and whether it sorts."""
    match conn.dialect.name:
        case "sqlite":
            steps = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            scans = [step for step in steps if step.startswith("SCAN") and not re.search(r"CONSTANT|\(|anon", step)]
            return scans, any("ORDER BY" in step for step in steps)
        case "postgresql":
            # As if the tables were large: these are best scanned and sorted.
            for cheap in ("seqscan", "bitmapscan", "sort"):
                conn.exec_driver_sql(f"SET LOCAL enable_{cheap} = off")
            steps = [row[0] for row in conn.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
            return [step for step in steps if "Seq Scan" in step], any("Sort" in step for step in steps)
        case _:
            rows = conn.exec_driver_sql(f"EXPLAIN {statement}", parameters).all()
            scans = [str(row) for row in rows if row.type in ("ALL", "index") and "<" not in row.table]
            return scans, any("filesort" in row.Extra for row in rows)


@pytest.fixture
def crowd(fresh: Database) -> Database:
    """As many rows as make an index worth its while: 60 people, 120 boards, 3,000 pins, 6,000 saves."""
    with fresh.write() as conn:
        now = {"created_at": 1.0}
        people = [{"username": f"user{n}", "name": "", "role": "user", "password": "", **now} for n in range(60)]
        conn.execute(sa.insert(tables.users), people)
        owners = conn.scalars(sa.select(tables.users.c.id)).all()
        named = [{"user_id": n, "name": name, "slug": name, **now} for n in owners for name in ("blue", "red")]
        conn.execute(sa.insert(tables.boards), named)
        shown = {"state": "ready", "bytes": 1, "touched_at": 1.0, **now}
        conn.execute(sa.insert(tables.images), [{"sha256": str(n), "media": str(n), **shown} for n in range(3000)])
        held = conn.scalars(sa.select(tables.images.c.id)).all()
        pinned = [{"user_id": owners[n % 60], "image_id": held[n], "ready": True, **now} for n in range(3000)]
        conn.execute(sa.insert(tables.pins), pinned)
        made, kept = (conn.scalars(sa.select(table.c.id)).all() for table in (tables.pins, tables.boards))
        saved = [{"board_id": kept[n % 120], "pin_id": made[n], "saved_at": n} for n in range(3000)]
        saved += [{**save, "board_id": kept[(n + 7) % 120]} for n, save in enumerate(saved)]
        conn.execute(sa.insert(tables.saves), [{"user_id": owners[0], **save} for save in saved])
    with fresh.write() as conn:
        analyze = {"sqlite": "", "postgresql": "ANALYZE", "mysql": "ANALYZE TABLE"}[conn.dialect.name]
        for table in tables.metadata.sorted_tables if analyze else ():
            conn.exec_driver_sql(f"{analyze} {table.name}")
    return fresh


def test_walls_use_their_indexes(crowd: Database) -> None:
    """A scan of a table would be slow at a million pins, and nobody would see it here."""
    with crowd.read() as conn, statements(conn) as seen:
        [board] = conn.execute(sa.select(tables.boards).limit(1))
        [*some] = conn.execute(sa.select(tables.pins).where(tables.pins.c.user_id == board.user_id).limit(20))
        del seen[:]
        for viewer in (None, board.user_id):
            pins.newest(conn, viewer, some[-1].id)
            pins.of_user(conn, board.user_id, viewer, some[-1].id)
            pins.of_board(conn, board.id, viewer, some[-1].id)
            pins.for_images(conn, [pin.image_id for pin in some], viewer)
            pins.get_many(conn, [pin.id for pin in some], viewer)
            pins.shown(conn, [pin.image_id for pin in some], viewer)
            facts.of_pins(conn, [pin.id for pin in some], viewer)
            facts.of_images(conn, [pin.image_id for pin in some], viewer)
            facts.named_boards(conn, [board.id], viewer)
            boards.of_user(conn, board.user_id, viewer)
            boards.holding(conn, some[-1].id, viewer)
        facts.had(conn, [pin.image_id for pin in some], board.user_id)
        facts.media(conn, [pin.image_id for pin in some])
        facts.on_boards(conn, [board.id], 5)
        facts.by_users(conn, [board.user_id], 5)
        images.pending(conn, 1.0, 9)
        fetches.pending(conn, 1.0, 9)
        asked = list(seen)
    assert len(asked) == 32
    for statement, parameters in asked:
        with crowd.read() as conn:
            scans, sorts = _plan(conn, statement, parameters)
        assert not scans, statement
        if statement.startswith("SELECT pins.") and "LIMIT" in statement and "JOIN saves" not in statement:
            assert not sorts, statement


def test_the_latest_of_many_boards_and_people_are_asked_for_together(crowd: Database) -> None:
    """More than go into one statement; each list is what a board and a person show alone."""
    with crowd.read() as conn:
        kept = conn.scalars(sa.select(tables.boards.c.id)).all()[:40]
        people = conn.scalars(sa.select(tables.users.c.id)).all()[:20]
        on_boards, by_users = facts.on_boards(conn, [*kept, 10**6], 6), facts.by_users(conn, people, 6)
        for board_id in kept:
            assert on_boards[board_id] == [pin.id for pin in pins.of_board(conn, board_id, None, limit=6)]
        for user_id in people:
            assert by_users[user_id] == [pin.id for pin in pins.of_user(conn, user_id, None, limit=6)]
        assert on_boards[10**6] == []


def test_a_picture_is_had_by_whichever_pin(crowd: Database) -> None:
    with crowd.read() as conn:
        [one] = conn.execute(sa.select(tables.saves).limit(1))
        saved = pins.by_ids(conn, [one.pin_id])[0]
        own = pins.of_user(conn, saved.user_id, None, limit=1)[0]
        asked = [saved.image.id, own.image.id, 10**6]
        assert facts.had(conn, asked, one.user_id) >= {saved.image.id}
        assert facts.had(conn, asked, saved.user_id) >= {saved.image.id, own.image.id}
        assert facts.had(conn, asked, 10**6) == set()
