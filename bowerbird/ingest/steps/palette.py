"""The few colours that make the picture."""

from __future__ import annotations

from bowerbird.darkroom import colour
from bowerbird.ingest.plate import Plate


def palette(plate: Plate) -> None:
    plate.palette = colour.dominant(plate.pixels)
