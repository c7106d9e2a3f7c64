"""Fill a fresh service with something to look at: the painted gallery and its people, or one's own photographs.

Everything may be interrupted and run again. A note in metadata says which painting became which pin, so
that nothing is painted twice and what someone deleted stays deleted.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import argon2
import msgspec
import sqlalchemy as sa

from bowerbird.catalog import boards, users
from bowerbird.catalog import follows as following
from bowerbird.catalog import tables as t
from bowerbird.demo.paint import Painting, gallery, paint
from bowerbird.demo.people import DEMO, PEOPLE, Shelf, follows, saves, shelves, uploaders
from bowerbird.ingest import importer, upload
from bowerbird.model import Board, Event, EventKind, Role

if TYPE_CHECKING:
    from bowerbird.ports import Engines

YEAR = 365 * 86400.0
"""Seconds over which the gallery's pins, boards and saves are spread, so that its walls look lived in."""
RECENT = 3 * 86400.0
"""Seconds into which the log squeezes that year."""

SYLLABLES = (
    "ba be bi bo da de do fa fe fi ka ke ki ko la le li lo ma me mi mo na ne no pa pe po ra re ri ro sa se ta te to"
)
AT_ONCE = 8
"""Paintings ahead of the one that is being stored."""

Report = Callable[[str, int, int], None]
"""What is done, how many of it, of how many."""


class Login(NamedTuple):
    username: str
    password: str


def seed(engines: Engines, progress: Report = lambda what, done, of: None) -> Login:
    """Paint the gallery, make its people, hang and save. Workers elsewhere develop what this puts in the queue."""
    login = _login(engines)
    if engines.metadata.get("demo:done"):
        return login
    ids = _people(engines)
    pins = _hang(engines, ids, gallery(), progress)
    start = _start(engines)
    _save(engines, ids, pins, start, progress)
    _age(engines, ids, pins, start)
    engines.metadata.put("demo:done", b"1")
    return login


def from_photos(
    engines: Engines,
    folder: Path,
    progress: Report = lambda what, done, of: None,
    *,
    max_bytes: int = upload.MAX_BYTES,
    tell: Callable[[importer.Imported], None] = lambda done: None,
) -> Login:
    """Import a folder for the demo account: a sub-folder becomes a board, and so do the pictures beside it. `tell` gets
    what came of the folder."""
    login = _login(engines)
    with engines.database.write() as conn:
        owner = users.by_name(conn, login.username)
        assert owner is not None
    report = partial(progress, "Importing")
    tell(importer.walk(engines, owner.id, folder, progress=report, max_bytes=max_bytes))
    on_none = ~sa.exists().where(t.saves.c.pin_id == t.pins.c.id)
    loose = sa.select(t.pins.c.id, t.pins.c.created_at).where(t.pins.c.user_id == owner.id, on_none)
    with engines.database.write() as conn:
        left = {row.id: row.created_at for row in conn.execute(loose)}
        if left:
            board = boards.get_or_create(conn, owner.id, folder.resolve().name[:80] or "Photos")
            for part in _parts(sorted(left), 500):
                boards.save_all(conn, board.id, owner.id, {pin_id: left[pin_id] for pin_id in part})
    return login


def _login(engines: Engines) -> Login:
    """The demo account, an administrator; its password is made once and noted."""
    noted = engines.metadata.get("demo:login")
    with engines.database.read() as conn:
        known = users.by_name(conn, DEMO.username)
    if noted is not None and known is not None:
        return Login(DEMO.username, msgspec.json.decode(noted, type=str))
    password = "-".join("".join(secrets.choice(SYLLABLES.split()) for _ in range(3)) for _ in range(4))
    hashed = argon2.PasswordHasher().hash(password)
    engines.metadata.put("demo:login", msgspec.json.encode(password))
    with engines.database.write() as conn:
        if known is None:
            known = users.create(conn, DEMO.username, hashed, DEMO.name, Role.ADMIN)
            users.update(conn, known.id, about=DEMO.about)
        else:
            users.set_password(conn, known.id, hashed)
    return Login(DEMO.username, password)


def _people(engines: Engines) -> dict[str, int]:
    """Ids by username. Nobody knows the password of the forty."""
    nobody = argon2.PasswordHasher().hash(secrets.token_urlsafe(32))
    with engines.database.write() as conn:
        ids = {user.username: user.id for user in users.every(conn)}
        for person in PEOPLE:
            if person.username not in ids:
                user = users.create(conn, person.username, nobody, person.name, Role.USER)
                users.update(conn, user.id, about=person.about)
                ids[person.username] = user.id
        for follower, followed in follows():
            following.person(conn, ids[follower], ids[followed])
    return ids


def _hang(engines: Engines, ids: dict[str, int], paintings: tuple[Painting, ...], progress: Report) -> dict[str, int]:
    """Paint and upload what is not there yet; pin ids by painting."""
    noted = engines.metadata.get_many([_key(painting) for painting in paintings])
    pins = {p.name: int(noted[_key(p)]) for p in paintings if _key(p) in noted}
    todo = [painting for painting in paintings if painting.name not in pins]
    by = uploaders(paintings)
    for painting, data in _painted(todo):
        progress("Painting", len(pins), len(paintings))
        taken = upload.accept(
            engines,
            ids[by[painting.name]],
            data,
            title=painting.title,
            description=painting.description,
            alt=painting.alt,
        )
        pins[painting.name] = taken.pin.id
        engines.metadata.put(_key(painting), str(taken.pin.id).encode())
    progress("Painting", len(pins), len(paintings))
    return pins


def _key(painting: Painting) -> str:
    return f"demo:painting:{painting.name}"


def _painted(todo: list[Painting]) -> Iterator[tuple[Painting, bytes]]:
    """In their order, painted by one process a core."""
    if not todo:
        return
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one thread a painter: their matrices are small
    context = multiprocessing.get_context("spawn")  # not fork: this process has threads
    pool = ProcessPoolExecutor(os.cpu_count(), context, initializer=_ignore_interrupts)
    try:
        coming = [pool.submit(paint, painting) for painting in todo[:AT_ONCE]]
        for number, painting in enumerate(todo):
            if number + AT_ONCE < len(todo):
                coming.append(pool.submit(paint, todo[number + AT_ONCE]))
            yield painting, coming.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C goes to every process of a terminal; the one in charge ends the painters."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _start(engines: Engines) -> float:
    """A year before this was first run; noted, for what was saved before a break must fit what comes after it."""
    engines.metadata.put_new("demo:start", msgspec.json.encode(time.time() - YEAR))
    return msgspec.json.decode(engines.metadata.get("demo:start") or b"0", type=float)


def _save(engines: Engines, ids: dict[str, int], pins: dict[str, int], start: float, progress: Report) -> None:
    """Boards and what is on them, one transaction a person."""
    on_shelf: defaultdict[Shelf, dict[int, float]] = defaultdict(dict)
    for save in saves(gallery()):
        on_shelf[save.shelf][pins[save.painting]] = start + save.at * YEAR
    everyone = (*PEOPLE, DEMO)
    for number, person in enumerate(everyone):
        progress("Saving", number, len(everyone))
        owner = ids[person.username]
        told: list[Event] = []
        with engines.database.write() as conn:
            known = {board.name: board for board in boards.of_user(conn, owner, owner)}
            for shelf in shelves(person):
                board = known.get(shelf.name) or boards.create(conn, owner, shelf.name, shelf.description, shelf.secret)
                boards.save_all(conn, board.id, owner, on_shelf[shelf])
                told += _told(board, owner, on_shelf[shelf], start)
        engines.events.append(sorted(told, key=lambda event: event.at))
    progress("Saving", len(everyone), len(everyone))


def _told(board: Board, owner: int, saved_at: dict[int, float], start: float) -> list[Event]:
    """These saves as the log would have them, but all within the last days: the log is of what is going on. Told
    again after a break, they count once."""
    now, squeeze = time.time(), RECENT / YEAR
    about = {"board_id": board.id, "secret": board.secret}
    return [
        Event(EventKind.SAVE, now + (at - start - YEAR) * squeeze, owner, pin, about, id=f"demo:{board.id}:{pin}")
        for pin, at in saved_at.items()
    ]


def _age(engines: Engines, ids: dict[str, int], pins: dict[str, int], start: float) -> None:
    """Give pins, boards and people the time at which they would have come."""
    hung = {pins[p.name]: start + (n + 0.5) / len(pins) * YEAR for n, p in enumerate(gallery())}
    first = sa.select(sa.func.min(t.saves.c.saved_at)).where(t.saves.c.board_id == t.boards.c.id).scalar_subquery()
    joined = sa.select(sa.func.min(t.boards.c.created_at)).where(t.boards.c.user_id == t.users.c.id).scalar_subquery()
    own = [ids[person.username] for person in (*PEOPLE, DEMO)]
    with engines.database.write() as conn:
        moved = sa.update(t.pins).where(t.pins.c.id == sa.bindparam("pin"))
        conn.execute(moved.values(created_at=sa.bindparam("at")), [{"pin": k, "at": v} for k, v in hung.items()])
        conn.execute(
            sa.update(t.boards)
            .where(t.boards.c.user_id.in_(own))
            .values(created_at=sa.func.coalesce(first, t.boards.c.created_at))
        )
        conn.execute(
            sa.update(t.users)
            .where(t.users.c.id.in_(own))
            .values(created_at=sa.func.coalesce(joined, t.users.c.created_at))
        )


def _parts(ids: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
