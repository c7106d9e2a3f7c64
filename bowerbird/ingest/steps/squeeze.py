"""The whole picture in a few pixels, for the steps that need no more."""

from __future__ import annotations

from bowerbird.darkroom.picture import sample
from bowerbird.ingest.plate import Plate

SIDE = 64


def squeeze(plate: Plate) -> None:
    plate.pixels = sample(plate.small, SIDE, SIDE)
