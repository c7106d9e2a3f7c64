"""Pictures asked for by URL, until their bytes are here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import NotFound
from bowerbird.catalog.rows import clean
from bowerbird.catalog.tables import fetches
from bowerbird.model import State

COLUMNS = (
    fetches.c.id,
    fetches.c.user_id,
    fetches.c.url,
    fetches.c.form,
    fetches.c.state,
    fetches.c.error,
    fetches.c.pin_id,
    fetches.c.created_at,
)


class Fetch(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    url: str
    form: dict[str, Any]
    """Of the pin to be made: title, description, link, alt, board_id."""
    state: State
    error: str
    pin_id: int | None
    created_at: float


def _of_row(row: Sequence[Any]) -> Fetch:
    id_, user_id, url, form, state, error, pin_id, created_at = row
    return Fetch(id_, user_id, url, json.loads(form), State(state), error, pin_id, created_at)


def create(conn: Connection, user_id: int, url: str, form: Mapping[str, Any]) -> Fetch:
    now = time.time()
    new = sa.insert(fetches).values(
        user_id=user_id,
        url=clean(fetches.c.url, url),
        form=json.dumps(dict(form)),
        state=State.PENDING.value,
        created_at=now,
        touched_at=now,
    )
    key = conn.execute(new).inserted_primary_key
    assert key is not None
    fetch = get(conn, key[0])
    assert fetch is not None
    return fetch


def get(conn: Connection, fetch_id: int) -> Fetch | None:
    row = conn.execute(sa.select(*COLUMNS).where(fetches.c.id == fetch_id)).first()
    return row and _of_row(row)


def of_user(conn: Connection, user_id: int, limit: int = 100) -> list[Fetch]:
    """Newest first."""
    theirs = sa.select(*COLUMNS).where(fetches.c.user_id == user_id).order_by(fetches.c.id.desc())
    return [_of_row(row) for row in conn.execute(theirs.limit(limit))]


def done(conn: Connection, fetch_id: int, pin_id: int) -> None:
    _turn(conn, fetch_id, state=State.READY.value, pin_id=pin_id, error="")


def failed(conn: Connection, fetch_id: int, error: str) -> None:
    """`error` says what was wrong, for the person who asked; cut at 500 characters."""
    _turn(conn, fetch_id, state=State.FAILED.value, error=clean(fetches.c.error, error[:500]))


def _turn(conn: Connection, fetch_id: int, **values: Any) -> None:
    turned = sa.update(fetches).where(fetches.c.id == fetch_id).values(touched_at=time.time(), **values)
    if not conn.execute(turned).rowcount:
        raise NotFound("There is no such fetch.")


def pending(conn: Connection, older_than: float, limit: int) -> list[Fetch]:
    """Pending ones last touched before the time `older_than`, the longest untouched first."""
    waiting = sa.select(*COLUMNS).where(fetches.c.state == State.PENDING.value, fetches.c.touched_at < older_than)
    return [_of_row(row) for row in conn.execute(waiting.order_by(fetches.c.touched_at, fetches.c.id).limit(limit))]


def touch(conn: Connection, fetch_ids: Iterable[int]) -> None:
    """Handed to the queue just now."""
    conn.execute(sa.update(fetches).where(fetches.c.id.in_(list(fetch_ids))).values(touched_at=time.time()))


def sweep(conn: Connection, before: float) -> int:
    """Forget the finished ones last touched before this time; how many."""
    finished = sa.and_(fetches.c.state != State.PENDING.value, fetches.c.touched_at < before)
    return conn.execute(sa.delete(fetches).where(finished)).rowcount
