"""When what is learned from saves is made again."""

from __future__ import annotations

import threading

from bowerbird.events.rebuild import MANY, PATIENCE, PAUSE, Rebuild
from bowerbird.model import Event


def saves(count: int) -> list[Event]:
    return [Event("save", 1.0, 1, number) for number in range(1, count + 1)]


class Watch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_missing_is_made_at_once_and_then_only_when_it_is_worth_it() -> None:
    watch, built = Watch(), []
    rebuild = Rebuild(lambda: built.append(1) or 1000, missing=True, clock=watch)
    rebuild.told([])
    rebuild.wait()
    assert len(built) == 1
    watch.now += PAUSE
    rebuild.told([Event("closeup", 1.0, 1, 1)] * 5000)
    rebuild.told(saves(MANY - 1))
    assert len(built) == 1
    rebuild.told(saves(1))
    rebuild.wait()
    assert len(built) == 2
    rebuild.told(saves(1))
    watch.now += PATIENCE
    rebuild.told([])
    rebuild.wait()
    assert len(built) == 3
    watch.now += PATIENCE
    rebuild.told([])  # nothing has changed
    assert len(built) == 3


def test_a_large_site_waits_for_more() -> None:
    watch, built = Watch(), []
    rebuild = Rebuild(lambda: built.append(1) or 1_000_000, missing=True, clock=watch)
    rebuild.told([])
    rebuild.wait()
    watch.now += PAUSE
    rebuild.told(saves(MANY * 2))
    assert len(built) == 1
    assert not rebuild.due()


def test_one_at_a_time_and_a_failure_is_tried_again() -> None:
    watch, going, let = Watch(), [], threading.Event()

    def build() -> int:
        going.append(1)
        let.wait(10)
        if len(going) == 1:
            raise OSError("disk full")
        return 1

    rebuild = Rebuild(build, missing=True, clock=watch)
    rebuild.told([])
    rebuild.told(saves(MANY))
    assert len(going) == 1
    let.set()
    rebuild.wait()
    watch.now += PAUSE
    rebuild.told([])
    rebuild.wait()
    assert len(going) == 2


def test_a_board_that_turns_secret_or_is_gone_is_unlearned_at_once() -> None:
    watch, built = Watch(), []
    rebuild = Rebuild(lambda: built.append(1) or 1_000_000, missing=True, clock=watch)
    rebuild.told([])
    rebuild.wait()
    rebuild.told([Event("board", 1.0, 1, data={"board_id": 3, "secret": True})])
    assert len(built) == 1, "one has just been made"
    watch.now += PAUSE
    rebuild.told([])
    rebuild.wait()
    assert len(built) == 2


def test_a_flood_of_what_teaches_nothing_makes_nothing_anew() -> None:
    watch, built = Watch(), []
    rebuild = Rebuild(lambda: built.append(1) or 1000, missing=True, clock=watch)
    rebuild.told([])
    rebuild.wait()
    watch.now += PATIENCE
    rebuild.told([Event("save", 1.0, 1, number, {"choice": True}) for number in range(1, 5 * MANY)])
    rebuild.told([Event("save", 1.0, 1, number, {"secret": True, "board_id": 9}) for number in range(1, 5 * MANY)])
    rebuild.wait()
    assert len(built) == 1
