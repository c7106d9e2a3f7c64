"""Put the renditions where they are served from."""

from __future__ import annotations

from bowerbird.ingest.plate import Print
from bowerbird.model import Image, media_key
from bowerbird.ports import Engines


def store(engines: Engines, image: Image, made: Print) -> None:
    for name, webp in made.files.items():
        engines.blobs.put(media_key(name, image.media), webp)
