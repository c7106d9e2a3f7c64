"""Tell the format by the first bytes."""

from __future__ import annotations

from bowerbird.darkroom import formats
from bowerbird.ingest.plate import Plate


def sniff(plate: Plate) -> None:
    plate.format = formats.sniff(plate.data)
