"""One list for one person: candidates gathered, sifted, ranked and blended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bowerbird.catalog import facts as catalog
from bowerbird.feed import blend, rank, sources
from bowerbird.feed.features import NAMES, SOURCES, Table, looks_of, rate, tabulate
from bowerbird.feed.placing import Item, limit_of
from bowerbird.feed.recent import FACT, Rows
from bowerbird.feed.request import Asked, Proposal, Why
from bowerbird.model import CHOICE, EventKind
from bowerbird.ports import Floats, Ints, Unavailable

MOST = 100
"""Pins on one list; who scrolls past it gets another."""
FEW = 60
"""Fewer than this, and the newest pins fill it up."""
SPARE = 30
"""More than these are placed, for some turn out to be near-duplicates, or what the viewer has."""
RANKED = 200
"""Best candidates, by what is known of them without another look, that are ranked and blended."""
TIRED = 2.5
"""Times of having been shown, as `features.tiredness` counts them, from which a pin waits until nothing else is
left."""
NEAR = 0.5
"""Cosine to its medoid from which a picture belongs to an interest; see `taste.APART`."""
HAD = (EventKind.SAVE, EventKind.UPLOAD)
CHUNK = 200
"""Newest pins that are looked at together."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far the newest pins, which come when all else is spent, have been gone through."""

    before_id: int | None = None
    tired: bool = False
    """Whether those shown too often have their turn; they come last."""
    done: bool = False


class Composed(NamedTuple):
    items: list[Item]
    cursor: Cursor


SHARES = np.array([rank.WEIGHTS[name] for name in SOURCES], np.float32)


def compose(asked: Asked, cursor: Cursor) -> Composed:
    """The next list of a chain; empty when everything has been shown."""
    pool = _gather(asked, sources.ask(asked))
    items = _list(asked, pool)
    if len(items) < FEW:
        more, cursor = _newest(asked, cursor, items)
        items += more
    return Composed(items, cursor)


class Pool(NamedTuple):
    """Candidates that this viewer sees, a row each."""

    facts: Rows
    proposed: Floats
    """(n, sources)"""
    first: Ints
    """(n, sources): the number of each source's first proposal; -1 where there is none."""
    proposals: list[Proposal]

    def why(self, number: int) -> Why:
        why = self.proposals[number].why
        return why if isinstance(why, Why) else why()


def _gather(asked: Asked, found: dict[str, list[Proposal]]) -> Pool:
    proposals = [proposal for some in found.values() for proposal in some]
    numbers = np.array([SOURCES.index(name) for name in found], np.int64)
    columns = numbers.repeat([len(some) for some in found.values()])
    facts = _facts(asked, proposals)
    # Most of what the viewer has is among what they did last; the rest is asked once there are few.
    had = {action.image_id for action in asked.taste.actions if action.kind in HAD and action.source != CHOICE}
    known = zip(facts["pin_id"].tolist(), facts["image_id"].tolist(), strict=True)
    fit = np.flatnonzero([pin > 0 and pin not in asked.left_out and image not in had for pin, image in known])
    # Two pins of one image are one candidate: the first that was proposed.
    images, at, of = np.unique(facts["image_id"][fit], return_index=True, return_inverse=True)
    order = np.argsort(at)
    rows = np.argsort(order)[of]
    pool = Pool(
        facts[fit[at[order]]],
        np.zeros((len(images), len(SOURCES)), np.float32),
        np.full((len(images), len(SOURCES)), -1),
        proposals,
    )
    scores = np.array([proposal.score for proposal in proposals], np.float32)
    np.maximum.at(pool.proposed, (rows, columns[fit]), np.maximum(scores[fit], 1e-3))
    pool.first[rows[::-1], columns[fit][::-1]] = fit[::-1]  # of several the last that is set, which is the first
    return pool


def _facts(asked: Asked, proposals: Sequence[Proposal]) -> Rows:
    """(n,): those of the pin that each proposes, or of the pin of its image that the viewer is shown."""
    pin_ids = np.array([proposal.pin_id for proposal in proposals], np.int64)
    image_ids = np.array([proposal.image_id for proposal in proposals], np.int64)
    named, lately = pin_ids > 0, asked.feed.lately
    facts = np.zeros(len(proposals), FACT)
    facts[named] = lately.of_pins(asked.conn, pin_ids[named], asked.viewer)
    facts[~named] = lately.of_images(asked.conn, image_ids[~named], asked.viewer)
    return facts


def _list(asked: Asked, pool: Pool) -> list[Item]:
    if not len(pool.facts):
        return []
    table = tabulate(asked, pool.facts, pool.proposed)
    best = _sifted(asked, table)
    rate(asked, table, best)
    scores = _scores(asked, table)[best]
    traits = blend.traits(table.looks[best], pool.facts["user_id"][best], _boards(pool, best))
    order = best[blend.diversify(scores, traits, MOST + SPARE, _interests(asked, table, best))]
    mixed = np.array(blend.with_fresh(order.tolist(), _exploring(table, best)), np.int64)
    kept = folded(asked, table, _new(asked, table, mixed))
    return _items(pool, table, kept[:MOST])


def _sifted(asked: Asked, table: Table) -> Ints:
    """The rows that are worth asking more about, without what the viewer hid or is tired of."""
    fit = ~_hidden(asked, table) & (table.features[:, NAMES.index("tired")] < TIRED)
    order = np.argsort(-rank.scores(table.features), kind="stable")
    return order[fit[order]][:RANKED]


def _new(asked: Asked, table: Table, rows: Ints) -> Ints:
    """Those of the rows that the viewer has neither pinned nor saved."""
    images = table.facts["image_id"][rows].tolist()
    had = catalog.had(asked.conn, images, asked.viewer)
    return rows[[image_id not in had for image_id in images]]


def _scores(asked: Asked, table: Table) -> Floats:
    """A model that fails is no model."""
    try:
        return rank.scores(table.features, asked.feed.model)
    except Exception:
        asked.feed.missed["model:failed"] += 1
        return rank.scores(table.features)


def _hidden(asked: Asked, table: Table) -> NDArray[np.bool_]:
    """(n,): whether each was hidden or is like something that was."""
    hidden = asked.taste.hidden
    gone = {action.pin_id for action in hidden} | {-action.image_id for action in hidden if action.image_id}
    known = zip(table.facts["pin_id"].tolist(), table.facts["image_id"].tolist(), strict=True)
    named = np.array([pin_id in gone or -image_id in gone for pin_id, image_id in known], bool)
    if not table.alike.shape[1]:
        return named
    limits = np.array([limit_of(action) for action in hidden[: table.alike.shape[1]]])
    return named | (table.alike >= limits).any(axis=1)


def folded(asked: Asked, table: Table, best: Ints, before: Sequence[int] = ()) -> Ints:
    """These rows without near-duplicates of better ones and of the images `before` them."""
    feed, images = asked.feed, [*before, *table.facts["image_id"][best].tolist()]
    looks = np.concatenate([looks_of(asked, before), table.looks[best]])
    try:
        kept = np.array(feed.fold(images, looks, partial(feed.lately.prints, feed.engines, asked.conn)), np.int64)
    except Unavailable:
        feed.missed["fold:failed"] += 1
        return best
    return best[kept[kept >= len(before)] - len(before)]


def _boards(pool: Pool, rows: Ints) -> Ints:
    """A board of each, that it was proposed from; 0 for none."""
    first = pool.first[rows, SOURCES.index("followed")].tolist()
    return np.array([pool.why(at).board_id if at >= 0 else 0 for at in first], np.int64)


def _interests(asked: Asked, table: Table, rows: Ints) -> blend.Interests | None:
    """Which interest each row is near to, and what each is due: its importance, as far as there is something."""
    if table.interests.shape[1] < 2:
        return None
    near = table.interests[rows]
    of = np.where(near.max(axis=1) >= NEAR, near.argmax(axis=1), -1)
    there = np.bincount(of[of >= 0], minlength=near.shape[1]) > 0
    dues = np.array([one.importance for one in asked.taste.interests[: near.shape[1]]], np.float32) * there
    return blend.Interests(of, dues / dues.sum()) if dues.any() else None


def _exploring(table: Table, rows: Ints) -> list[int]:
    """Rows that the source of fresh pins proposed, the most promising draw first."""
    drawn = table.proposed[rows, SOURCES.index("fresh")]
    return [int(rows[at]) for at in np.argsort(-drawn, kind="stable") if drawn[at] > 0]


def _items(pool: Pool, table: Table, rows: Ints) -> list[Item]:
    """Each is said to come from the source that counts most for it."""
    columns = np.argmax(pool.proposed[rows] * SHARES, axis=1)
    firsts = pool.first[rows, columns].tolist()
    features = table.features[rows].astype(np.float16)
    pins, images = pool.facts["pin_id"][rows].tolist(), pool.facts["image_id"][rows].tolist()
    known = zip(pins, images, columns.tolist(), firsts, features, strict=True)
    return [
        Item(pin_id, image_id, SOURCES[column], pool.why(first), row.tobytes())
        for pin_id, image_id, column, first, row in known
    ]


def _newest(asked: Asked, cursor: Cursor, items: list[Item]) -> tuple[list[Item], Cursor]:
    """The newest pins from the cursor on that are not on the list yet, and where the cursor is then."""
    found: list[Item] = []
    listed = {item.pin_id for item in items}
    while len(found) < FEW and not cursor.done:
        ids = catalog.newest(asked.conn, CHUNK, cursor.before_id, asked.viewer)
        if not ids:
            cursor = Cursor(None, tired=True, done=cursor.tired)
            continue
        fresh = [pin_id for pin_id in ids if pin_id not in listed and pin_id not in asked.left_out]
        facts = asked.feed.lately.of_pins(asked.conn, np.array(fresh, np.int64), asked.viewer)
        facts = facts[facts["id"] > 0]
        table = tabulate(asked, facts, np.zeros((len(facts), len(SOURCES)), np.float32))
        late = table.features[:, NAMES.index("tired")] >= TIRED
        fit = _new(asked, table, np.flatnonzero(~_hidden(asked, table) & (late == cursor.tired)))
        rate(asked, table, fit)
        before = [item.image_id for item in (*items, *found)]
        for row in folded(asked, table, fit, before).tolist():
            features = table.features[row].astype(np.float16).tobytes()
            found.append(Item(int(facts["pin_id"][row]), int(facts["image_id"][row]), "newest", Why("new"), features))
        cursor = Cursor(ids[-1], cursor.tired)
    return found, cursor
