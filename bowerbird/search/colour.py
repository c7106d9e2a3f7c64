"""Pictures of a colour. What a colour vector is, the darkroom says."""

from __future__ import annotations

import re

from bowerbird.darkroom.colour import DIM as DIM
from bowerbird.darkroom.colour import histogram as histogram
from bowerbird.model import Hit, Swatch
from bowerbird.ports import Engines, Floats
from bowerbird.search.similar import hits_of


def vector_of(colour: str) -> Floats:
    """(DIM,) of a picture that is all `#rrggbb`, the `#` and short forms optional. Raises `ValueError`."""
    digits = colour.strip().removeprefix("#").lower()
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        raise ValueError("A colour is six hex digits, such as #cc3311.")
    return histogram([Swatch(hex=f"#{digits}", share=1.0)])


def find(engines: Engines, colour: str, k: int) -> list[Hit]:
    """The `k` pictures with the most of this colour and of what is next to it. Raises `ValueError`."""
    return hits_of(engines.colours, vector_of(colour), k)
