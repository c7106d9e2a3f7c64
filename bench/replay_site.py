"""The demo gallery with people whose tastes are known: the forty with a part of what they saved held out, and new ones.

How much a person would like a picture is known, because `demo.people` draws what each saves from it: here the chance
that such a person saves the picture, by drawing many times.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from bowerbird import wiring
from bowerbird.catalog import boards, images, pins, tables, users
from bowerbird.cli.events import rebuild
from bowerbird.cli.service import running
from bowerbird.cli.terminal import settings_for
from bowerbird.demo.paint import STYLES, gallery
from bowerbird.demo.people import OF_FAMILIES, PEOPLE, SAVES, Person, popularity, taste
from bowerbird.demo.seed import seed
from bowerbird.events import reader
from bowerbird.feed import onboard
from bowerbird.feed.affinity import Affinity
from bowerbird.feed.generations import generations
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.request import Feed
from bowerbird.model import Event, EventKind, State
from bowerbird.ports import Engines
from bowerbird.search.duplicates import fold
from bowerbird.settings import Settings

HELD = 0.5
"""Of each one's saves, from boards of the gallery's people."""
DRAWS = 400
"""Of what a taste saves."""
CHOSEN = 5
"""Pictures that someone new chooses of the first `onboard.starters`."""
DEMO_KEYS = "demo:painting:"


@dataclass(frozen=True)
class Viewer:
    user_id: int
    board_id: int
    new: bool
    likes: Any
    """(pins of the gallery,): the chance that such a taste saves each, as `Site.pin_ids` orders them."""


class Site:
    """A copy of the demo in which people look at pages; its clock is its own."""

    def __init__(self, demo: Path, folder: Path, newcomers: int, seed: int) -> None:
        self._folder, self._dice = folder, np.random.default_rng(seed)
        shutil.copytree(demo, folder, ignore=shutil.ignore_patterns("blobs", "models", "events.db*", "queue.db*"))
        self.engines = wiring.connect(Settings(data=folder))
        self.pin_ids, self.looks, self.styles = _gallery(self.engines)
        self.now = 0.0
        self._offset = 0
        self.feed = Feed(self.engines, fold, clock=lambda: self.now, salt=seed, budget=10.0, logged=0.0)
        known = self._hold_out(demo)
        self.now += 60.0
        self.learn()
        self.viewers = known + [self._newcomer(number) for number in range(newcomers)]

    def _hold_out(self, demo: Path) -> list[Viewer]:
        """Take from the forty a part of what they saved, out of the catalog and out of the log."""
        gone: set[tuple[int, int]] = set()
        found = []
        with self.engines.database.write() as conn:
            ids = {user.username: user.id for user in users.every(conn)}
            for person in PEOPLE:
                own = ids[person.username]
                mine = set(conn.scalars(sa.select(tables.pins.c.id).where(tables.pins.c.user_id == own)))
                on = sa.select(tables.saves.c.pin_id, tables.saves.c.board_id).where(tables.saves.c.user_id == own)
                saved = sorted(conn.execute(on).tuples().all())
                once = np.array(sorted({pin for pin, _ in saved} - mine))
                held = set(self._dice.permutation(once)[: round(HELD * len(once))].tolist())
                for pin, board in saved:
                    if pin in held:
                        boards.unsave(conn, board, pin, own)
                gone |= {(own, pin) for pin in held}
                board = next(one.id for one in boards.of_user(conn, own, own) if not one.secret)
                found.append(Viewer(own, board, False, likes(person)))
        log = wiring.events(Settings(data=demo))
        after = 0
        while events := log.read(after):
            after = events[-1].offset
            self.engines.events.append([e for e in events if (e.user_id, e.pin_id) not in gone])
            self.now = max(self.now, *(event.at for event in events))
        log.close()
        return found

    def _newcomer(self, number: int) -> Viewer:
        """Someone whose taste is nobody else's: one to three styles, one or two families of colours. They have chosen
        a few pictures of those that new people are shown."""
        styles = self._dice.choice(list(STYLES), int(self._dice.integers(1, 4)), replace=False)
        families = self._dice.choice(list(OF_FAMILIES), int(self._dice.integers(1, 3)), replace=False)
        wanted = likes(Person(f"new{number}", "", "", tuple(map(str, styles)), tuple(map(str, families))))
        with self.engines.database.write() as conn:
            own = users.create(conn, f"new{number}", "no hash").id
            board = boards.create(conn, own, "Keepers").id
        with self.engines.database.read() as conn:
            offered = [pin.id for pin in onboard.starters(self.feed, conn, own)]
        rows = np.searchsorted(self.pin_ids, offered)
        best = rows[np.argsort(-wanted[rows], kind="stable")[:CHOSEN]]
        self.tell([Event(EventKind.SAVE, self.now, own, int(self.pin_ids[row]), {"choice": True}) for row in best])
        return Viewer(own, board, True, wanted)

    def tell(self, events: list[Event]) -> None:
        """Into the log, and folded, as the event processor and a web process do."""
        self.engines.events.append(events)
        while reader.step(self.engines):
            pass
        while later := self.engines.events.read(self._offset):
            self._offset = later[-1].offset
            if self.feed.graph is not None:
                self.feed.graph.follow(later)

    def learn(self) -> None:
        """What all saves teach, made anew."""
        self.tell([])
        rebuild(self.engines, self._folder)
        self.feed.graph = SaveGraph.open(generations(self._folder / "graph")[-1])
        self.feed.affinity = Affinity.load(generations(self._folder / "affinity")[-1])

    def close(self) -> None:
        self.engines.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def demo(folder: Path) -> Path:
    """The painted gallery, as `bowerbird demo` has it; one that is there is used again."""
    if (folder / "seeded").exists():
        return folder
    settings = settings_for(data=folder)  # tells the environment, and so the workers
    engines = wiring.connect(settings)
    with running(settings, web=False):
        seed(engines)
        left = True
        while left:
            time.sleep(0.3)
            with engines.database.read() as conn:
                left = bool(images.counts(conn).get(State.PENDING, 0) or engines.queue.depth())
    engines.looks.settle()
    engines.close()
    (folder / "seeded").touch()
    return folder


def _gallery(engines: Engines) -> tuple[Any, Any, Any]:
    """Pin ids, rising; (pins, dim) looks; the number of each one's style."""
    keys = [f"{DEMO_KEYS}{painting.name}" for painting in gallery()]
    noted = engines.metadata.get_many(keys)
    ids = np.array([int(noted[key]) for key in keys])
    with engines.database.read() as conn:
        image_of = pins.images_of(conn, set(ids.tolist()))
    if not np.all(np.diff(ids) > 0):
        raise RuntimeError("the demo's pins are not in the gallery's order")
    looks = engines.looks.get(np.array([image_of[pin] for pin in ids.tolist()], np.int64))
    number = {style: n for n, style in enumerate(STYLES)}
    return ids, looks, np.array([number[painting.style] for painting in gallery()])


def likes(person: Person) -> Any:
    """(pins,): the chance that someone of this taste saves each, drawn as `demo.people.saves` draws."""
    dice = np.random.default_rng(0)
    loved = popularity(gallery())
    weights = np.array([taste(person, painting) * loved[painting.name] ** 0.6 for painting in gallery()])
    counts = np.clip(SAVES * dice.lognormal(0, 0.45, DRAWS), 40, 260).astype(np.int64)
    keys = np.log(weights) + 1.4 * dice.gumbel(size=(DRAWS, len(weights)))
    place = np.argsort(np.argsort(-keys, axis=1), axis=1)
    return (place < counts[:, None]).mean(axis=0)


def by_viewer(site: Site) -> dict[int, set[int]]:
    """What each may not be shown as new: what they pinned and what they saved."""
    found: dict[int, set[int]] = defaultdict(set)
    with site.engines.database.read() as conn:
        for table in (tables.pins.c.id, tables.pins.c.user_id), (tables.saves.c.pin_id, tables.saves.c.user_id):
            for pin, user in conn.execute(sa.select(*table)).tuples():
                found[user].add(pin)
    return found
