"""The end of a picture, and its second beginning."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bowerbird.catalog import Forbidden, NotFound, fetches, images, pins
from bowerbird.ingest import upload
from bowerbird.model import WIDTHS, Image, Job, media_key, original_key
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
        image = images.by_id(conn, image_id)
        if image is None or not images.delete(conn, image_id):
            return False
        # Within the transaction: an upload of the same file waits for it, and then sees that the
        # original is gone. The original goes first: where it is, all else may be relied on.
        engines.blobs.delete([original_key(image.sha256)])
        _remove(engines, image)
    return True


def discard(engines: Engines, image: Image) -> None:
    """Remove what the pipeline made of an image whose row was deleted meanwhile."""
    with engines.database.write() as conn:
        _remove(engines, image, files=images.by_media(conn, image.media) is None)


def _remove(engines: Engines, image: Image, files: bool = True) -> None:
    """No error where there is nothing. Its `files` may belong to a newer image: the same file, uploaded again."""
    ids = np.array([image.id], np.int64)
    engines.looks.remove(ids)
    engines.colours.remove(ids)
    if files:
        engines.blobs.delete(media_key(name, image.media) for name in RENDITIONS)
        engines.metadata.delete([f"look:{image.media}"])


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
    parked = {one.job.payload.get("image_id"): one for one in engines.queue.parked() if one.job.kind == "process"}
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
    """Have images purged that no pin shows, whose own job was lost; how many. Looks at every image."""
    with engines.database.read() as conn:
        unseen = [Job("purge", {"image_id": image.id}) for image in images.orphans(conn)]
    engines.queue.send(unseen)
    return len(unseen)
