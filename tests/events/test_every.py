"""What runs by the hour or the day."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bowerbird.events.every import DAY, HOUR, LATE, Every


class Watch:
    now = 100 * HOUR + 2 * LATE

    def __call__(self) -> float:
        return self.now


def settled(regular: Every, watch: Watch) -> None:
    """Look until the child has ended and the look after has been taken."""
    for _ in range(500):
        regular.look()
        if regular._child is None:
            return
        time.sleep(0.02)
    raise AssertionError("the command does not end")


def runs(path: Path) -> int:
    return len(path.read_text().split()) if path.exists() else 0


def noting(path: Path, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"open({str(path)!r}, 'a').write('x '); raise SystemExit({code})"]


def test_once_at_first_and_once_an_hour(tmp_path: Path) -> None:
    watch, path = Watch(), tmp_path / "runs"
    regular = Every(HOUR, noting(path), clock=watch)
    settled(regular, watch)
    watch.now += HOUR - 3 * LATE  # of the next hour not yet
    settled(regular, watch)
    assert runs(path) == 1
    watch.now += 2 * LATE
    settled(regular, watch)
    settled(regular, watch)
    assert runs(path) == 2
    watch.now -= 50 * HOUR
    settled(regular, watch)
    assert runs(path) == 3


def test_once_a_day_whatever_is_restarted(tmp_path: Path) -> None:
    watch, path = Watch(), tmp_path / "runs"
    settled(Every(DAY, noting(path), clock=watch), watch)
    ran = watch.now
    watch.now = ran // DAY * DAY + DAY  # midnight itself is too soon
    settled(Every(DAY, noting(path), ran, watch), watch)
    assert runs(path) == 1
    watch.now += LATE
    settled(Every(DAY, noting(path), ran, watch), watch)
    assert runs(path) == 2


def test_what_fails_is_tried_again_but_not_at_once(tmp_path: Path) -> None:
    watch, path = Watch(), tmp_path / "runs"
    regular = Every(HOUR, noting(path, 1), clock=watch)
    settled(regular, watch)
    for _ in range(5):
        settled(regular, watch)
    assert runs(path) == 1
    watch.now += LATE + 1
    settled(regular, watch)
    assert runs(path) == 2


def test_it_ends_with_what_started_it() -> None:
    regular = Every(HOUR, [sys.executable, "-c", "import time; time.sleep(60)"], clock=Watch())
    regular.look()
    child = regular._child
    assert child is not None
    regular.look()
    assert regular._child is child, "one at a time"
    regular.close()
    assert child.poll() is not None
