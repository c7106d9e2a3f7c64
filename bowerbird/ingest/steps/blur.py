"""The placeholder that stands where the picture will be."""

from __future__ import annotations

import base64

from bowerbird.darkroom import thumbhash
from bowerbird.ingest.plate import Plate


def blur(plate: Plate) -> None:
    code = thumbhash.encode(plate.pixels, (plate.small.width, plate.small.height))
    plate.thumbhash = base64.b64encode(code).decode()
