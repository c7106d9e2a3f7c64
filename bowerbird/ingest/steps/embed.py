"""What it looks like, as a vector, and the tags that the model is confident of."""

from __future__ import annotations

from bowerbird.darkroom.framing import square
from bowerbird.ingest.plate import Plate


def embed(plate: Plate) -> None:
    seen = plate.encoder.encode(square(plate.image, plate.encoder.size)[None])
    plate.vector, plate.tags = seen.vectors[0], seen.tags[0]
