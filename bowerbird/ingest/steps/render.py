"""WebP at every width that the original has, each made from the next larger one."""

from __future__ import annotations

from bowerbird.darkroom.picture import LONGEST, shrunk
from bowerbird.ingest.plate import Plate
from bowerbird.model import WIDTHS, Rendition

QUALITY = 80

EFFORT = 2
"""Of libwebp's 6: half the time of its default 4, for 3 % more bytes (`bench/pipeline.py` shows both)."""


def render(plate: Plate) -> None:
    """The narrowest width that holds the whole original is the last one: nothing is enlarged."""
    whole = plate.image.width
    names = [width for at, width in enumerate(WIDTHS) if at == 0 or WIDTHS[at - 1] < whole]
    image = plate.image
    for width in reversed(names):
        if width < image.width:
            image = shrunk(image, width, LONGEST).copy_memory()
        webp = image.webpsave_buffer(Q=QUALITY, effort=EFFORT, keep="none")
        plate.files[f"{width}x"] = webp
        plate.renditions.insert(0, Rendition(image.width, image.height, len(webp)))
    plate.small = image
