"""A picture's route from its original to the wall, as two literal lists of steps."""

from __future__ import annotations

from collections.abc import Callable

from bowerbird.catalog import NotFound, images
from bowerbird.darkroom.process import Darkroom, Spoiled, entering
from bowerbird.ingest import lifecycle
from bowerbird.ingest.plate import Plate, Print, printed
from bowerbird.ingest.steps.animate import animate
from bowerbird.ingest.steps.announce import announce
from bowerbird.ingest.steps.blur import blur
from bowerbird.ingest.steps.decode import decode
from bowerbird.ingest.steps.embed import embed
from bowerbird.ingest.steps.fingerprint import fingerprint
from bowerbird.ingest.steps.index import index
from bowerbird.ingest.steps.palette import palette
from bowerbird.ingest.steps.record import record
from bowerbird.ingest.steps.render import render
from bowerbird.ingest.steps.sniff import sniff
from bowerbird.ingest.steps.squeeze import squeeze
from bowerbird.ingest.steps.store import store
from bowerbird.model import Image, State
from bowerbird.ports import Encoder, Engines, Missing

MAX_PIXELS = 150_000_000

DEVELOP: list[Callable[[Plate], None]] = [sniff, decode, render, animate, squeeze, blur, palette, fingerprint, embed]
"""In the darkroom, on foreign bytes."""

# Whoever sees `ready` may search for it, so `record` comes after `index`.
FINISH: list[Callable[[Engines, Image, Print], None]] = [store, index, record, announce]
"""Outside, on what came out of it. Each may run again over its own result."""

STEPS = [step.__name__ for step in (*DEVELOP, *FINISH)]


def process(
    engines: Engines, darkroom: Darkroom, image_id: int, *, again: bool = False, max_pixels: int = MAX_PIXELS
) -> None:
    """Take one image through all steps; one that is ready is left alone unless `again`.

    A picture that cannot be used is marked failed, with the step and a reason for its owner. Raises
    `Unavailable` when an engine is away: the row stays pending, and another try may finish it.
    """
    with engines.database.read() as conn:
        image = images.by_id(conn, image_id)
    if image is None:  # perhaps it went while a worker that died was at it
        lifecycle.hide(engines, image_id)
        return
    if image.state is State.READY and not again:
        return
    try:
        made = darkroom.run(develop, engines.blobs.get(image.original), max_pixels)
    except Missing:
        give_up(engines, image, "decode", "Its original is gone from the store.")
        return
    except Spoiled as spoiled:
        give_up(engines, image, spoiled.step, spoiled.reason)
        return
    try:
        for step in FINISH:
            step(engines, image, made)
    except NotFound:  # its last pin was deleted meanwhile
        lifecycle.discard(engines, image)


def develop(encoder: Encoder, data: bytes, max_pixels: int) -> Print:
    """Runs in the darkroom's child. Raises `Spoiled`."""
    plate = Plate(data, encoder, max_pixels)
    for step in DEVELOP:
        entering(step.__name__)
        step(plate)
    return printed(plate)


def give_up(engines: Engines, image: Image, step: str, reason: str) -> None:
    try:
        with engines.database.write() as conn:
            images.failed(conn, image.id, step, reason)
    except NotFound:
        return
    announce(engines, image)
