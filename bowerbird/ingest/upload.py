"""The way in: a file becomes an original, a row, a pin and a job, in the order in which nothing is lost."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
from typing import NamedTuple

import msgspec

from bowerbird.catalog import boards, images, pins
from bowerbird.darkroom import Spoiled
from bowerbird.darkroom.formats import sniff
from bowerbird.model import Board, Event, EventKind, Job, Pin, State, original_key
from bowerbird.ports import Engines, Unavailable

log = logging.getLogger(__name__)

MAX_BYTES = 64 * 2**20


class Refused(ValueError):
    """This file is not taken. The message says why, to the person who sent it."""


class Original(NamedTuple):
    """A file in the blob store."""

    sha256: str
    size: int
    """In bytes."""
    key: str
    new: bool
    """No row names it yet."""
    lost: str = ""
    """The key in whose stead it is new: a row names it, and there is nothing."""


class Accepted(msgspec.Struct, frozen=True):
    pin: Pin
    created: bool
    """False where this user had pinned this picture already."""


def accept(
    engines: Engines,
    user_id: int,
    data: bytes,
    *,
    title: str = "",
    description: str = "",
    link: str = "",
    alt: str = "",
    board_id: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> Accepted:
    """Take a file in; once this returns it is never lost. `pin.image.state` says how far it is.

    Raises `Refused`, what `catalog.pins.create` raises, and `Unavailable`.
    """
    check(data, max_bytes)
    words = {"title": title, "description": description, "link": link, "alt": alt}
    original = _keep(engines, data)
    taken = _enter(engines, user_id, original, board_id, words)
    if taken is None:
        original = _keep(engines, data, again=True)
        taken = _enter(engines, user_id, original, board_id, words)
        assert taken is not None
    pin, created, board = taken
    if original.new and pin.image.original != original.key:  # somebody else was first
        _forget(engines, original)
    if pin.image.state is not State.READY:
        hint(engines, job(pin.image.id))
    _tell(engines, pin, created, board)
    return Accepted(pin=pin, created=created)


def _tell(engines: Engines, pin: Pin, created: bool, board: Board | None) -> None:
    """Note what happened. A log that is away loses what it would have taught, not the picture."""
    now, about = time.time(), {"image_id": pin.image.id}
    told = [Event(EventKind.UPLOAD, now, pin.user_id, pin.id, about)] if created else []
    if board is not None:
        on_board = {**about, "board_id": board.id} | ({"secret": True} if board.secret else {})
        told.append(Event(EventKind.SAVE, now, pin.user_id, pin.id, on_board))
    try:
        engines.events.append(told)
    except Unavailable as error:
        log.warning("the upload of pin %s was not noted: %s", pin.id, error)


def check(data: bytes, max_bytes: int = MAX_BYTES) -> str:
    """The format of a file that would be taken. Raises `Refused`."""
    if not data:
        raise Refused("The file is empty.")
    if len(data) > max_bytes:
        raise Refused(f"The file has {len(data) / 2**20:.1f} MB; at most {max_bytes / 2**20:g} MB are taken.")
    try:
        return sniff(data)
    except Spoiled as spoiled:
        raise Refused(spoiled.reason) from None


def hint(engines: Engines, job: Job) -> None:
    """Tell a worker that there is work. A queue that is away loses nothing: the row waits for the sweep."""
    try:
        engines.queue.send([job])
    except Unavailable as error:
        log.warning("no %s job could be sent for %s: %s", job.kind, job.payload, error)


def job(image_id: int, again: bool = False) -> Job:
    """`again`: even if the image is ready."""
    return Job("process", {"image_id": image_id, "again": True} if again else {"image_id": image_id})


def _keep(engines: Engines, data: bytes, again: bool = False) -> Original:
    """Store the original unless it is there; `again`: in any case, for a reader that is behind may name one that is
    going."""
    sha256 = hashlib.sha256(data).hexdigest()
    with engines.database.read() as conn:
        known = None if again else images.by_sha256(conn, sha256)
    if known is not None and engines.blobs.exists(known.original):
        return Original(sha256, len(data), known.original, new=False)
    # A purge deletes outside of every transaction, and a store that was asked to delete may do so later than it is
    # waited for: a key that was ever deleted is not written again.
    key = original_key(sha256, os.urandom(6).hex())
    engines.blobs.put(key, data)
    return Original(sha256, len(data), key, new=True, lost=known.original if known else "")


def _enter(
    engines: Engines, user_id: int, original: Original, board_id: int | None, words: dict[str, str]
) -> tuple[Pin, bool, Board | None] | None:
    """Write the row and the pin; None if the image whose original was there has been purged since."""
    written = False
    try:
        with engines.database.write() as conn:
            image = images.by_sha256(conn, original.sha256)
            if image is None and not original.new:
                return None
            if image is None:
                image, _ = images.accept(conn, original.sha256, original.size, original.key)
            elif original.new and image.original == original.lost:
                images.reset(conn, image.id, original=original.key)
            elif image.state is State.FAILED:  # a newer decoder may manage
                images.reset(conn, image.id)
            pin, created = pins.create(conn, user_id, image.id, board_id=board_id, **words)
            board = boards.get(conn, board_id, user_id) if board_id else None
            written = True
    except BaseException:
        # A commit that failed may yet have been kept; before that there is no row for it.
        if original.new and not written:
            _forget(engines, original)
        raise
    return pin, created, board


def _forget(engines: Engines, original: Original) -> None:
    """One that no row names; where it cannot be deleted it takes some room and does no harm."""
    with contextlib.suppress(Unavailable):
        engines.blobs.delete([original.key])
