"""What the readers make of the log, whatever was told to it and however it was read."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import TypeVar

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from bowerbird.events import reader
from bowerbird.events.counters import FIELDS, step
from bowerbird.model import Counts, Event, Shown, Taste, Trend
from bowerbird.ports import Engines, Unavailable
from tests.events.conftest import PINS, furnish, opened
from tests.ingest.test_pipeline import Away

T = TypeVar("T")
NOW = 1_700_000_000.0


def tell(engines: Engines, *events: Event, most: int = reader.MOST) -> None:
    engines.events.append(events)
    while reader.step(engines, most):
        pass


def read(engines: Engines, key: str, kind: type[T]) -> T:
    document = engines.metadata.get(key)
    return msgspec.json.decode(document, type=kind) if document else kind()


def test_a_save_is_taste_count_and_trend(engines: Engines) -> None:
    at = {"source": "walk", "position": 5}
    tell(engines, Event("impression", NOW, 7, 1, at), Event("save", NOW + 1, 7, 1, at))
    assert [(act.kind, act.pin_id, act.image_id) for act in read(engines, "taste:7", Taste).actions] == [("save", 1, 1)]
    assert read(engines, "shown:7", Shown).pins == {1: (1, NOW)}
    assert read(engines, "counts:1", Counts) == Counts(2, impressions=1, saves=1)
    assert read(engines, "counts:walk:3", Counts) == Counts(2, impressions=1, saves=1)
    assert [pin for pin, _ in read(engines, "trend:", Trend).pins] == [1]
    assert reader.place(engines).offset == engines.events.end()


def test_what_is_saved_in_secret_shows_nowhere_but_in_ones_own_taste(engines: Engines) -> None:
    tell(engines, Event("save", NOW, 7, 1, {"secret": True}))
    assert len(read(engines, "taste:7", Taste).actions) == 1
    assert read(engines, "counts:1", Counts).saves == 0
    assert read(engines, "trend:", Trend).pins == ()


def test_a_batch_sent_twice_counts_once(engines: Engines) -> None:
    batch = [Event("impression", NOW, 7, pin, id=f"batch-{pin}") for pin in (1, 2, 3)]
    tell(engines, *batch, *batch)
    tell(engines, *batch)
    assert [times for times, _ in read(engines, "shown:7", Shown).pins.values()] == [1, 1, 1]
    tell(engines, Event("impression", NOW, 8, 1, id="batch-1"))  # somebody else's own
    assert read(engines, "counts:1", Counts).impressions == 2


def test_one_persons_thousand_clicks_are_one_vote(engines: Engines) -> None:
    tell(engines, *(Event("click", NOW + n, 7, 1) for n in range(1000)))
    tell(engines, *(Event("click", NOW + 1000, user, 2) for user in (8, 9)))
    assert [pin for pin, _ in read(engines, "trend:", Trend).pins] == [2, 1]
    assert len(read(engines, "taste:7", Taste).actions) == 1


def test_trends_fade(engines: Engines) -> None:
    tell(engines, *(Event("save", NOW, user, 1) for user in (7, 8, 9)))
    tell(engines, Event("save", NOW + 3 * 86_400, 7, 2))
    (first, score), (second, faded) = read(engines, "trend:", Trend).pins
    assert (first, second) == (2, 1)
    assert faded == pytest.approx(score * 3 / 8)


def test_a_clock_that_goes_backwards_takes_nothing_away(engines: Engines) -> None:
    tell(engines, Event("save", NOW, 7, 1), Event("save", NOW - 86_400, 8, 2), Event("impression", NOW - 9e8, 7, 2))
    scores = dict(read(engines, "trend:", Trend).pins)
    assert scores[2] == pytest.approx(scores[1] / 2)
    assert read(engines, "counts:2", Counts) == Counts(3, impressions=1, saves=1)


def test_a_clock_that_was_ahead_does_not_freeze_what_is_liked(engines: Engines) -> None:
    ahead, now = time.time() + 30 * 86_400, time.time()
    tell(engines, Event("save", ahead, 7, 1))
    tell(engines, *(Event("save", now, user, 2) for user in (7, 8, 9)), Event("click", now, 7, 1))
    scores = dict(read(engines, "trend:", Trend).pins)
    assert scores[2] == pytest.approx(3, rel=0.01)
    assert scores[1] == pytest.approx(1.5, rel=0.01)


def test_nobody_moves_by_clicking_what_all_see(engines: Engines) -> None:
    tell(engines, *(Event(kind, NOW + n, 7, 1) for n in range(500) for kind in ("click", "closeup")))
    tell(engines, *(Event("save", NOW + n, 7, 1, {"choice": True}) for n in range(100)))
    tell(engines, Event("hide", NOW, 8, 1), *(Event("hide", NOW + n, 8, 1, {"again": True}) for n in range(50)))
    tell(engines, *(Event("unhide", NOW + n, 9, 1, {"again": True}) for n in range(50)))
    counts = msgspec.structs.replace(read(engines, "counts:1", Counts), offset=0)
    assert counts == Counts(clicks=1, hides=1)


def test_who_looks_before_they_save_counts_as_one_who_saved(engines: Engines) -> None:
    tell(engines, Event("closeup", NOW, 7, 1), Event("save", NOW, 7, 1), Event("save", NOW, 8, 2))
    scores = dict(read(engines, "trend:", Trend).pins)
    assert scores[1] > scores[2] == pytest.approx(1)


def test_a_browser_makes_no_documents_by_naming_sources(engines: Engines) -> None:
    odd = [f"{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]
    tell(engines, *(Event("impression", NOW, 7, 1, {"source": name, "position": 1}) for name in [*odd, "+".join(odd)]))
    tell(engines, Event("impression", NOW, 7, 1, {"source": "visual+walk+xyz", "position": 1}))
    assert not engines.metadata.get_many([f"counts:{name}:1" for name in [*odd, "xyz"]])
    assert len(engines.metadata.get_many(["counts:visual:1", "counts:walk:1"])) == 2


def test_hiding_works_and_is_taken_back(engines: Engines) -> None:
    tell(engines, Event("save", NOW, 7, 1), Event("hide", NOW, 7, 1, {"reason": "dislike"}))
    taste = read(engines, "taste:7", Taste)
    assert [(act.pin_id, act.reason) for act in taste.hidden] == [(1, "dislike")]
    assert taste.actions == ()
    tell(engines, Event("unhide", NOW, 7, 1))
    assert read(engines, "taste:7", Taste).hidden == ()


def test_nonsense_is_passed_over(engines: Engines) -> None:
    odd = {"source": ["walk"], "position": "first", "words": 5, "reason": None, "secret": "?"}
    huge = {"source": "ü" * 100_000, "position": 10**15, "words": "🐦" * 100_000}
    kinds = [*FIELDS, "search", "upload", "follow", "served", "ready", "no such kind", "", "🐦"]
    events = [Event(kind, NOW, 7, pin, data) for kind in kinds for pin in (0, 1, 10**17) for data in ({}, odd, huge)]
    tell(engines, *events, Event("save", NOW, 7, 2))
    assert read(engines, "counts:2", Counts).saves == 1
    assert engines.metadata.get(f"counts:{10**17}") is None
    assert reader.place(engines).offset == len(events) + 1


def test_interests_are_clusters_of_looks(engines: Engines) -> None:
    rng, dim = np.random.default_rng(0), engines.looks.dim
    styles = rng.standard_normal((2, dim))
    rows = np.repeat(styles, [4, 2], axis=0) + 0.2 * rng.standard_normal((6, dim))
    engines.looks.add(np.arange(1, 7), (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32))
    tell(engines, *(Event("save", NOW, 7, pin) for pin in range(1, 8)))  # of the seventh nothing is known
    first, second = read(engines, "taste:7", Taste).interests
    assert first.image_id in (1, 2, 3, 4)
    assert second.image_id in (5, 6)
    assert (first.importance, second.importance) == pytest.approx((2 / 3, 1 / 3))
    assert set(second.pins) == {5, 6}


def test_many_saves_leave_a_small_document(engines: Engines, tmp_path: Path) -> None:
    many = opened(tmp_path / "many")
    furnish(many, 300)
    tell(many, *(Event("save", NOW + n, 7, 1 + n % 300) for n in range(20_000)))
    taste = read(many, "taste:7", Taste)
    assert len(taste.actions) == 200
    assert taste.actions[0].at == NOW + 19_999
    many.close()


def test_a_store_that_is_away_is_waited_for(engines: Engines) -> None:
    engines.events.append([Event("save", NOW, 7, 1)])
    away = engines._replace(metadata=Away(engines.metadata, "put_many"))
    with pytest.raises(Unavailable, match="put_many"):
        reader.step(away)
    reader.step(engines)
    assert read(engines, "counts:1", Counts).saves == 1


def test_who_was_given_up_before_it_wrote_writes_nothing(engines: Engines) -> None:
    engines.events.append([Event("save", NOW, 7, 1)])
    assert reader.step(engines, held=lambda: False) == ()
    assert engines.metadata.get("counts:1") is None
    assert reader.place(engines).offset == 0


def test_what_one_that_was_given_up_overwrote_is_folded_again(engines: Engines) -> None:
    """It slept between its last look and its writing; its successor had folded more meanwhile."""
    engines.events.append([Event("save", NOW, user, 1) for user in (7, 8)])
    asked = []

    def held() -> bool:
        asked.append(True)
        if len(asked) == 1:
            engines.events.append([Event("save", NOW + 1, 9, 1)])
            while reader.step(engines):
                pass
        return len(asked) == 1

    reader.step(engines, held=held)
    assert read(engines, "counts:1", Counts).saves == 2, "it overwrote nothing"
    while reader.step(engines):
        pass
    assert read(engines, "counts:1", Counts).saves == 3
    assert reader.place(engines).offset == engines.events.end()


def test_a_second_processor_waits(tmp_path: Path) -> None:
    first, second, stop = reader.Only(tmp_path / "lock"), reader.Only(tmp_path / "lock"), threading.Event()
    assert first.wait(stop)
    held: list[bool] = []
    waiting = threading.Thread(target=lambda: held.append(second.wait(stop)))
    waiting.start()
    waiting.join(0.4)
    assert waiting.is_alive()
    first.close()
    waiting.join(10)
    assert held == [True]
    second.close()


EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["impression", "closeup", "click", "save", "unsave", "hide", "unhide"]),
    at=st.floats(NOW - 1e6, NOW),
    user_id=st.integers(0, 3),
    pin_id=st.integers(1, PINS + 2),
    data=st.fixed_dictionaries(
        {}, optional={"source": st.sampled_from(["walk", "fresh"]), "position": st.integers(0, 99)}
    ),
    id=st.sampled_from(["", "a", "b", "c", "d", "e"]),
)


def recount(events: list[Event]) -> dict[str, Counter[str]]:
    """By the plainest code there is, for events that never go below zero."""
    seen, counts = set[tuple[int, str]](), dict[str, Counter[str]]()
    looked: dict[tuple[int, int], float] = {}
    for event in events:
        if event.id and (event.user_id, event.id) in seen:
            continue
        seen.add((event.user_id, event.id))
        if event.kind in ("impression", "closeup", "click", "save", "hide") and event.pin_id <= PINS:
            keys = [f"counts:{event.pin_id}"]
            if event.kind in ("closeup", "click"):  # one a day of each person
                last = looked.get((event.user_id, event.pin_id), event.at - 86_400)
                if not event.user_id or event.at - last < 86_400:
                    keys = []
                else:
                    looked[event.user_id, event.pin_id] = event.at
            if "source" in event.data and "position" in event.data:
                keys.append(f"counts:{event.data['source']}:{step(event.data['position'])}")
            for key in keys:
                counts.setdefault(key, Counter())[FIELDS[event.kind][0]] += 1  # type: ignore[index]
    return counts


def documents(engines: Engines, people: int = 4) -> dict[str, bytes]:
    """What the feed reads, with nothing in it that depends on how the log was cut."""
    keys = [f"{name}:{n}" for name in ("counts", "heat") for n in range(PINS + 3)]
    keys += [f"counts:{source}:{n}" for source in ("walk", "fresh") for n in range(11)]
    keys += [f"{name}:{n}" for name in ("taste", "shown") for n in range(people)]
    return engines.metadata.get_many([*keys, "trend:"])


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(EVENTS, max_size=40), st.integers(1, 12), st.integers(0, 40))
def test_how_the_log_is_cut_and_replayed_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event], most: int, back: int
) -> None:
    straight, cut = (opened(tmp_path_factory.mktemp("cut")) for _ in range(2))
    for each in (straight, cut):
        furnish(each)
    tell(straight, *events)
    cut.events.append(events)
    while reader.step(cut, most):
        pass
    # Died before the checkpoint was written: what is folded already comes again, and in other batches.
    cut.metadata.put(reader.CHECKPOINT, msgspec.json.encode(reader.Place(max(0, len(events) - min(back, most)))))
    while reader.step(cut):
        pass
    assert documents(cut) == documents(straight)
    for each in (straight, cut):
        each.close()


def test_how_far_behind_it_is(engines: Engines) -> None:
    assert reader.behind(engines) == 0
    engines.events.append([Event("save", time.time() - 100, 7, 1), Event("save", time.time() + 100, 7, 1)])
    assert reader.behind(engines) == pytest.approx(100, abs=5)
    reader.step(engines, 1)
    assert reader.behind(engines) == 0  # a clock that was set back makes no negative ages
    reader.step(engines)
    assert reader.behind(engines) == 0
