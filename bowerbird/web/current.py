"""What the feed of a process works with, kept current: the save graph, what was learned from it, the newest saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from bowerbird.model import Hit
from bowerbird.ports import Engines
from bowerbird.search import duplicates


class Prints(msgspec.Struct, frozen=True):
    """Of a `Look`, what near-duplicates are told by."""

    phash: str = ""
    phash_flip: str = ""


_prints = msgspec.json.Decoder(Prints)


def fold(engines: Engines, hits: Sequence[Hit], media: Mapping[int, str], most: int) -> list[Hit]:
    """`search.duplicates.fold` for the feed, which knows images by their media names."""
    known = engines.metadata.get_many([f"look:{media[hit.image_id]}" for hit in hits])
    found = {
        hit.image_id: _prints.decode(known[name]) if (name := f"look:{media[hit.image_id]}") in known else Prints()
        for hit in hits
    }
    return duplicates.fold(engines, hits, cast("Any", found), most)
