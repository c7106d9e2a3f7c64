"""What runs by the hour."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bowerbird.events.hourly import HOUR, LATE, Hourly


class Watch:
    now = 100 * HOUR + 2 * LATE

    def __call__(self) -> float:
        return self.now


def settled(hourly: Hourly, watch: Watch) -> None:
    """Look until the child has ended and the look after has been taken."""
    for _ in range(500):
        hourly.look()
        if hourly._child is None:
            return
        time.sleep(0.02)
    raise AssertionError("the command does not end")


def runs(path: Path) -> int:
    return len(path.read_text().split()) if path.exists() else 0


def noting(path: Path, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"open({str(path)!r}, 'a').write('x '); raise SystemExit({code})"]


def test_once_at_first_and_once_an_hour(tmp_path: Path) -> None:
    watch, path = Watch(), tmp_path / "runs"
    hourly = Hourly(noting(path), watch)
    settled(hourly, watch)
    watch.now += HOUR - 3 * LATE  # of the next hour not yet
    settled(hourly, watch)
    assert runs(path) == 1
    watch.now += 2 * LATE
    settled(hourly, watch)
    settled(hourly, watch)
    assert runs(path) == 2
    watch.now -= 50 * HOUR
    settled(hourly, watch)
    assert runs(path) == 3


def test_what_fails_is_tried_again_but_not_at_once(tmp_path: Path) -> None:
    watch, path = Watch(), tmp_path / "runs"
    hourly = Hourly(noting(path, 1), watch)
    settled(hourly, watch)
    for _ in range(5):
        settled(hourly, watch)
    assert runs(path) == 1
    watch.now += LATE + 1
    settled(hourly, watch)
    assert runs(path) == 2


def test_it_ends_with_what_started_it() -> None:
    hourly = Hourly([sys.executable, "-c", "import time; time.sleep(60)"], Watch())
    hourly.look()
    child = hourly._child
    assert child is not None
    hourly.look()
    assert hourly._child is child, "one at a time"
    hourly.close()
    assert child.poll() is not None
