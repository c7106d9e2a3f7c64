"""A large site with people who have tastes: 100,000 pins, 10,000 users, 2,000,000 saves, and what is known of each.

It stands on `bench.seed`. Everyone loves a few clusters of the vectors, and saves from these and from what is
popular; their tastes, counts and trends are written as the event processors would.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from bench.seed import KINDS, NOUNS, seed
from bowerbird import wiring
from bowerbird.catalog import tables
from bowerbird.model import Action, Counts, Interest, Shown, Taste, Trend
from bowerbird.ports import Engines, Ints
from bowerbird.settings import Settings

BOARDS = 2
"""Of each person."""
HELD = 150
"""Actions that a taste holds."""
STYLES = 6
"""Seeds of taste of each person."""


def site(folder: Path, pins: int, users: int, saves: int) -> Settings:
    """Settings of the data folder; one that is there already is used again."""
    settings = seed(folder, pins)
    done = folder / f"feed-{users}-{saves}"
    if done.exists():
        return settings
    engines = wiring.connect(settings)
    dice = np.random.default_rng(3)
    first = _people(engines, users)
    like = _likeness(engines, pins, dice)
    popular = dice.zipf(1.3, pins).clip(1, 3000).astype(np.float64)
    each = max(1, saves // users)
    counted = np.zeros(pins + 1, np.int64)
    for start in range(0, users, 500):
        _save(engines, dice, first, range(start, min(start + 500, users)), each, like, popular / popular.sum(), counted)
    _counts(engines, dice, pins, counted)
    engines.close()
    done.touch()
    return settings


def _people(engines: Engines, users: int) -> int:
    """The id of the first of the new people; each owns `BOARDS` boards and follows ten others and three boards."""
    now = time.time() - 1e7
    with engines.database.write() as conn:
        first = 1 + (conn.scalar(sa.select(sa.func.max(tables.users.c.id))) or 0)
        board = 1 + (conn.scalar(sa.select(sa.func.max(tables.boards.c.id))) or 0)
        people = [
            {
                "id": first + n,
                "username": f"reader{n}",
                "name": f"R {n}",
                "role": "user",
                "password": "!",
                "created_at": now,
            }
            for n in range(users)
        ]
        conn.execute(sa.insert(tables.users), people)
        boards = [
            {
                "id": board + n,
                "user_id": first + n // BOARDS,
                "name": f"Board {n}",
                "slug": f"board-{n}",
                "secret": False,
            }
            | {"created_at": now}
            for n in range(users * BOARDS)
        ]
        conn.execute(sa.insert(tables.boards), boards)
        hop = range(1, 11)
        follows = [
            {"follower_id": first + n, "user_id": first + (n + 37 * k) % users, "created_at": now}
            for n in range(users)
            for k in hop
            if 37 * k % users
        ]
        conn.execute(sa.insert(tables.follows), follows)
        followed = [
            {"follower_id": first + n, "board_id": board + (n * BOARDS + 101 * k) % (users * BOARDS), "created_at": now}
            for n in range(users)
            for k in range(1, 4)
        ]
        conn.execute(sa.insert(tables.board_follows), followed)
    return first


def _likeness(engines: Engines, pins: int, dice: np.random.Generator) -> Ints:
    """(2000, 200): for some pins the most alike ones."""
    some = dice.choice(np.arange(1, pins + 1), min(2000, pins), replace=False).astype(np.int64)
    looks = engines.looks.get(some)
    found = [engines.looks.search(looks[at : at + 50], min(200, pins)).ids for at in range(0, len(some), 50)]
    return np.concatenate(found)


def _save(engines: Engines, dice: np.random.Generator, first: int, people: range, each: int, like: Ints,
          popular: np.ndarray, counted: Ints) -> None:  # fmt: skip
    now = time.time() - 3600
    rows, documents = [], {}
    for number in people:
        styles = dice.choice(len(like), STYLES, replace=False)
        own = like[styles].ravel()
        chosen = np.unique(
            np.concatenate([
                dice.choice(own[own > 0], int(each * 0.75)),
                dice.choice(len(popular), int(each * 0.5), p=popular) + 1,
            ])
        )  # fmt: skip
        chosen = dice.permutation(chosen)[:each]
        counted[chosen] += 1
        at = now - np.sort(dice.random(len(chosen))) * 8e6
        user = first + number
        rows += [
            {
                "board_id": 4001 + number * BOARDS + int(n % BOARDS),
                "pin_id": int(pin),
                "user_id": user,
                "saved_at": float(t),
            }
            for n, (pin, t) in enumerate(zip(chosen, at, strict=True))
        ]
        latest = [Action("save", int(pin), int(pin), float(t)) for pin, t in zip(chosen[:HELD], at[:HELD], strict=True)]
        share = dice.dirichlet(np.ones(STYLES))
        interests = [
            Interest(int(like[s][0]), float(w), tuple(int(p) for p in like[s][:4]))
            for s, w in zip(styles, share, strict=True)
        ]
        search = (f"{dice.choice(KINDS)} {dice.choice(NOUNS)}", now)
        documents[f"taste:{user}"] = Taste(0, tuple(latest), (), (search,), tuple(interests))
        seen = dice.choice(len(popular), 400, replace=False) + 1
        documents[f"shown:{user}"] = Shown(0, {int(pin): (1, now) for pin in seen})
    with engines.database.write() as conn:
        conn.execute(sa.insert(tables.saves).prefix_with("OR IGNORE"), rows)
    engines.metadata.put_many({key: msgspec.json.encode(document) for key, document in documents.items()})


def _counts(engines: Engines, dice: np.random.Generator, pins: int, counted: Ints) -> None:
    with engines.database.write() as conn:
        held = sa.select(sa.func.count()).where(tables.saves.c.pin_id == tables.pins.c.id).scalar_subquery()
        conn.execute(sa.update(tables.pins).values(saves=held))
    documents = {}
    for pin in range(1, pins + 1):
        saves = int(counted[pin])
        counts = Counts(0, saves * 20 + int(dice.integers(0, 200)), saves * 3, saves, saves, 0)
        documents[f"counts:{pin}"] = msgspec.json.encode(counts)
    engines.metadata.put_many(documents)
    best = np.argsort(-counted)[:200]
    trend = Trend(0, time.time(), tuple((int(pin), float(counted[pin])) for pin in best))
    engines.metadata.put("trend:", msgspec.json.encode(trend))
