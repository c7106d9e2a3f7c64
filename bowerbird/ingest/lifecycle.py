"""The end of a picture, and its second beginning."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bowerbird.catalog import Forbidden, NotFound, fetches, images, pins
from bowerbird.ingest import upload
from bowerbird.model import WIDTHS, Image, Job, media_key
from bowerbird.ports import Engines

RENDITIONS = (*(f"{width}x" for width in WIDTHS), "animated")

LOST = 600.0
"""Seconds a row may be pending, with jobs still in the queue, before its own job counts as lost."""

SETTLED = 15.0
"""The same where the queue is empty: then it can only be lost."""


def delete_pin(engines: Engines, pin_id: int, user_id: int, *, admin: bool = False) -> None:
    """Delete one's own pin (an admin: anyone's); its picture goes too unless another pin shows it.

    Raises `NotFound`, `Forbidden`.
    """
    with engines.database.write() as conn:
        pin = pins.get_many(conn, [pin_id], user_id).get(pin_id)
        if pin is None and not admin:
            raise NotFound("There is no such pin.")
        if pin is not None and pin.user_id != user_id and not admin:
            raise Forbidden("Only its owner may delete a pin.")
        image_id = pins.delete(conn, pin_id)
    upload.hint(engines, Job("purge", {"image_id": image_id}))


def purge(engines: Engines, image_id: int) -> bool:
    """Remove an image that no pin shows, and all that was made of it; whether it went."""
    with engines.database.write() as conn:
        images.delete(conn, image_id)
        left = images.left(conn, image_id)
    if left is not None:
        _remove(engines, left)
    return left is not None


def discard(engines: Engines, image: Image) -> None:
    """Remove what the pipeline made of an image whose row was deleted meanwhile."""
    with engines.database.write() as conn:
        images.leave(conn, image)
    _remove(engines, images.Remains(image.id, image.media, image.original))


def _remove(engines: Engines, left: images.Remains) -> None:
    """No error where there is nothing; what is cut short is found again by `sweep_orphans`.

    Outside of every transaction, for the store may be slow. The number and the original's key were this image's alone.
    The rest is named by content, so it may belong to a newer image, the same file uploaded again: that one is made
    anew, whether it came before or while its files were removed.
    """
    hide(engines, left.image_id)
    engines.blobs.delete([left.original])
    newer = _by_media(engines, left.media)
    if newer is None:
        engines.blobs.delete(media_key(name, left.media) for name in RENDITIONS)
        engines.metadata.delete([f"look:{left.media}"])
        newer = _by_media(engines, left.media)
    if newer is not None:
        engines.queue.send([upload.job(newer.id, again=True)])
    with engines.database.write() as conn:
        images.removed(conn, left.image_id)


def hide(engines: Engines, image_id: int) -> None:
    """Nobody finds it by its look any more."""
    ids = np.array([image_id], np.int64)
    engines.looks.remove(ids)
    engines.colours.remove(ids)


def _by_media(engines: Engines, media: str) -> Image | None:
    with engines.database.read() as conn:
        return images.by_media(conn, media)


def reindex(engines: Engines, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Send every image through the pipeline again; those that are ready stay so meanwhile. How many."""
    with engines.database.read() as conn:
        total = sum(images.counts(conn).values())
    sent, last = 0, 0
    while True:
        with engines.database.read() as conn:
            page = images.every(conn, after_id=last)
        if not page:
            return sent
        engines.queue.send([upload.job(image.id, again=True) for image in page])
        sent, last = sent + len(page), page[-1].id
        progress(sent, max(total, sent))


def sweep(engines: Engines, most: int = 1000) -> int:
    """Send jobs for pending rows whose own job must have been lost; how many.

    Rows whose job was parked are marked failed instead: five tries are enough.
    """
    before = time.time() - (LOST if engines.queue.depth() else SETTLED)
    with engines.database.read() as conn:
        waiting = images.pending(conn, before, most)
        fetching = [fetch.id for fetch in fetches.pending(conn, before, most)]
    if not waiting and not fetching:
        return 0
    parked = {one.job.payload.get("image_id"): one for one in engines.queue.parked(most) if one.job.kind == "process"}
    lost = [image.id for image in waiting if image.id not in parked]
    with engines.database.write() as conn:
        images.touch(conn, lost)
        fetches.touch(conn, fetching)
        for image in waiting:
            if image.id in parked:
                images.failed(conn, image.id, "worker", f"Its work kept failing: {parked[image.id].error}")
    jobs = [upload.job(image_id) for image_id in lost] + [Job("fetch", {"fetch_id": fetch_id}) for fetch_id in fetching]
    engines.queue.send(jobs)
    return len(jobs)


def sweep_orphans(engines: Engines) -> int:
    """Have images purged that no pin shows, or of which something is left, whose own job was lost; how many. Looks at
    every image."""
    with engines.database.read() as conn:
        ids = [image.id for image in images.orphans(conn)] + [left.image_id for left in images.all_left(conn)]
    engines.queue.send([Job("purge", {"image_id": image_id}) for image_id in ids])
    return len(ids)
