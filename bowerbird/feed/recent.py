"""What choosing among hundreds of candidates asks of each, kept by this process as columns: most of them were asked for
a moment ago, for somebody else's page.

Only what everyone sees is kept. The rest is asked of the database for this viewer; and who may see it is asked again of
every pin that is placed on a page (`feed.placing`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from bowerbird.catalog import facts
from bowerbird.catalog.prints import PRINT, prints
from bowerbird.model import Counts
from bowerbird.ports import Engines, Floats, Ints

MINUTE, HOUR = 60.0, 3600.0
PLACES = 1 << 17
"""Rows that are kept at most; a few MB, taken up as they are filled."""

Rows = NDArray[np.void]
"""A structured array; the `id` of a row is 0 where there is nothing."""
Read = Callable[[list[int]], Sequence[tuple[Any, ...]]]
"""Of ids the rows, in any order: the id, then what the columns say. What is not there is left out."""

FACT = np.dtype("i8, i8, i8, i8, f8, i8")
FACT.names = ("id", *facts.Fact._fields)
LATEST = 6
"""Pins of a list of the latest ones."""
LIST = np.dtype([("id", np.int64), ("pin_ids", np.int64, (LATEST,))])
LIKING = np.dtype([("id", np.int64), ("liked", np.float32), ("seen", np.float32)])

_counts = msgspec.json.Decoder(Counts)


class Recent:
    """Rows by id, each for `fresh` seconds. Ids share their places: the latest is kept. Used by many threads."""

    def __init__(self, row: np.dtype[np.void], fresh: float = MINUTE) -> None:
        self._row = row
        self._fresh = fresh
        self._rows = np.zeros(PLACES, row)
        self._until = np.zeros(PLACES)
        self._lock = threading.Lock()

    def get(self, ids: Ints, read: Read) -> Rows:
        """(n,): the row of each id. What is not kept is read, and kept."""
        places, now = ids % PLACES, time.monotonic()
        with self._lock:
            rows = self._rows[places]
            missing = (rows["id"] != ids) | (self._until[places] < now)
        if missing.any():
            found = np.array(read(np.unique(ids[missing]).tolist()), self._row)
            with self._lock:
                self._rows[found["id"] % PLACES] = found
                self._until[found["id"] % PLACES] = now + self._fresh
            rows[missing] = among(found, ids[missing])
        return rows


def among(found: Rows, ids: Ints) -> Rows:
    """(n,): the row of each id, of those that were found."""
    rows = np.zeros(len(ids), found.dtype)
    if len(found):
        found = found[np.argsort(found["id"])]
        at = np.minimum(np.searchsorted(found["id"], ids), len(found) - 1)
        there = found["id"][at] == ids
        rows[there] = found[at[there]]
    return rows


class Lately:
    """What a process knows of pins that it met lately."""

    def __init__(self) -> None:
        self._pins, self._images, self._liking = Recent(FACT), Recent(FACT), Recent(LIKING)
        self._prints = Recent(PRINT, HOUR)
        self._on_boards, self._by_users = Recent(LIST), Recent(LIST)

    def of_pins(self, conn: Connection, pin_ids: Ints, viewer: int) -> Rows:
        """(n,): the `facts.Fact` of each that is ready and that the viewer sees."""

        def read(ids: list[int], viewer: int | None = None) -> list[tuple[Any, ...]]:
            return [(fact.pin_id, *fact) for fact in facts.of_pins(conn, ids, viewer)]

        rows = self._pins.get(pin_ids, read)
        return _completed(rows, pin_ids, lambda ids: read(ids, viewer))

    def of_images(self, conn: Connection, image_ids: Ints, viewer: int) -> Rows:
        """(n,): the `facts.Fact` of each one's oldest ready pin that everyone sees, or else that the viewer sees."""

        def read(ids: list[int], viewer: int | None = None) -> list[tuple[Any, ...]]:
            return [(fact.image_id, *fact) for fact in facts.of_images(conn, ids, viewer)]

        rows = self._images.get(image_ids, read)
        return _completed(rows, image_ids, lambda ids: read(ids, viewer))

    def liking(self, engines: Engines, pin_ids: Ints) -> tuple[Floats, Floats]:
        """(n,) each: how much pins were liked, and how often they were seen. Raises `Unavailable`."""

        def read(ids: list[int]) -> list[tuple[Any, ...]]:
            found = engines.metadata.get_many([f"counts:{pin_id}" for pin_id in ids])
            counts = [_counts.decode(found.get(f"counts:{pin_id}", b"{}")) for pin_id in ids]
            return [(pin_id, likes(each), each.impressions) for pin_id, each in zip(ids, counts, strict=True)]

        rows = self._liking.get(pin_ids, read)
        return rows["liked"], rows["seen"]

    def prints(self, engines: Engines, conn: Connection, image_ids: Sequence[int]) -> Rows:
        """(n,): the hashes of images, which do not change. Raises `Unavailable`."""
        return self._prints.get(np.array(image_ids, np.int64), partial(prints, engines, conn))

    def on_boards(self, conn: Connection, board_ids: Sequence[int]) -> list[list[int]]:
        """Of each the latest pins, whoever may see them, with zeros up to `LATEST`."""
        return _lists(self._on_boards, board_ids, partial(facts.on_boards, conn))

    def by_users(self, conn: Connection, user_ids: Sequence[int]) -> list[list[int]]:
        """Of each person the latest pins that everyone sees, with zeros up to `LATEST`."""
        return _lists(self._by_users, user_ids, partial(facts.by_users, conn))


def _lists(kept: Recent, ids: Sequence[int], ask: Callable[[list[int], int], dict[int, list[int]]]) -> list[list[int]]:
    def read(missing: list[int]) -> list[tuple[Any, ...]]:
        return [(one, pin_ids + [0] * (LATEST - len(pin_ids))) for one, pin_ids in ask(missing, LATEST).items()]

    return kept.get(np.array(ids, np.int64), read)["pin_ids"].tolist()  # type: ignore[no-any-return]


def _completed(rows: Rows, ids: Ints, read: Read) -> Rows:
    """With what is not kept for all."""
    missing = rows["id"] == 0
    if missing.any():
        found = np.array(read(np.unique(ids[missing]).tolist()), rows.dtype)
        rows[missing] = among(found, ids[missing])
    return rows


def likes(counts: Counts) -> float:
    """Saves and half of the clicks, less what was hidden; a closeup alone says little."""
    return max(0.0, counts.saves + 0.5 * counts.clicks + 0.1 * counts.closeups - counts.hides)
