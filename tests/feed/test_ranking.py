"""Ranking by what was learned: taken up and given up while a service runs, and no worse than none if it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bowerbird.events import report
from bowerbird.feed import lesson
from bowerbird.feed.features import NAMES
from bowerbird.feed.generations import give_up, renewed
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.served import SERVED, flush
from bowerbird.feed.trees import Nodes, Trees
from bowerbird.model import Event
from bowerbird.ports import Floats
from bowerbird.web import current
from tests.feed.conftest import NOW, Site, ids

POPULAR = NAMES.index("popular")


def by_saves() -> Trees:
    """Better the fewer saves: a leaf for each of 0, 1, 2 and more."""
    feature = np.array([POPULAR, -1, POPULAR, -1, -1], np.int32)
    value = np.array([np.log1p(0.5), 9.0, np.log1p(1.5), 5.0, 1.0])
    return Trees(Nodes(np.array([0], np.int32), feature, value, np.array([1, 0, 3, 0, 0], np.int32)), "7")


class Wrong:
    version = "wrong"

    def __init__(self, answer: Callable[[Floats], Floats]) -> None:
        self._answer = answer

    def predict(self, features: Floats) -> Floats:
        return self._answer(features)


def fails(_: Floats) -> Floats:
    raise RuntimeError("no such file")


@pytest.fixture(autouse=True)
def same_dice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request's dice come from its name."""
    monkeypatch.setattr("bowerbird.feed.page.secrets.token_hex", lambda _: "ab" * 12)


def kept_by(site: Site, keepers: int) -> list[int]:
    """Pins that everyone knows of, the later the more people keep them and the more trending."""
    made = [site.add() for _ in range(12)]
    for person in range(keepers):
        site.board(site.user(f"keeper{person}"), pins=made[person * 4 :])
    site.trend(made[::-1])
    return [pin.id for pin in made]


def test_a_model_decides_who_comes_first(site: Site) -> None:
    made = kept_by(site, 3)
    fixed = ids(site.home())
    site.feed.model = by_saves()
    learned = ids(site.home())
    assert set(learned) == set(fixed) == set(made)
    for order, first, last in ((fixed, made[8:], made[:4]), (learned, made[:4], made[8:])):
        assert sum(map(order.index, first)) < sum(map(order.index, last))
    assert not site.feed.missed


@pytest.mark.parametrize(
    "answer",
    [
        fails,
        lambda features: np.full(len(features), np.nan, np.float32),
        lambda features: np.full(len(features), np.inf, np.float32),
    ],
)
def test_a_model_that_fails_is_none(site: Site, answer: Callable[[Floats], Floats]) -> None:
    kept_by(site, 2)
    fixed = ids(site.home())
    site.feed.model = Wrong(answer)
    assert ids(site.home()) == fixed
    assert site.feed.missed["model:failed"] == 1


@pytest.fixture
def following(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A web process's thread that follows, and the folder of models that it looks at."""
    monkeypatch.setattr(current, "LOOK", 0.05)
    closing = threading.Event()
    thread = current.follow(site.feed, tmp_path, closing)
    yield tmp_path / "ranking"
    closing.set()
    thread.join()


def becomes(site: Site, version: str) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if (site.feed.model.version if site.feed.model else "") == version:
            return True
        time.sleep(0.01)
    return False


def test_a_running_process_takes_up_what_is_adopted_and_what_is_given_up(site: Site, following: Path) -> None:
    for version in ("1", "2"):
        renewed(following, by_saves().save)
        assert becomes(site, version)
    give_up(following)
    assert becomes(site, "1")
    renewed(following, by_saves().save)
    assert becomes(site, "3")
    give_up(following)
    give_up(following)
    assert becomes(site, "")
    assert not site.feed.missed


def test_a_model_that_cannot_be_read_is_none_until_the_next(site: Site, following: Path) -> None:
    kept_by(site, 2)
    renewed(following, by_saves().save)
    assert becomes(site, "1")

    def torn(folder: Path) -> None:
        by_saves().save(folder)
        (folder / "trees.npz").write_bytes(b"half")

    renewed(following, torn)
    assert becomes(site, "")
    assert site.feed.missed["model:failed"] == 1
    assert len(site.home().placed) == 12
    renewed(following, by_saves().save)
    assert becomes(site, "3")


def test_what_is_served_can_be_learned_from(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several lists: those who came to the second have scrolled past the first."""
    monkeypatch.setattr("bowerbird.feed.compose.MOST", 10)
    monkeypatch.setattr("bowerbird.feed.compose.FEW", 5)
    made = [site.add() for _ in range(40)]
    pages = site.scroll(limit=4)
    for each in pages:
        for placed in each.placed:
            site.engines.events.append([Event("impression", NOW, site.bob, placed.pin.id, {"request": each.request})])
    for chosen in (pages[0], pages[-2]):
        where = {"page": "home", "request": chosen.request}
        site.engines.events.append([Event("save", NOW + 9, site.bob, chosen.placed[1].pin.id, where)])
    flush(site.feed)
    with report.table(site.engines, 0, lesson.KINDS, SERVED) as db:
        found = lesson.lesson(db, NOW + 1e5)
    assert len({each.request for each in pages}) > 2
    order = ids(*pages)
    assert len(order) == len(made)
    saved = np.flatnonzero(found.worth == lesson.WORTH["saved"])
    assert found.depths[saved].tolist() == [order.index(each.placed[1].pin.id) for each in (pages[0], pages[-2])]
    assert found.people.tolist() == [site.bob] * 2
    assert (found.features[:, NAMES.index("young")] > 0).all()


def test_a_graph_that_cannot_be_read_is_done_without(site: Site, tmp_path: Path, following: Path) -> None:
    """As after a power cut: the one before it is used, and the log is followed all the same."""
    graphs = tmp_path / "graph"
    SaveGraph.build(np.array([2]), np.array([1]), 0, tmp_path / "made")
    (tmp_path / "made" / "pin_ends.npy").write_bytes(b"")
    graphs.mkdir()
    (tmp_path / "made").rename(graphs / "2")
    SaveGraph.build(np.array([1]), np.array([1]), 0, graphs / "1")
    until = time.monotonic() + 60
    while site.feed.graph is None and time.monotonic() < until:
        time.sleep(0.01)
    assert site.feed.graph.number(1) == 0
    site.feed.untold.append(Event("served", 1.0, 1))
    while site.feed.untold and time.monotonic() < until:
        time.sleep(0.01)
    assert not site.feed.untold
