"""One list for one person: candidates gathered, sifted, ranked and blended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bowerbird.catalog import facts as catalog
from bowerbird.catalog.facts import Fact
from bowerbird.feed import blend, rank, sources
from bowerbird.feed.features import SOURCES, Table, tabulate, tiredness
from bowerbird.feed.placing import Item, limit_of
from bowerbird.feed.request import Asked, Feed, Proposal, Why
from bowerbird.model import Hit
from bowerbird.ports import Floats, Ints, Unavailable

MOST = 100
"""Pins on one list; who scrolls past it gets another."""
FEW = 60
"""Fewer than this, and the newest pins fill it up."""
RANKED = 240
"""Best candidates that are blended."""
TIRED = 2.5
"""Times of having been shown, as `features.tiredness` counts them, from which a pin waits until nothing else is
left."""
NEAR = 0.5
"""Cosine to its medoid from which a picture belongs to an interest; see `taste.APART`."""
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


class Hashes(msgspec.Struct, frozen=True):
    """The part of a `model.Look` that tells near-duplicates."""

    phash: str = ""
    phash_flip: str = ""


SHARES = np.array([rank.WEIGHTS[name] for name in SOURCES], np.float32)
_hashes = msgspec.json.Decoder(Hashes)


def compose(asked: Asked, cursor: Cursor) -> Composed:
    """The next list of a chain; empty when everything has been shown."""
    pool = _gather(asked, sources.ask(asked))
    items = _list(asked, pool)
    if len(items) < FEW:
        more, cursor = _newest(asked, cursor, items)
        items += more
    return Composed(items, cursor)


class Pool(NamedTuple):
    """Candidates that this viewer may be shown, a row each."""

    facts: list[Fact]
    whys: list[dict[int, Why]]
    """By the column of the source; each source's first."""
    proposed: Floats
    """(n, sources)"""


def _gather(asked: Asked, found: dict[str, list[Proposal]]) -> Pool:
    every = [proposal for proposals in found.values() for proposal in proposals]
    by_pin = {f.pin_id: f for f in catalog.of_pins(asked.conn, {p.pin_id for p in every if p.pin_id}, asked.viewer)}
    images = {p.image_id for p in every if not p.pin_id}
    by_image = {f.image_id: f for f in catalog.of_images(asked.conn, images, asked.viewer)}
    rows: dict[int, int] = {}
    pool = Pool([], [], np.zeros((len(every), len(SOURCES)), np.float32))
    for name, proposals in found.items():
        column = SOURCES.index(name)
        for proposal in proposals:
            fact = by_pin.get(proposal.pin_id) if proposal.pin_id else by_image.get(proposal.image_id)
            if fact is None or fact.mine or fact.pin_id in asked.left_out:
                continue
            row = rows.setdefault(fact.image_id, len(rows))  # two pins of one image are one candidate
            if row == len(pool.facts):
                pool.facts.append(fact)
                pool.whys.append({})
            pool.whys[row].setdefault(column, proposal.why)
            pool.proposed[row, column] = max(pool.proposed[row, column], proposal.score, 1e-3)
    return pool._replace(proposed=pool.proposed[: len(rows)])


def _list(asked: Asked, pool: Pool) -> list[Item]:
    if not pool.facts:
        return []
    table = tabulate(asked, pool.facts, pool.proposed)
    fit = ~_hidden(asked, table) & (tiredness(asked.shown, asked.now, pool.facts) < TIRED)
    scores = _scores(asked, table)
    scores[~fit] = -np.inf
    best = np.argsort(-scores, kind="stable")[: min(RANKED, int(fit.sum()))]
    kept = folded(asked.feed, pool.facts, best)
    traits = blend.traits(table.looks[kept], [pool.facts[row].user_id for row in kept], _boards(asked, pool, kept))
    order = kept[blend.diversify(scores[kept], traits, MOST, _interests(asked, table, kept))]
    fresh = _exploring(table, kept)
    return [_item(pool, table, row) for row in blend.with_fresh(order.tolist(), fresh)]


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
    named = np.array([fact.pin_id in gone or -fact.image_id in gone for fact in table.facts], bool)
    if not table.alike.shape[1]:
        return named
    limits = np.array([limit_of(action) for action in hidden[: table.alike.shape[1]]])
    return named | (table.alike >= limits).any(axis=1)


def folded(feed: Feed, facts: list[Fact], best: Ints, before: Sequence[int] = ()) -> Ints:
    """These rows without near-duplicates of better ones and of the images `before` them."""
    chosen = [facts[row] for row in best.tolist()]
    hits = [Hit(image_id, 0.0) for image_id in (*before, *(fact.image_id for fact in chosen))]
    engines = feed.engines
    try:
        known = engines.metadata.get_many([f"look:{fact.media}" for fact in chosen])
        hashes = dict.fromkeys(before, Hashes())
        hashes |= {fact.image_id: _hashes.decode(known.get(f"look:{fact.media}", b"{}")) for fact in chosen}
        kept = {hit.image_id for hit in feed.fold(engines, hits, hashes, len(hits))}
    except Unavailable:
        feed.missed["fold:failed"] += 1
        return best
    return best[[fact.image_id in kept for fact in chosen]]


def _boards(asked: Asked, pool: Pool, rows: Ints) -> list[int]:
    """A board of each, that it was proposed from; 0 for none."""
    return [next((why.board_id for why in pool.whys[row].values() if why.board_id), 0) for row in rows]


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


def _item(pool: Pool, table: Table, row: int) -> Item:
    """It is said to come from the source that counts most for it."""
    column = int(np.argmax(pool.proposed[row] * SHARES))
    fact, features = pool.facts[row], table.features[row].astype(np.float16)
    return Item(fact.pin_id, fact.image_id, SOURCES[column], pool.whys[row][column], features.tobytes())


def _newest(asked: Asked, cursor: Cursor, items: list[Item]) -> tuple[list[Item], Cursor]:
    """The newest pins from the cursor on that are not on the list yet, and where the cursor is then."""
    found: list[Item] = []
    listed = {item.pin_id for item in items}
    while len(found) < FEW and not cursor.done:
        ids = catalog.newest(asked.conn, CHUNK, cursor.before_id)
        if not ids:
            cursor = Cursor(None, tired=True, done=cursor.tired)
            continue
        fresh = [pin_id for pin_id in ids if pin_id not in listed and pin_id not in asked.left_out]
        facts = [fact for fact in catalog.of_pins(asked.conn, fresh, asked.viewer) if not fact.mine]
        facts.sort(key=lambda fact: -fact.pin_id)
        table = tabulate(asked, facts, np.zeros((len(facts), len(SOURCES)), np.float32))
        late = tiredness(asked.shown, asked.now, facts) >= TIRED
        fit = ~_hidden(asked, table) & (late == cursor.tired)
        before = [item.image_id for item in (*items, *found)]
        for row in folded(asked.feed, facts, np.flatnonzero(fit), before).tolist():
            features = table.features[row].astype(np.float16).tobytes()
            found.append(Item(facts[row].pin_id, facts[row].image_id, "newest", Why("new"), features))
        cursor = Cursor(ids[-1], cursor.tired)
    return found, cursor
