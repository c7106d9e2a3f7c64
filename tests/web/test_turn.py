"""Walls are made in turn, and what waits for the darkroom does not hold them up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from bowerbird.ports import Unavailable
from bowerbird.web.site import after_turn, in_turn


@pytest.fixture
def site() -> Iterator[Any]:
    with ThreadPoolExecutor(1, "page") as turns:
        yield SimpleNamespace(turns=turns)


def asked(work: Any) -> Any:
    """In a thread of its own: a browser that is open in this process holds the loop of this one."""
    with ThreadPoolExecutor(1) as hand:
        return hand.submit(asyncio.run, work).result(10)


def test_who_came_first_is_served_first_and_one_at_a_time(site: Any) -> None:
    served: list[int] = []
    inside = threading.Semaphore(1)

    @in_turn
    def wall(site: Any, number: int) -> str:
        assert inside.acquire(blocking=False)
        served.append(number)
        inside.release()
        return threading.current_thread().name

    async def crowd() -> list[str]:
        return await asyncio.gather(*(wall(site=site, number=number) for number in range(50)))

    assert {name.partition("_")[0] for name in asked(crowd())} == {"page"}
    assert served == list(range(50))


def test_a_part_of_a_picture_is_searched_while_a_wall_is_made(site: Any) -> None:
    begun, seen = threading.Event(), threading.Event()

    @in_turn
    def wall(site: Any, box: str | None = None) -> bool:
        if box:
            assert begun.wait(5)
            seen.set()
            return True
        begun.set()
        return seen.wait(5)

    async def both() -> list[bool]:
        return await asyncio.gather(wall(site=site), wall(site=site, box="0,0,1,.5"))

    assert asked(both()) == [True, True]


def test_what_a_handler_raises_comes_through(site: Any) -> None:
    @in_turn
    def wall(site: Any) -> None:
        raise LookupError("no such wall")

    async def ask() -> None:
        await wall(site=site)

    with pytest.raises(LookupError, match="no such wall"):
        asked(ask())


def test_what_is_left_is_done_after_the_turn_and_before_the_answer(site: Any) -> None:
    held, done = threading.Event(), threading.Event()

    @in_turn
    def slow(site: Any) -> str:
        after_turn(lambda: (held.wait(5), done.set()))  # as one that waits for the lock of a writer
        return "slow"

    @in_turn
    def quick(site: Any) -> bool:
        return done.is_set()

    async def both() -> tuple[str, bool, bool]:
        waits = asyncio.create_task(slow(site=site))
        await asyncio.sleep(0.05)
        passed_by = await quick(site=site)
        held.set()
        return await waits, passed_by, done.is_set()

    assert asked(both()) == ("slow", False, True)


def test_an_engine_that_is_away_after_the_turn_costs_no_answer(site: Any) -> None:
    def away() -> None:
        raise Unavailable("gone")

    @in_turn
    def wall(site: Any) -> str:
        after_turn(away)
        return "a wall"

    async def ask() -> str:
        return await wall(site=site)

    assert asked(ask()) == "a wall"
