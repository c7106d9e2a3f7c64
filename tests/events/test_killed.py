"""A processor that is killed at any moment neither loses nor doubles."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from bowerbird import wiring
from bowerbird.events import reader
from bowerbird.model import Counts, Event
from bowerbird.ports import Engines
from bowerbird.settings import Settings
from tests.events.conftest import PINS, furnish, opened
from tests.events.test_reader import NOW, documents, recount
from tests.servers import namespace, need

KILLS = 50


def engines_at(folder: Path, url: str) -> Engines:
    engines = opened(folder)
    return engines._replace(events=wiring.events(Settings(data=folder, events=url))) if url else engines


def fold_for_ever(folder: Path, url: str) -> None:
    engines = engines_at(folder, url)
    reader.run(engines, engines.events.lead("events"), threading.Event())


def made(dice: random.Random, n: int) -> Event:
    kind = dice.choice(["impression", "impression", "closeup", "click", "save"])
    data = {"source": dice.choice(["walk", "fresh"]), "position": dice.randrange(60)}
    # Some come a second time, as from a browser that had no answer.
    name = f"event-{n - dice.randrange(1, 30) if dice.random() < 0.1 else n}"
    return Event(kind, NOW + n / 10, dice.randrange(4), dice.randrange(1, PINS + 2), data, id=name)


@pytest.fixture(params=["", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the log is; with Kafka it is the group of readers that finds a successor."""
    if not request.param:
        return ""
    return urlsplit(need("kafka"))._replace(path=f"/{namespace(tmp_path)}", query="session=1&timeout=10").geturl()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_fifty_times(tmp_path: Path, url: str) -> None:
    folder, dice = tmp_path / "data", random.Random(5)
    engines = engines_at(folder, url)
    furnish(engines)
    told: list[Event] = []
    done = threading.Event()

    def people() -> None:
        while not done.is_set():
            some = [made(dice, len(told) + n) for n in range(40)]
            engines.events.append(some)
            told.extend(some)
            time.sleep(0.005 if not url else 0.05)

    writer = threading.Thread(target=people)
    writer.start()
    spawn, when = multiprocessing.get_context("forkserver"), random.Random(6)
    spawn.set_forkserver_preload(["tests.events.test_killed"])
    places = []
    try:
        for _ in range(KILLS):
            child = spawn.Process(target=fold_for_ever, args=(folder, url))
            before = reader.place(engines).offset
            child.start()
            until = time.monotonic() + 20
            while reader.place(engines).offset == before and time.monotonic() < until:
                time.sleep(0.002)  # it lives: from here on any moment will do
            time.sleep(when.random() * 0.15)
            child.kill()
            child.join()
            places.append(reader.place(engines).offset)
    finally:
        done.set()
        writer.join()
    assert places == sorted(places)
    assert len(set(places)) > KILLS // 2, "it died before it did anything"
    while reader.step(engines):
        pass

    plain = {key: Counts(**counts) for key, counts in recount(told).items()}
    found = documents(engines)
    for key, counts in plain.items():
        assert msgspec.structs.replace(msgspec.json.decode(found[key], type=Counts), offset=0) == counts, key
    straight = opened(tmp_path / "straight")
    furnish(straight)
    straight.events.begin(engines.events.read(0, 1)[0].offset - 1)
    straight.events.append(told)
    while reader.step(straight):
        pass
    assert documents(straight) == found
    straight.close()
    engines.close()
