"""The archive holds every event once, whatever happened to the archiver, and the log lets go only of what is kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bowerbird.adapters.events.kafka import KafkaEvents
from bowerbird.events import archive, reader, report
from bowerbird.model import Event
from bowerbird.ports import Engines, Unavailable
from tests import servers
from tests.events.conftest import PINS
from tests.events.test_reader import tell
from tests.ingest.test_pipeline import Away

NOW = time.time() // 3600 * 3600 + 1800
LATER = NOW + 3600
DAY = 86_400.0


def day(engines: Engines) -> None:
    seen = {"source": "walk", "position": 5}
    tell(
        engines,
        *(Event("impression", NOW, 7, pin, seen, id=f"seen-{pin}") for pin in range(1, PINS + 1)),
        *(Event("impression", NOW, 7, pin, seen, id=f"seen-{pin}") for pin in range(1, PINS + 1)),
        Event("save", NOW, 7, 1, {**seen, "board_id": 3, "image_id": 1, "words": "ü🐦'; DROP"}),
        Event("save", NOW, 8, 1, {"board_id": 4, "secret": True}),
        Event("save", NOW, 8, 2, {"board_id": "3", "position": "?"}),
    )


def answered(engines: Engines, question: str) -> list[tuple[object, ...]]:
    return next(each.rows for each in report.answers(engines, NOW - 60) if each.question == question)


def test_reports_say_the_same_before_and_after_archiving(engines: Engines) -> None:
    assert report.answers(engines, 0) == []
    day(engines)
    before = report.answers(engines, NOW - 60)
    assert archive.run(engines, LATER) == 2 * PINS + 3
    assert report.answers(engines, NOW - 60) == before
    assert answered(engines, "Save rate by source") == [("walk", PINS, 0, 1, round(100 / PINS, 2))]
    assert answered(engines, "Save rate by position") == [("4 and on", PINS, 0, 1, round(100 / PINS, 2))]
    assert answered(engines, "Top boards") == [(3, 1, 1)]
    assert answered(engines, "Most saved") == [(1, 1, 1), (2, 1, 1)]
    assert answered(engines, "Growth")[0][1:] == (2, 0, 3, PINS)


def test_an_archiver_that_died_before_its_note_doubles_nothing(engines: Engines) -> None:
    day(engines)
    with pytest.raises(Unavailable):
        archive.run(engines._replace(metadata=Away(engines.metadata, "put")), LATER)
    written = list(engines.blobs.keys("events/"))
    assert written == [archive.key(int(NOW // 3600), 1)]
    assert answered(engines, "Most saved") == [(1, 1, 1), (2, 1, 1)]
    tell(engines, Event("save", NOW, 9, 5))  # more of the same hour comes before it goes on
    assert archive.run(engines, LATER) == 2 * PINS + 4
    assert list(engines.blobs.keys("events/")) == written
    assert answered(engines, "Most saved") == [(1, 1, 1), (2, 1, 1), (5, 1, 1)]


def test_an_open_hour_waits_and_what_comes_late_has_a_file_of_its_own(engines: Engines) -> None:
    tell(engines, Event("save", NOW, 7, 1), Event("save", LATER, 7, 2), Event("save", NOW, 8, 3))
    assert archive.run(engines, NOW) == 0
    assert archive.run(engines, LATER) == 1
    assert archive.run(engines, LATER + 3600) == 2
    hour = int(NOW // 3600)
    kept = {archive.key(hour, 1), archive.key(hour + 1, 2), archive.key(hour, 3)}
    assert set(engines.blobs.keys("events/")) == kept
    assert answered(engines, "Most saved") == [(1, 1, 1), (2, 1, 1), (3, 1, 1)]


def test_the_archive_is_the_same_however_it_is_cut(engines: Engines) -> None:
    tell(engines, *(Event("save", NOW - 7200 * (n % 3), 7, 1 + n % 5, id=f"save-{n}") for n in range(100)))
    before = report.answers(engines, NOW - DAY)
    assert archive.run(engines, LATER, most=7) == 100
    assert report.answers(engines, NOW - DAY) == before


def test_a_clock_that_was_years_ahead_stops_nothing(engines: Engines) -> None:
    wild = [NOW + 400 * DAY, -1e18, 1e300, 0.0]
    tell(engines, *(Event("save", at, 7, 1) for at in wild), Event("save", NOW, 7, 2))
    assert archive.run(engines, LATER) == 5
    assert len(report.answers(engines, 0)[0].rows) == 3


def test_the_log_keeps_what_is_not_archived_or_not_folded(engines: Engines) -> None:
    day(engines)
    end = engines.events.end()
    assert archive.forget(engines, end + 1, keep_days=0, keep_mb=2048, now=LATER) == 1
    assert len(engines.events.read(0)) == end
    archive.run(engines, LATER)
    archive.forget(engines, end + 1, keep_days=1, keep_mb=2048, now=LATER)
    assert len(engines.events.read(0)) == end  # not old
    archive.forget(engines, 5, keep_days=0, keep_mb=2048, now=LATER)
    assert engines.events.read(0)[0].offset == 5
    engines.events.append([Event("save", LATER, 9, 5)])
    archive.forget(engines, end + 2, keep_days=0, keep_mb=2048, now=LATER + DAY)
    assert [event.offset for event in engines.events.read(0)] == [end + 1]
    reader.step(engines)
    assert reader.place(engines).offset == end + 1
    assert answered(engines, "Most saved") == [(1, 1, 1), (2, 1, 1), (5, 1, 1)]


def test_the_log_keeps_to_its_size(engines: Engines) -> None:
    engines.events.append([Event("search", NOW, 7, data={"words": "x" * 500})] * 5000)
    archive.run(engines, LATER)
    taken = engines.events.bytes()
    archive.forget(engines, 5001, keep_days=30, keep_mb=1, now=LATER)
    kept = engines.events.read(0, 5000)
    assert 0 < len(kept) <= 5000 * 2**20 / taken + 1
    assert kept[-1].offset == 5000


@pytest.mark.usefixtures("heard")
def test_a_log_that_cannot_be_trimmed_is_left_as_it_is_and_told_once(engines: Engines) -> None:
    """Tansu hangs up on who asks it to delete records."""
    with servers.of_ones_own("kafka") as broker:
        here = engines._replace(events=KafkaEvents(f"{broker.url.rpartition('/')[0]}/{servers.namespace(Path())}"))
        here.events.append([Event("save", NOW, 7, pin) for pin in range(1, PINS + 1)])
        first, end = here.events.read(0, 1)[0].offset, here.events.end()
        assert archive.run(here, LATER) == PINS
        with capture_logs() as told:
            for _ in range(3):
                assert archive.forget(here, end + 1, keep_days=0, keep_mb=2048, now=LATER + DAY) == first
        assert [each["event"] for each in told if each["log_level"] == "warning"] == [told[0]["event"]]
        assert "cannot be trimmed" in told[0]["event"]
        assert len(here.events.read(0)) == PINS
        broker.servers[0].kill()
        with pytest.raises(Unavailable):  # that is another thing
            archive.forget(here, end + 1, keep_days=0, keep_mb=2048, now=LATER + DAY)
        here.events.close()
