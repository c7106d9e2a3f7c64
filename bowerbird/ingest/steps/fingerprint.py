"""The perceptual hash, of the picture and of its mirror image."""

from __future__ import annotations

from bowerbird.darkroom import fingerprint as hashes
from bowerbird.ingest.plate import Plate


def fingerprint(plate: Plate) -> None:
    plate.phash, plate.phash_flip = hashes.phashes(plate.pixels)
