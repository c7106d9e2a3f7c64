"""Lay a picture over those that look most like it, to find out whether one was cut from the other."""

from __future__ import annotations

import contextlib

from bowerbird.catalog import images, kin
from bowerbird.darkroom import alignment
from bowerbird.darkroom.process import Darkroom, Spoiled
from bowerbird.ingest import upload
from bowerbird.model import WIDTHS, Job, media_key
from bowerbird.ports import Engines, Missing

FITS = 0.65
"""How well a part fits its whole at least; see `darkroom.alignment.fits`."""

ASKED = 20.0
"""Seconds for which a comparison that was asked for is not asked for again."""


def ask(engines: Engines, image_id: int) -> None:
    """Have a worker do it soon."""
    if engines.cache.put_new(f"compare:{image_id}", b"asked", ASKED):
        upload.hint(engines, Job("compare", {"image_id": image_id}))


def compare(engines: Engines, darkroom: Darkroom, image_id: int) -> None:
    """What was found out before is not done again. Raises `Unavailable`."""
    likest = kin.nearest(engines, image_id)
    with engines.database.read() as conn:
        media = images.media_of(conn, [image_id, *likest])
    own = media.get(image_id)
    if own is None:
        return
    for other in kin.known(engines, own, [media[each] for each in likest if each in media]).untold:
        crop = None  # a picture whose rendition is gone, or that nobody can open, is nobody's part today
        with contextlib.suppress(Missing, Spoiled):
            renditions = (engines.blobs.get(media_key(f"{WIDTHS[0]}x", name)) for name in (own, other))
            crop = max(darkroom.run(alignment.fits, *renditions)) >= FITS
        kin.keep(engines, own, other, crop)
