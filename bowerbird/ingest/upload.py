"""The way in: a file becomes an original, a row, a pin and a job, in the order in which nothing is lost."""

from __future__ import annotations

import hashlib
import logging
import time

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
    sha256 = hashlib.sha256(data).hexdigest()
    missing = _keep(engines, sha256, data)
    with engines.database.write() as conn:
        image, new = images.accept(conn, sha256, len(data))
        # A failed one is asked for anew: a newer decoder may manage. And where the original is missing, a
        # purge was cut short, and what was made of it may be gone as well.
        if not new and (missing or image.state is State.FAILED):
            images.reset(conn, image.id)
        words = {"title": title, "description": description, "link": link, "alt": alt}
        pin, created = pins.create(conn, user_id, image.id, board_id=board_id, **words)
        board = boards.get(conn, board_id, user_id) if board_id else None
    if _keep(engines, sha256, data):
        # A purge came between the first look and the row.
        with engines.database.write() as conn:
            images.reset(conn, image.id)
        pin = _as_pending(pin)
    if pin.image.state is not State.READY:
        hint(engines, job(image.id))
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


def _keep(engines: Engines, sha256: str, data: bytes) -> bool:
    """Store the original unless it is there; whether it was not."""
    key = original_key(sha256)
    if engines.blobs.exists(key):
        return False
    engines.blobs.put(key, data)
    return True


def _as_pending(pin: Pin) -> Pin:
    image = msgspec.structs.replace(pin.image, state=State.PENDING, step="", error="")
    return msgspec.structs.replace(pin, image=image)
