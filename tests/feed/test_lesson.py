"""From a log to lists that can be learned from: who did what with which pin, where it was served."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bowerbird import wiring
from bowerbird.events import archive, report
from bowerbird.feed import lesson as lessons
from bowerbird.feed.features import COLUMNS, NAMES
from bowerbird.feed.lesson import SOON, WORTH, Lesson
from bowerbird.feed.served import SERVED
from bowerbird.model import Event
from bowerbird.ports import Engines
from bowerbird.settings import Settings
from tests.feed.viewers import START, events, world

ANN, BEN = 1, 2
REQUEST = "ab12"


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    engines = wiring.connect(Settings(data=tmp_path / "data", encoder="efficientnet-lite0"))
    yield engines
    engines.close()


def served(pins: Sequence[int], user: int = ANN, request: str = REQUEST, above: int = 0, **more: Any) -> Event:
    """Features are the pin's number and a hundredth of its column."""
    features = np.array(pins)[:, None] + np.arange(len(NAMES)) / 100
    data = {
        "request": request,
        "pins": list(pins),
        "depths": [above + n for n in range(len(pins))],
        "columns": COLUMNS,
        "features": base64.b64encode(features.astype(np.float16).tobytes()).decode(),
    }
    return Event(SERVED, START, user, data=data | more)


def did(kind: str, pin: int, user: int = ANN, request: str = REQUEST, after: float = 10.0) -> Event:
    return Event(kind, START + after, user, pin, {"request": request} if request else {})


def seen(*pins: int, user: int = ANN, request: str = REQUEST) -> list[Event]:
    return [did("impression", pin, user, request) for pin in pins]


def learned(engines: Engines, *told: Event, now: float = START + 2 * SOON) -> Lesson:
    engines.events.append(told)
    with report.table(engines, START - 1e6, lessons.KINDS, SERVED) as db:
        return lessons.lesson(db, now)


def worths(found: Lesson) -> dict[int, float]:
    """By pin."""
    return dict(zip(found.features[:, 0].astype(int).tolist(), found.worth.tolist(), strict=True))


def test_what_was_seen_is_learned_from_with_what_followed(engines: Engines) -> None:
    acts = [did("closeup", 5), did("save", 6), did("hide", 7)]
    found = learned(engines, served([5, 6, 7, 8, 9], above=40), *seen(5, 6, 7, 8), *acts)
    assert worths(found) == {5: WORTH["opened"], 6: WORTH["saved"], 7: WORTH["hidden"], 8: 0}
    assert found.depths.tolist() == [40, 41, 42, 43]
    assert (found.lists.tolist(), found.people.tolist(), found.at.tolist()) == ([0] * 4, [ANN], [START])
    np.testing.assert_allclose(found.features[1], 6 + np.arange(len(NAMES)) / 100, atol=0.01)
    assert found.acts == 3


def test_each_list_is_its_owners(engines: Engines) -> None:
    hers, his = served([5, 6]), served([6, 5], BEN, "cd34")
    looks = [*seen(5, 6), *seen(5, 6, user=BEN, request="cd34")]
    acts = [did("save", 6), did("closeup", 6, BEN, "cd34")]
    forged = [did("save", 5, ANN, "cd34", after=SOON + 1), did("hide", 6, BEN, REQUEST, after=SOON + 1)]
    found = learned(engines, hers, his, *looks, *acts, *forged)
    first, second = (found.only(np.arange(2) == n) for n in range(2))
    assert (first.people.tolist(), worths(first)) == ([ANN], {5: 0, 6: WORTH["saved"]})
    assert (second.people.tolist(), worths(second)) == ([BEN], {5: 0, 6: WORTH["opened"]})


@pytest.mark.parametrize(
    ("acts", "worth"),
    [
        ([did("save", 5), did("unsave", 5, after=20)], WORTH["opened"]),
        ([did("hide", 5), did("unhide", 5, request="", after=20)], WORTH["opened"]),
        ([did("save", 5), did("unsave", 5), did("save", 5)], WORTH["saved"]),
        ([did("save", 5, request="", after=SOON - 1)], WORTH["saved"]),
        ([did("save", 5, request="", after=SOON + 1)], WORTH["opened"]),
        ([did("save", 5, request="", after=-20)], WORTH["opened"]),
        ([did("save", 5, after=-7200)], WORTH["saved"]),  # by a browser whose clock is behind
        ([did("save", 5), did("hide", 5, after=30)], WORTH["hidden"]),
        ([did("save", 5, request="ffff")], WORTH["saved"]),  # from the pages that it led to
    ],
)
def test_what_followed_is_what_came_of_it(engines: Engines, acts: list[Event], worth: float) -> None:
    found = learned(engines, served([5, 6]), *seen(5, 6), did("closeup", 5), *acts)
    assert worths(found) == {5: worth, 6: 0}


def test_of_two_servings_the_one_that_it_names_counts_else_the_latest(engines: Engines) -> None:
    one, two = served([5, 6]), served([5, 6], request="cd34")
    acts = [did("save", 5), did("closeup", 6, request="cd34"), did("save", 6, request="")]
    found = learned(engines, one, *seen(5, 6), two, *seen(5, 6, request="cd34"), *acts)
    assert found.worth.tolist() == [WORTH["saved"], 0, 0, WORTH["saved"]]
    assert found.lists.tolist() == [0, 0, 1, 1]


def test_a_page_served_twice_counts_once(engines: Engines) -> None:
    pages = [served([5, 6]), served([7, 8], above=2), served([5, 6]), served([7, 8], above=2)]
    found = learned(engines, *pages, *seen(5, 6, 7), did("save", 7))
    assert worths(found) == {5: 0, 6: 0, 7: WORTH["saved"]}
    assert found.depths.tolist() == [0, 1, 2]


def test_an_event_sent_twice_counts_once(engines: Engines) -> None:
    hidden = [msgspec.structs.replace(did("hide", 5), id="the same") for _ in range(2)]
    found = learned(engines, served([5, 6]), *seen(5, 6), did("save", 6), *hidden, did("unhide", 5))
    assert worths(found) == {5: 0, 6: WORTH["saved"]}


@pytest.mark.parametrize(
    "told",
    [
        [served([5, 6]), *seen(5, 6)],  # only looked at
        [served([5, 6]), *seen(5), did("save", 5)],  # nothing to compare with
        [served([5, 6]), *seen(5, 6), did("save", 5), did("save", 6)],  # all fared alike
        [served([5, 6], columns="of another time"), *seen(5, 6), did("save", 5)],
        [*seen(5, 6), did("save", 5)],  # never served
        [served([5, 6]), *seen(5, 6, user=BEN), did("save", 5, BEN)],  # to somebody else
        [],
    ],
)
def test_where_nothing_can_be_learned_there_is_nothing(engines: Engines, told: list[Event]) -> None:
    found = learned(engines, *told)
    assert (len(found.worth), len(found.at), found.acts) == (0, 0, 0)


def test_what_may_still_follow_is_waited_for(engines: Engines) -> None:
    told = [served([5, 6]), *seen(5, 6), did("save", 5)]
    assert learned(engines, *told, now=START + SOON - 1).acts == 0
    assert learned(engines, now=START + SOON + 1).acts == 1


def test_what_was_not_seen_there_is_not_judged_there(engines: Engines) -> None:
    """It was found and saved in another way."""
    found = learned(engines, served([5, 6, 7]), *seen(5, 6), did("save", 5), did("save", 7, request=""))
    assert worths(found) == {5: WORTH["saved"], 6: 0}


def test_nobody_decides_for_all_others(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "OF_ONE", 3)
    for n in range(8):
        request = f"{n:04x}"
        engines.events.append([served([5, 6], request=request), *seen(5, 6, request=request)])
        if n < 4:  # the others were only looked at
            engines.events.append([did("save", 5, request=request)])
    assert learned(engines).people.tolist() == [ANN] * 3
    monkeypatch.setattr(lessons, "LATEST", 2)
    assert learned(engines).people.tolist() == [ANN] * 2


def test_archived_and_not_is_the_same(engines: Engines) -> None:
    told = world(seed=8, people=3, days=1, listed=20, active=-1)
    true = told.lesson()
    first = learned(engines, *events(told), now=START + 1e6)
    assert archive.run(engines, START + 1e6) > 0
    engines.events.trim(archive.archived(engines) + 1)
    for found in (first, learned(engines, now=START + 1e6)):
        order = np.lexsort((found.depths, found.lists))
        for name in ("features", "depths", "worth"):
            np.testing.assert_array_equal(getattr(found, name)[order], getattr(true, name))
        np.testing.assert_array_equal(found.people, true.people)
