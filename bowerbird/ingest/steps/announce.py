"""Tell whoever listens."""

from __future__ import annotations

import logging
import time

from bowerbird.ingest.plate import Print
from bowerbird.model import Event, Image
from bowerbird.ports import Engines, Unavailable

log = logging.getLogger(__name__)


def announce(engines: Engines, image: Image, made: Print | None = None) -> None:
    """`ready`, or `failed` for a picture that came to nothing. A log that is away loses only the news of it."""
    kind = "failed" if made is None else "ready"
    try:
        engines.events.append([Event(kind=kind, at=time.time(), data={"image_id": image.id})])
    except Unavailable as error:
        log.warning("image %d is %s, which could not be announced: %s", image.id, kind, error)
