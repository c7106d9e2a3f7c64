"""Originals by content. The row is the truth about a picture; a job is only a hint that it has work to do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, words
from bowerbird.catalog.listed import listed
from bowerbird.catalog.rows import clean, insert_new, typed
from bowerbird.catalog.tables import images, pins, remains
from bowerbird.model import Image, State, media_name, original_key

if TYPE_CHECKING:
    from bowerbird.ports import Ints

COLUMNS = (
    images.c.id,
    images.c.sha256,
    images.c.media,
    images.c.state,
    images.c.bytes,
    images.c.step,
    images.c.error,
    images.c.created_at,
    images.c.original,
)

BY_IDS = sa.select(*COLUMNS).where(listed(images.c.id))
PUBLIC = (
    sa.select(sa.literal(1))
    .select_from(images.join(pins, pins.c.image_id == images.c.id))
    .where(images.c.media == sa.bindparam("media"), pins.c.secret == sa.false(), pins.c.ready == sa.true())
    .limit(1)
)


class Remains(NamedTuple):
    """What is left of an image whose row is gone, and is to be removed."""

    image_id: int
    media: str
    original: str


def of_row(row: Sequence[Any]) -> Image:
    id_, sha256, media, state, size, step, error, created_at, original = row
    # Rows of before it was kept have their original where only its content says.
    kept = original or original_key(sha256)
    return Image(id_, sha256, media, State(state), size, step, error, created_at, kept)


def accept(conn: Connection, sha256: str, size: int, original: str = "") -> tuple[Image, bool]:
    """The image with this content, and whether it is new: then it is pending, and its original is the blob of this
    key, by default what `original_key` says. `size` in bytes."""
    known = by_sha256(conn, sha256)
    if known is not None:
        return known, False
    now = time.time()
    new = insert_new(
        conn,
        images,
        sha256=sha256,
        media=media_name(sha256),
        state=State.PENDING.value,
        bytes=size,
        created_at=now,
        touched_at=now,
        original=original,
    )
    image = by_sha256(conn, sha256)
    assert image is not None
    return image, new is not None


def by_id(conn: Connection, image_id: int) -> Image | None:
    return by_ids(conn, [image_id]).get(image_id)


def by_ids(conn: Connection, image_ids: Iterable[int]) -> dict[int, Image]:
    """Those that are there, by id."""
    return {row[0]: of_row(row) for row in conn.execute(BY_IDS, {"ids": list(image_ids)})}


def by_media(conn: Connection, media: str) -> Image | None:
    row = conn.execute(sa.select(*COLUMNS).where(images.c.media == media)).first()
    return row and of_row(row)


def by_sha256(conn: Connection, sha256: str) -> Image | None:
    row = conn.execute(sa.select(*COLUMNS).where(images.c.sha256 == sha256)).first()
    return row and of_row(row)


def is_public(conn: Connection, media: str) -> bool:
    """Whether a ready pin that everyone sees shows it."""
    return conn.execute(PUBLIC, {"media": typed(media)}).first() is not None


def ready(conn: Connection, image_id: int, tags: Sequence[str]) -> None:
    """It has come through: its pins show and are found by their words and by `tags`."""
    kept = ""
    for tag in tags:
        longer = f"{kept} {tag}".strip()
        if len(longer) <= 500:
            kept = longer
    _turn(conn, image_id, State.READY, step="", error="", tags=clean(images.c.tags, kept))


def failed(conn: Connection, image_id: int, step: str, error: str) -> None:
    """`error` says what was wrong, in words for the person who uploaded it; cut at 500 characters."""
    _turn(conn, image_id, State.FAILED, step=clean(images.c.step, step), error=clean(images.c.error, error[:500]))


def reset(conn: Connection, image_id: int, **values: str) -> None:
    """Back to pending, to go through the pipeline again; with another `original`, where its own is lost."""
    _turn(conn, image_id, State.PENDING, step="", error="", **values)


def _turn(conn: Connection, image_id: int, state: State, **values: str) -> None:
    """Raises `NotFound`."""
    changed = sa.update(images).where(images.c.id == image_id)
    if not conn.execute(changed.values(state=state.value, touched_at=time.time(), **values)).rowcount:
        raise NotFound("There is no such image.")
    shown = sa.update(pins).where(pins.c.image_id == image_id)
    conn.execute(shown.values(ready=sa.true() if state is State.READY else sa.false()))
    if state is State.READY:
        words.refresh(conn, conn.scalars(sa.select(pins.c.id).where(pins.c.image_id == image_id)))


def pending(conn: Connection, older_than: float, limit: int) -> list[Image]:
    """Pending ones last touched before the time `older_than`, the longest untouched first."""
    waiting = sa.select(*COLUMNS).where(images.c.state == State.PENDING.value, images.c.touched_at < older_than)
    return [of_row(row) for row in conn.execute(waiting.order_by(images.c.touched_at, images.c.id).limit(limit))]


def touch(conn: Connection, image_ids: Iterable[int]) -> None:
    """Handed to the queue just now."""
    conn.execute(sa.update(images).where(images.c.id.in_(list(image_ids))).values(touched_at=time.time()))


def orphans(conn: Connection, limit: int = 1000) -> list[Image]:
    """Images that no pin shows."""
    shown = sa.exists().where(pins.c.image_id == images.c.id)
    return [of_row(row) for row in conn.execute(sa.select(*COLUMNS).where(~shown).order_by(images.c.id).limit(limit))]


def delete(conn: Connection, image_id: int) -> bool:
    """Unless a pin shows it; whether it is gone, and `left` knows what of it is still to be removed."""
    image = by_id(conn, image_id)
    shown = sa.exists().where(pins.c.image_id == image_id)
    if image is None or not conn.execute(sa.delete(images).where(images.c.id == image_id, ~shown)).rowcount:
        return False
    leave(conn, image)
    return True


def leave(conn: Connection, image: Image) -> None:
    """Note that something of an image whose row is gone is still to be removed."""
    insert_new(conn, remains, image_id=image.id, media=image.media, original=image.original)


def left(conn: Connection, image_id: int) -> Remains | None:
    row = conn.execute(sa.select(remains).where(remains.c.image_id == image_id)).first()
    return Remains(*row) if row else None


def all_left(conn: Connection, limit: int = 1000) -> list[Remains]:
    return [Remains(*row) for row in conn.execute(sa.select(remains).order_by(remains.c.image_id).limit(limit))]


def removed(conn: Connection, image_id: int) -> None:
    """Nothing is left of it."""
    conn.execute(sa.delete(remains).where(remains.c.image_id == image_id))


def counts(conn: Connection) -> dict[State, int]:
    found = conn.execute(sa.select(images.c.state, sa.func.count()).group_by(images.c.state))
    return dict.fromkeys(State, 0) | {State(state): number for state, number in found}


def every(conn: Connection, after_id: int = 0, limit: int = 1000) -> list[Image]:
    """In the order of their ids, those after `after_id`."""
    rows = conn.execute(sa.select(*COLUMNS).where(images.c.id > after_id).order_by(images.c.id).limit(limit))
    return [of_row(row) for row in rows]


def media_of(conn: Connection, image_ids: Iterable[int]) -> dict[int, str]:
    """By image id its media name."""
    rows = conn.execute(sa.select(images.c.id, images.c.media).where(images.c.id.in_(list(image_ids)))).all()
    return {row[0]: row[1] for row in rows}


def ready_ids(conn: Connection) -> Ints:
    """Of every ready image, ascending."""
    found = conn.scalars(sa.select(images.c.id).where(images.c.state == State.READY.value))
    return np.sort(np.fromiter(found, np.int64))
