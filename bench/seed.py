"""A data folder with as many pins as wanted: rows, words, looks and vectors like real ones, and one real picture.

Vectors lie in clusters (2,000 a million pins) with a falling spectrum, as embeddings do.
"""

from __future__ import annotations

import base64
import random
import time
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from bowerbird import wiring
from bowerbird.catalog import boards, tables, users, words
from bowerbird.model import WIDTHS, Look, Rendition, State, Swatch, Tag, media_name
from bowerbird.ports import Engines
from bowerbird.settings import Settings

USERS, BOARDS = 500, 4000
BATCH = 10_000
NOUNS = [
    "bower",
    "feather",
    "shell",
    "river",
    "lantern",
    "harbour",
    "meadow",
    "tile",
    "orchid",
    "bridge",
    "kettle",
    "owl",
]
KINDS = ["blue", "quiet", "striped", "old", "bright", "painted", "wild", "round", "winter", "glass", "paper", "tiny"]


def seed(folder: Path, count: int, **engines: str) -> Settings:
    """Settings of a data folder with `count` pins; one that is there already is used again."""
    settings = Settings(data=folder, **engines)
    done = folder / f"seeded-{count}"
    if done.exists():
        return settings
    engines = wiring.connect(settings)
    rng = np.random.default_rng(5)
    dice = random.Random(5)
    _people(engines)
    for start in range(1, count + 1, BATCH):
        _pins(engines, dice, start, min(BATCH, count + 1 - start))
    _vectors(engines, rng, count)
    _settle(engines, folder, count)
    engines.close()
    done.touch()
    return settings


def _people(engines: Engines) -> None:
    with engines.database.write() as conn:
        for number in range(USERS):
            users.create(conn, f"user{number}", "!", f"User {number}")
        for number in range(BOARDS):
            boards.create(conn, 1 + number % USERS, f"{KINDS[number % 12].title()} things {number}")


def _pins(engines: Engines, dice: random.Random, start: int, count: int) -> None:
    now = time.time() - 1e7
    images, pins, saves = [], [], []
    for number in range(start, start + count):
        sha256 = f"{number:064x}"
        images.append(
            {
                "id": number,
                "sha256": sha256,
                "media": media_name(sha256),
                "state": State.READY.value,
                "bytes": 200_000,
                "tags": dice.choice(NOUNS),
                "created_at": now + number,
                "touched_at": now + number,
            }
        )
        pins.append(
            {
                "id": number,
                "user_id": 1 + number % USERS,
                "image_id": number,
                "title": f"{dice.choice(KINDS)} {dice.choice(NOUNS)} {dice.choice(NOUNS)}".capitalize(),
                "secret": False,
                "ready": True,
                "saves": 2,
                "created_at": now + number,
            }
        )
        saves += [
            {"board_id": board, "pin_id": number, "user_id": 1 + (board - 1) % USERS, "saved_at": now + number}
            for board in dice.sample(range(1, BOARDS + 1), 2)
        ]
    with engines.database.write() as conn:
        conn.execute(sa.insert(tables.images), images)
        conn.execute(sa.insert(tables.pins), pins)
        conn.execute(sa.insert(tables.saves), saves)
        words.refresh(conn, range(start, start + count))
    for row in images:
        engines.metadata.put(f"look:{row['media']}", msgspec.json.encode(_look(dice)))


def _look(dice: random.Random) -> Look:
    width, height = dice.randint(800, 4000), dice.randint(800, 4000)
    sizes = [Rendition(min(w, width), max(1, height * min(w, width) // width), 40 * w) for w in WIDTHS if w <= width]
    return Look(
        width=width,
        height=height,
        format="jpeg",
        renditions=tuple(sizes),
        thumbhash=base64.b64encode(dice.randbytes(21)).decode(),
        palette=tuple(Swatch(f"#{dice.randrange(1 << 24):06x}", 0.2) for _ in range(5)),
        phash=f"{dice.getrandbits(64):016x}",
        phash_flip=f"{dice.getrandbits(64):016x}",
        tags=(Tag(dice.choice(NOUNS), 0.8),),
    )


def _vectors(engines: Engines, rng: np.random.Generator, count: int) -> None:
    for index in (engines.looks, engines.colours):
        spread = np.arange(1, index.dim + 1) ** -0.6
        centres = rng.standard_normal((max(20, count // 500), index.dim)) * spread
        for start in range(1, count + 1, BATCH):
            ids = np.arange(start, min(start + BATCH, count + 1), dtype=np.int64)
            own = rng.standard_normal((len(ids), index.dim)) * spread
            rows = centres[rng.integers(len(centres), size=len(ids))] + own
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            index.add(ids, rows.astype(np.float32))


def _settle(engines: Engines, folder: Path, count: int, patience: float = 900.0) -> None:
    """Wait until the indexes that are due are built."""
    ends = time.monotonic() + patience
    due = [index for index in (engines.looks, engines.colours) if count >= 20_000]
    while due and time.monotonic() < ends:
        for index in due:
            index.search(index.get(np.array([1], np.int64)), 1)
            index.add(np.array([1], np.int64), index.get(np.array([1], np.int64)))  # a write looks whether one is due
        built = list((folder / "vectors").glob("*/current"))
        due = due if len(built) < len(due) else []
        time.sleep(5.0)
