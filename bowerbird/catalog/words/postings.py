"""The index of words in a database whose own full-text search cuts words another way: for each word the pins that
have it, and how much it counts there. Both tables are written here only."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Select, Subquery

from bowerbird.catalog.sight import VIEWER, pin_seen_by, viewer_of
from bowerbird.catalog.tables import pins
from bowerbird.catalog.words import tokens
from bowerbird.catalog.words.tokens import WEIGHTS, Query, Text

LONGEST = 64
"""Characters of a word that count."""
ENDINGS = 50
"""The most common words that a beginning may stand for."""
K1, B, LENGTH = 1.2, 0.75, 12
"""Of BM25: how soon more of the same word counts no more, how much length does, and the words of an ordinary pin."""
SCALE = 1000

terms = sa.table("words_terms", sa.column("id", sa.BigInteger), sa.column("term"), sa.column("pins", sa.Integer))
words = sa.table("words", *(sa.column(name, sa.BigInteger) for name in ("term_id", "pin_id", "weight")))


LIMIT = sa.bindparam("limit", type_=sa.Integer)


def many(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, expanding=True)


HELD = (
    sa.select(words.c.pin_id, terms.c.term, words.c.weight)
    .join(terms, terms.c.id == words.c.term_id)
    .where(words.c.pin_id.in_(many("ids")))
)
KNOWN = sa.select(terms.c.term, terms.c.id).where(terms.c.term.in_(many("terms")))
NEW_TERM = sa.insert(terms).values(term=sa.bindparam("new"), pins=0)
GONE = sa.delete(words).where(words.c.pin_id.in_(many("ids")), words.c.term_id.in_(many("terms")))
NEW = sa.insert(words).values({column.name: sa.bindparam(column.name) for column in words.c})
COUNT = sa.update(terms).where(terms.c.id.in_(many("terms"))).values(pins=terms.c.pins + sa.bindparam("more"))

Posting = tuple[int, str, int]
"""A pin's id, a word, its weight."""


def replace(conn: Connection, pin_ids: Sequence[int], texts: Mapping[int, Text]) -> None:
    """Writes only what differs: who saves a pin adds a board's name to it."""
    held: set[Posting] = {tuple(row) for row in conn.execute(HELD, {"ids": pin_ids})}
    wanted = _postings(texts)
    changed = {term for _, term, _ in held ^ wanted}
    if not changed:
        return
    gone, new = ([row for row in rows if row[1] in changed] for rows in (held, wanted))
    ids = _ids(conn, changed)
    if gone:
        conn.execute(GONE, {"ids": pin_ids, "terms": [ids[term] for term in changed]})
    if new:
        conn.execute(NEW, [{"term_id": ids[term], "pin_id": pin_id, "weight": weight} for pin_id, term, weight in new])
    _count(conn, ids, gone, new)


def _ids(conn: Connection, wanted: Iterable[str]) -> dict[str, int]:
    wanted = sorted(wanted)
    known = {row.term: row.id for row in conn.execute(KNOWN, {"terms": wanted})}
    new = [term for term in wanted if term not in known]
    if new:
        conn.execute(NEW_TERM, [{"new": term} for term in new])
        known |= {row.term: row.id for row in conn.execute(KNOWN, {"terms": new})}
    return known


def _count(conn: Connection, ids: Mapping[str, int], gone: Iterable[Posting], new: Iterable[Posting]) -> None:
    more = Counter(term for _, term, _ in new)
    more.subtract(term for _, term, _ in gone)
    by_more = defaultdict(list)
    for term, number in more.items():
        by_more[number].append(ids[term])
    for number in by_more.keys() - {0}:
        conn.execute(COUNT, {"more": number, "terms": by_more[number]})


def _postings(texts: Mapping[int, Text]) -> set[Posting]:
    cut = iter(tokens.tokens([field for text in texts.values() for field in text]))
    found: set[Posting] = set()
    for pin_id in texts:
        title, description, boards, tags = (next(cut) for _ in Text._fields)
        counts: Counter[str] = Counter()
        for field, weight in zip((title, description, boards, tags), WEIGHTS, strict=True):
            for term in [*field, *tokens.paired(field)]:
                counts[term[:LONGEST]] += weight
        # Boards make a pin no longer, or what many save would count less and less.
        length = len(title) + len(description) + len(tags)
        full = K1 * (1 - B + B * length / LENGTH)
        found |= {(pin_id, term, round(SCALE * n * (K1 + 1) / (n + full))) for term, n in counts.items()}
    return found


class Sought(NamedTuple):
    """One word of a query."""

    ids: list[int]
    """Of the words that it may stand for."""
    pins: int
    """How many have one of these, at most."""


def find(conn: Connection, asked: Query, viewer: int | None, limit: int) -> list[tuple[int, int, float]]:
    sought = _sought(conn, asked.words, asked.unfinished)
    there = sorted((word for word in sought if word.pins), key=lambda word: word.pins)
    total = conn.scalar(sa.select(sa.func.max(pins.c.id))) or 0
    given: dict[str, Any] = {"limit": limit, **viewer_of(viewer)}
    found: Sequence[sa.Row[Any]] = ()
    for at, word in enumerate(there):
        rarity = math.log(1 + max(0.0, total - word.pins + 0.5) / (word.pins + 0.5))
        given |= {f"ids{at}": word.ids, f"rarity{at}": rarity / SCALE}
    several = tuple(len(word.ids) > 1 for word in there)
    if there and len(there) in (1, len(sought)):  # of one word all is any
        found = conn.execute(_best(_with_all(several), viewer is None), given).all()
    if not found and len(there) > 1:
        found = conn.execute(_best(_with_any(several), viewer is None), given).all()
    return [(row.id, row.image_id, row.score) for row in found]


@cache
def _best(matched: Subquery, anonymous: bool) -> Select[Any]:
    return (
        sa.select(pins.c.id, pins.c.image_id, matched.c.score)
        .join(matched, matched.c.pin_id == pins.c.id)
        .where(pins.c.ready == sa.true(), pin_seen_by(None if anonymous else VIEWER))
        .order_by(matched.c.score.desc(), pins.c.id.desc())
        .limit(LIMIT)
    )


@cache
def _with_all(several: tuple[bool, ...]) -> Subquery:
    first, *others = (_having(at, more).subquery() for at, more in enumerate(several))
    joined: FromClause = first
    score: ColumnElement[float] = first.c.score
    for other in others:
        joined = joined.join(other, other.c.pin_id == first.c.pin_id)
        score = score + other.c.score
    return sa.select(first.c.pin_id, score.label("score")).select_from(joined).subquery()


@cache
def _with_any(several: tuple[bool, ...]) -> Subquery:
    each = sa.union_all(*(_having(at, more) for at, more in enumerate(several))).subquery()
    summed = sa.select(each.c.pin_id, sa.func.sum(each.c.score).label("score"))
    return summed.group_by(each.c.pin_id).subquery()


def _having(at: int, several: bool) -> Select[Any]:
    """The pins that have this word; where they may have several that it stands for, the best counts."""
    weight = sa.func.max(words.c.weight) if several else words.c.weight
    score = (weight * sa.bindparam(f"rarity{at}", type_=sa.Float)).label("score")
    one = sa.select(words.c.pin_id, score).where(words.c.term_id.in_(many(f"ids{at}")))
    return one.group_by(words.c.pin_id) if several else one


EXACT = sa.select(terms.c.term, terms.c.id, terms.c.pins).where(terms.c.term.in_(many("terms")), terms.c.pins > 0)
BEGINNING = (
    sa.select(terms.c.term, terms.c.id, terms.c.pins)
    .where(terms.c.term.like(sa.bindparam("beginning")), terms.c.pins > 0)
    .order_by(terms.c.pins.desc())
    .limit(ENDINGS)
)


def _sought(conn: Connection, typed: Sequence[str], unfinished: bool) -> list[Sought]:
    if not typed:
        return []
    *cut, whole = tokens.tokens([*typed, tokens.completed(typed[-1])])
    once = dict.fromkeys(term[:LONGEST] for word in reversed(cut) for term in reversed(tokens.needed(word)))
    wanted = [[term] for term in reversed(once)]
    if unfinished and cut[-1]:
        wanted[-1] += whole[-1:]
    known = {row.term: row for row in conn.execute(EXACT, {"terms": [*chain(*wanted)]})}
    found = [{term: known[term] for term in word if term in known} for word in wanted]
    if unfinished and cut[-1]:
        beginning = wanted[-1][0] + "%"
        found[-1] |= {row.term: row for row in conn.execute(BEGINNING, {"beginning": beginning})}
    return [Sought([row.id for row in rows.values()], sum(row.pins for row in rows.values())) for rows in found]


def lately(conn: Connection, asked: Query, limit: int) -> list[int]:
    sought = _sought(conn, asked.words, False)
    there = sorted((word for word in sought if word.pins), key=lambda word: word.pins)
    given: dict[str, Any] = {"limit": limit} | {f"id{at}": word.ids[0] for at, word in enumerate(there)}
    found: list[int] = []
    if there and len(there) == len(sought):
        found += conn.scalars(_latest_with_all(len(there)), given)
    if len(found) < limit and len(sought) > 1 and there:
        found += conn.scalars(_latest_with_any(len(there)), given)
    return found


def _latest(at: int) -> Select[Any]:
    return sa.select(words.c.pin_id).where(words.c.term_id == sa.bindparam(f"id{at}"))


@cache
def _latest_with_all(count: int) -> Select[Any]:
    rarest = _latest(0)
    for at in range(1, count):
        other = words.alias()
        there = sa.exists().where(other.c.term_id == sa.bindparam(f"id{at}"), other.c.pin_id == words.c.pin_id)
        rarest = rarest.where(there)
    return rarest.order_by(words.c.pin_id.desc()).limit(LIMIT)


@cache
def _latest_with_any(count: int) -> Select[Any]:
    each = (sa.select(_latest(at).order_by(words.c.pin_id.desc()).limit(LIMIT).subquery()) for at in range(count))
    some = sa.union(*each).subquery()
    return sa.select(some.c.pin_id).order_by(some.c.pin_id.desc()).limit(LIMIT)
