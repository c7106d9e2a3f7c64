"""Decode once, no larger than the widest rendition needs."""

from __future__ import annotations

import pyvips

from bowerbird.darkroom import Spoiled
from bowerbird.darkroom.picture import LONGEST, open_picture, shrunk, unreadable
from bowerbird.ingest.plate import Plate
from bowerbird.model import WIDTHS


def decode(plate: Plate) -> None:
    try:
        image, plate.facts = open_picture(plate.data, plate.max_pixels, enough=WIDTHS[-1])
        # The pixels are read here and not before, so this is where damage shows.
        plate.image = without_idle_alpha(shrunk(image, WIDTHS[-1], LONGEST).copy_memory())
    except pyvips.Error as error:
        raise Spoiled("decode", unreadable(plate.format, error)) from None


def without_idle_alpha(image: pyvips.Image) -> pyvips.Image:
    """Many screenshots carry a transparency that is nowhere used; it would cost bytes in every rendition."""
    if image.bands == 4 and image[3].min() == 255:
        return image.extract_band(0, n=3).copy_memory()
    return image
