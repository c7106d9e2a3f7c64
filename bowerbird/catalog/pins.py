"""Pins: one person's pictures, with their words."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from bowerbird.catalog import Forbidden, NotFound, images, saves, settle
from bowerbird.catalog.listed import listed
from bowerbird.catalog.rows import clean, insert_new
from bowerbird.catalog.sight import VIEWER, board_seen_by, pin_seen_by, viewer_of
from bowerbird.catalog.tables import Id, boards, pins, users
from bowerbird.catalog.tables import images as images_table
from bowerbird.catalog.tables import saves as saves_table
from bowerbird.model import Pin, State

seen_by = pin_seen_by

PIN = (
    pins.c.id,
    pins.c.user_id,
    users.c.username,
    pins.c.title,
    pins.c.description,
    pins.c.link,
    pins.c.alt,
    pins.c.secret,
    pins.c.created_at,
)
TEXTS = ("title", "description", "link", "alt")
WHOLE = sa.select(*PIN, pins.c.saves, *images.COLUMNS).select_from(
    pins.join(users, users.c.id == pins.c.user_id).join(images_table, images_table.c.id == pins.c.image_id)
)
BY_IDS = WHOLE.where(listed(pins.c.id))
IMAGES_OF = sa.select(pins.c.id, pins.c.image_id).where(listed(pins.c.id))


def _of_rows(rows: Iterable[Sequence[Any]]) -> list[Pin]:
    found = []
    for row in rows:
        image = images.of_row(row[len(PIN) + 1 :])
        found.append(Pin(*row[: len(PIN)], image, row[len(PIN)]))  # type: ignore[call-arg]
    return found


@cache
def _by_ids(anonymous: bool) -> Select[Any]:
    return WHOLE.where(listed(pins.c.id), pin_seen_by(None if anonymous else VIEWER))


def _oldest(anonymous: bool) -> Select[Any]:
    one = pins.alias()
    seen = pin_seen_by(None if anonymous else VIEWER, one)
    return sa.select(sa.func.min(one.c.id)).where(listed(one.c.image_id), seen).group_by(one.c.image_id)


@cache
def _by_images(anonymous: bool) -> Select[Any]:
    return WHOLE.where(pins.c.id.in_(_oldest(anonymous)))


@cache
def _shown(anonymous: bool) -> Select[Any]:
    if not anonymous:
        return sa.select(pins.c.id, pins.c.image_id, pins.c.secret).where(pins.c.id.in_(_oldest(False)))
    # An index holds all that this asks for.
    public = sa.select(sa.func.min(pins.c.id), pins.c.image_id, sa.false())
    return public.where(listed(pins.c.image_id), pins.c.secret == sa.false()).group_by(pins.c.image_id)


@cache
def _seen(anonymous: bool) -> Select[Any]:
    seen = pin_seen_by(None if anonymous else VIEWER)
    return sa.select(pins.c.id, pins.c.image_id, pins.c.secret).where(listed(pins.c.id), seen)


@cache
def _newest(anonymous: bool, of_user: bool, further: bool) -> Select[Any]:
    wall = WHOLE.where(pins.c.ready == sa.true(), pin_seen_by(None if anonymous else VIEWER))
    if of_user:
        wall = wall.where(pins.c.user_id == sa.bindparam("user_id"))
    if further:
        # Left to itself MariaDB reads all the newer ones too.
        wall = wall.with_hint(pins, f"FORCE INDEX ({'ix_pins_user' if of_user else 'ix_pins_wall'})", "mysql")
        wall = wall.where(pins.c.id < sa.bindparam("before_id"))
    return wall.order_by(pins.c.id.desc()).limit(sa.bindparam("limit", type_=sa.Integer))


@cache
def _on_board(anonymous: bool, further: bool) -> Select[Any]:
    viewer = None if anonymous else VIEWER
    board_id = sa.bindparam("board_id", type_=Id)
    order = (saves_table.c.saved_at, saves_table.c.pin_id)
    wall = (
        WHOLE.join(saves_table, saves_table.c.pin_id == pins.c.id)
        .join(boards, boards.c.id == saves_table.c.board_id)
        .where(saves_table.c.board_id == board_id, pins.c.ready == sa.true())
        .where(board_seen_by(viewer), pin_seen_by(viewer))
    )
    if further:
        last, pin = saves_table.alias(), pins.alias()
        mark = sa.bindparam("bookmark", type_=Id)
        saved = sa.select(last.c.saved_at).where(last.c.board_id == board_id, last.c.pin_id == mark).scalar_subquery()
        # The pin may have left the board since: it was made before it was saved, so go on from there.
        made = sa.select(pin.c.created_at).where(pin.c.id == mark).scalar_subquery()
        wall = wall.where(sa.tuple_(*order) < sa.tuple_(sa.func.coalesce(saved, made), mark))
    return wall.order_by(*(column.desc() for column in order)).limit(sa.bindparam("limit", type_=sa.Integer))


def create(
    conn: Connection,
    user_id: int,
    image_id: int,
    *,
    title: str = "",
    description: str = "",
    link: str = "",
    alt: str = "",
    board_id: int | None = None,
) -> tuple[Pin, bool]:
    """The user's pin of this image, and whether it is new; if not, its words stay as they are.

    It is saved to the board as well, and is secret if it is new and the board is. Raises `NotFound`,
    `Forbidden` if the user may not write to the board, and `ValueError` for words that are too long.
    """
    secret = board_id is not None and bool(saves.writable(conn, board_id, user_id).secret)
    # Locked where there are row locks: else it could become ready between these two statements.
    state = sa.select(images_table.c.state).where(images_table.c.id == image_id).with_for_update()
    ready = conn.scalar(state)
    if ready is None:
        raise NotFound("There is no such image.")
    given = {"title": title, "description": description, "link": link, "alt": alt}
    pin_id = conn.scalar(sa.select(pins.c.id).where(pins.c.user_id == user_id, pins.c.image_id == image_id))
    created = pin_id is None
    if pin_id is None:
        pin_id = insert_new(
            conn,
            pins,
            user_id=user_id,
            image_id=image_id,
            secret=secret,
            ready=ready == State.READY.value,
            created_at=time.time(),
            **{field: _cleaned(field, text) for field, text in given.items()},
        )
        assert pin_id is not None
        settle.pins_changed(conn, [pin_id])
    if board_id is not None:
        saves.save(conn, board_id, pin_id, user_id)
    pin = get(conn, pin_id, user_id)
    assert pin is not None
    return pin, created


def get(conn: Connection, pin_id: int, viewer: int | None) -> Pin | None:
    return get_many(conn, [pin_id], viewer).get(pin_id)


def get_many(conn: Connection, pin_ids: Iterable[int], viewer: int | None) -> dict[int, Pin]:
    """Those that the viewer sees, by id, in whatever state."""
    rows = conn.execute(_by_ids(viewer is None), {"ids": list(pin_ids), **viewer_of(viewer)}).all()
    return {pin.id: pin for pin in _of_rows(rows)}


def for_images(conn: Connection, image_ids: Iterable[int], viewer: int | None) -> dict[int, Pin]:
    """By image id, the oldest pin of each that the viewer sees."""
    rows = conn.execute(_by_images(viewer is None), {"ids": list(image_ids), **viewer_of(viewer)}).all()
    return {pin.image.id: pin for pin in _of_rows(rows)}


def shown(conn: Connection, image_ids: Iterable[int], viewer: int | None) -> dict[int, tuple[int, bool]]:
    """By image id, the oldest pin of each that the viewer sees, and whether it is secret."""
    rows = conn.execute(_shown(viewer is None), {"ids": list(image_ids), **viewer_of(viewer)}).all()
    return {image_id: (pin_id, bool(secret)) for pin_id, image_id, secret in rows}


def seen(conn: Connection, pin_ids: Iterable[int], viewer: int | None) -> dict[int, tuple[int, bool]]:
    """Those of these pins that the viewer sees, by id: each one's image, and whether it is secret."""
    rows = conn.execute(_seen(viewer is None), {"ids": list(pin_ids), **viewer_of(viewer)}).all()
    return {pin_id: (image_id, bool(secret)) for pin_id, image_id, secret in rows}


def images_of(conn: Connection, pin_ids: Iterable[int]) -> dict[int, int]:
    """By pin id its image's, whoever may see them; those that are not there are left out."""
    rows = conn.execute(IMAGES_OF, {"ids": list(pin_ids)}).all()
    return {row[0]: row[1] for row in rows}


def by_ids(conn: Connection, pin_ids: Iterable[int]) -> list[Pin]:
    """Whoever may see them: to be asked for what the viewer is known to see."""
    return _of_rows(conn.execute(BY_IDS, {"ids": list(pin_ids)}).all())


def newest(conn: Connection, viewer: int | None, before_id: int | None = None, limit: int = 25) -> list[Pin]:
    """Ready pins, newest first; the bookmark of the next page is the last one's id."""
    return _page(conn, _newest(viewer is None, False, before_id is not None), viewer, limit, before_id=before_id)


def of_user(
    conn: Connection, user_id: int, viewer: int | None, before_id: int | None = None, limit: int = 25
) -> list[Pin]:
    """A user's own ready pins, newest first; the bookmark of the next page is the last one's id."""
    wall = _newest(viewer is None, True, before_id is not None)
    return _page(conn, wall, viewer, limit, user_id=user_id, before_id=before_id)


def of_board(
    conn: Connection, board_id: int, viewer: int | None, bookmark: int | None = None, limit: int = 25
) -> list[Pin]:
    """A board's ready pins, last saved first; the bookmark of the next page is the last one's id.

    Nothing of a board that the viewer may not see.
    """
    wall = _on_board(viewer is None, bookmark is not None)
    return _page(conn, wall, viewer, limit, board_id=board_id, bookmark=bookmark)


def _page(conn: Connection, wall: Select[Any], viewer: int | None, limit: int, **marks: int | None) -> list[Pin]:
    given = {name: mark for name, mark in marks.items() if mark is not None}
    return _of_rows(conn.execute(wall, {**given, **viewer_of(viewer), "limit": limit}).all())


def mine_unfinished(conn: Connection, user_id: int, limit: int = 200) -> list[Pin]:
    """The user's latest pins that are pending or failed, newest first."""
    unfinished = WHOLE.where(pins.c.user_id == user_id, pins.c.ready == sa.false())
    return _of_rows(conn.execute(unfinished.order_by(pins.c.id.desc()).limit(limit)))


def update(conn: Connection, pin_id: int, user_id: int, **fields: str) -> Pin:
    """Change any of title, description, link and alt of one's own pin. Raises `NotFound`, `Forbidden`, `ValueError`."""
    pin = get(conn, pin_id, user_id)
    if pin is None:
        raise NotFound("There is no such pin.")
    if pin.user_id != user_id:
        raise Forbidden("Only its owner may change a pin.")
    if unknown := fields.keys() - set(TEXTS):
        raise ValueError(f"A pin has no {', '.join(sorted(unknown))} that could be changed.")
    if fields:
        values = {field: _cleaned(field, text) for field, text in fields.items()}
        conn.execute(sa.update(pins).where(pins.c.id == pin_id).values(**values))
        settle.pins_changed(conn, [pin_id])
    changed = get(conn, pin_id, user_id)
    assert changed is not None
    return changed


def _cleaned(field: str, text: str) -> str:
    kept = clean(pins.c[field], text)
    if field == "link" and kept and not host_of(kept):
        raise ValueError("The link must be a web address, such as https://example.org/.")
    return kept


def host_of(link: str) -> str:
    """The host of a web address; empty for what is none."""
    with suppress(ValueError):
        parts = urlsplit(link)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    return ""


def delete(conn: Connection, pin_id: int) -> int:
    """Its image's id, for that may now be an orphan. Whether the user may is the caller's to ask. Raises `NotFound`."""
    image_id: int | None = conn.scalar(sa.select(pins.c.image_id).where(pins.c.id == pin_id))
    if image_id is None:
        raise NotFound("There is no such pin.")
    conn.execute(sa.delete(pins).where(pins.c.id == pin_id))
    settle.pins_changed(conn, [pin_id])
    return image_id


def count(conn: Connection) -> int:
    """All pins, in whatever state."""
    return conn.scalar(sa.select(sa.func.count()).select_from(pins)) or 0
