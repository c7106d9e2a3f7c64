"""What people did with their walls, as lists to learn from: what was served, what of it was seen, and what followed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowerbird.feed.features import NAMES, columns_of
from bowerbird.feed.served import SERVED
from bowerbird.model import EventKind
from bowerbird.ports import Floats, Ints

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WORTH = {"hidden": -2.0, "saved": 3.0, "opened": 1.0}
"""Of what followed, the first that is true; nothing is worth 0."""
SOON = 3600.0
"""Seconds after which what someone does with a pin is not put down to the feed any more that showed it to them."""
LATEST = 20_000
"""Lists that are learned from."""
OF_ONE = 300
"""Of one person: whoever does a thousand things an hour must not decide for the others."""
ACTS = (EventKind.CLOSEUP, EventKind.CLICK, EventKind.SAVE, EventKind.UNSAVE, EventKind.HIDE, EventKind.UNHIDE)
KINDS = (SERVED, EventKind.IMPRESSION, *ACTS)
"""Events that it is made of."""


class Lesson(NamedTuple):
    """Lists that were served, each with the pins on it that were seen."""

    features: Floats
    """(n, features): of each pin, as they were when it was served."""
    depths: Ints
    """(n,): how many pins were above it."""
    worth: Floats
    """(n,): of what followed."""
    lists: Ints
    """(n,): which list it was on; numbers from 0, rising."""
    people: Ints
    """(lists,): whose it was."""
    at: NDArray[np.float64]
    """(lists,): when it was served, in seconds since the epoch."""

    @property
    def acts(self) -> int:
        """Pins that something followed."""
        return int(np.count_nonzero(self.worth))

    def only(self, chosen: NDArray[np.bool_]) -> Lesson:
        """Of these lists; `chosen` (lists,)."""
        rows, number = chosen[self.lists], np.cumsum(chosen) - 1
        parts = (self.features[rows], self.depths[rows], self.worth[rows], number[self.lists[rows]])
        return Lesson(*parts, self.people[chosen], self.at[chosen])


_LISTED = f"""
WITH told AS (
  SELECT seq, kind, "at", user_id, pin_id, coalesce(request, '') AS request FROM events
  WHERE kind <> '{SERVED}' AND user_id > 0 AND pin_id > 0 AND "at" <= $now
), pages AS (
  SELECT seq, user_id, request FROM events
  WHERE kind = '{SERVED}' AND request <> '' AND data ->> '$.columns' = $columns AND "at" <= $now - $soon
), wanted AS (
  -- A list that nothing was done with tells only how far someone scrolled.
  SELECT user_id, request FROM (
    SELECT user_id, request, max(seq) AS latest FROM told WHERE kind <> 'impression' AND request <> ''
    GROUP BY user_id, request
  ) SEMI JOIN pages USING (user_id, request)
  QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY latest DESC) <= $of_one
  ORDER BY latest DESC LIMIT $latest
), served AS (
  SELECT seq, "at", user_id, request, unnest(CAST(data -> '$.pins' AS BIGINT[])) AS pin_id,
         unnest(CAST(data -> '$.depths' AS BIGINT[])) AS depth,
         unnest(range(json_array_length(data -> '$.pins')::BIGINT)) AS number
  FROM events SEMI JOIN (FROM pages SEMI JOIN wanted USING (user_id, request)) USING (seq)
), followed AS (
  -- Under its own request whenever it was, for a browser's clock may say anything; of a page that was asked for again
  -- the last time.
  SELECT served.seq, served.number, told.kind, told.request = served.request AS here
  FROM told JOIN served USING (user_id, pin_id)
  WHERE told.request = served.request
     OR (told.kind <> 'impression' AND told."at" - served."at" BETWEEN 0 AND $soon)
  QUALIFY row_number() OVER (PARTITION BY told.seq ORDER BY here DESC, served.seq DESC) = 1
)
SELECT min(seq) OVER (PARTITION BY user_id, request) AS list, seq, number, user_id, "at", depth,
       count(*) FILTER (kind = 'hide') > count(*) FILTER (kind = 'unhide') AS hidden,
       count(*) FILTER (kind = 'save') > count(*) FILTER (kind = 'unsave') AS saved,
       count(*) FILTER (kind IN ('closeup', 'click')) > 0 AS opened
FROM served JOIN followed USING (seq, number)
GROUP BY seq, number, user_id, request, "at", depth HAVING bool_or(here)
"""  # noqa: S608
_FEATURES = """
SELECT seq, data ->> '$.features' FROM events SEMI JOIN listed USING (seq) ORDER BY seq"""


def lesson(db: DuckDBPyConnection, now: float, names: Sequence[str] = NAMES) -> Lesson:
    """From the table `events` (`events.report.table`) with events of `KINDS`, and the data of those `SERVED`: lists
    served with features of these names, of which at least two pins were seen that fared differently."""
    limits = {"now": now, "soon": SOON, "of_one": OF_ONE, "latest": LATEST, "columns": columns_of(names)}
    db.execute(f"CREATE OR REPLACE TEMP TABLE listed AS {_LISTED}", limits)
    rows = db.execute("FROM listed ORDER BY list, seq, number").fetchnumpy()
    pages = db.execute(_FEATURES).fetchall()
    tables = [np.frombuffer(base64.b64decode(text), np.float16).reshape(-1, len(names)) for _, text in pages]
    starts = np.cumsum([0, *(len(table) for table in tables)])
    at = starts[np.searchsorted([seq for seq, _ in pages], rows["seq"])] + rows["number"]
    features = np.concatenate([np.empty((0, len(names)), np.float16), *tables])[at].astype(np.float32)
    worth = np.select([rows[name] for name in WORTH], list(WORTH.values()), 0.0).astype(np.float32)
    _, first, lists = np.unique(rows["list"], return_index=True, return_inverse=True)
    given = Lesson(features, rows["depth"], worth, lists, rows["user_id"][first], rows["at"][first])
    best, least = (part.reduceat(worth, first) if len(first) else worth for part in (np.maximum, np.minimum))
    return given.only(best > least)
