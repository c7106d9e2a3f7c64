"""Make it findable by its look and by its colours."""

from __future__ import annotations

import numpy as np

from bowerbird.darkroom import colour
from bowerbird.ingest.plate import Print
from bowerbird.model import Image
from bowerbird.ports import Engines


def index(engines: Engines, image: Image, made: Print) -> None:
    ids = np.array([image.id], np.int64)
    engines.looks.add(ids, made.vector[None])
    if made.look.palette:
        engines.colours.add(ids, colour.histogram(made.look.palette)[None])
