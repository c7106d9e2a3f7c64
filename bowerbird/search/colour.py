"""Pictures of a colour, by its digits or by its name. What a colour vector is, the darkroom says."""

from __future__ import annotations

import re
from typing import NamedTuple

from bowerbird.darkroom.colour import DIM as DIM
from bowerbird.darkroom.colour import histogram as histogram
from bowerbird.model import Hit, Swatch
from bowerbird.ports import Engines, Floats
from bowerbird.search.similar import hits_of

NAMES = {
    "red": "c2312d",
    "orange": "e2703a",
    "amber": "d9a441",
    "golden": "d9a441",
    "yellow": "ecd75f",
    "lime": "98b04a",
    "olive": "7d7f3c",
    "green": "3f7d4e",
    "teal": "1f7f7b",
    "turquoise": "4fb8b0",
    "navy": "1d2a57",
    "indigo": "3b3f8f",
    "blue": "2f5fc0",
    "violet": "6a55a8",
    "purple": "7d4d9e",
    "plum": "8a4a7a",
    "magenta": "c23a8c",
    "pink": "e6a3b8",
    "maroon": "7a2531",
    "brown": "7a4a31",
    "beige": "d8c5a3",
    "cream": "f1e6cf",
    "white": "f4f1ea",
    "grey": "8d9199",
    "gray": "8d9199",
    "black": "17191f",
}
"""What people call colours, and the middle of what each of them means."""
JOINING = frozenset({"a", "an", "and", "in", "of", "on", "or", "the", "with"})


class Named(NamedTuple):
    """A query in words that names colours."""

    vector: Floats
    """(DIM,), all of them in equal shares."""
    rest: str
    """The other words; empty where the colours are all."""


def named(words: str) -> Named | None:
    """None where no colour is named."""
    each = re.findall(r"\w+", words.casefold())
    meant = [word for word in each if word in NAMES]
    if not meant:
        return None
    rest = [word for word in each if word not in NAMES and word not in JOINING]
    shares = [Swatch(hex=f"#{NAMES[word]}", share=1 / len(meant)) for word in meant]
    return Named(histogram(shares), " ".join(rest))


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
