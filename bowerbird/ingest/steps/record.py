"""Write down what was learned; from here on the picture is ready."""

from __future__ import annotations

import msgspec

from bowerbird.catalog import images
from bowerbird.ingest.plate import Print
from bowerbird.model import Image
from bowerbird.ports import Engines


def record(engines: Engines, image: Image, made: Print) -> None:
    """Raises `catalog.NotFound` if the image was deleted meanwhile."""
    engines.metadata.put(f"look:{image.media}", msgspec.json.encode(made.look))
    with engines.database.write() as conn:
        images.ready(conn, image.id, [tag.name for tag in made.look.tags])
