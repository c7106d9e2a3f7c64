"""Who waits longest comes first."""

from __future__ import annotations

import threading
import time

from bowerbird.turns import Turns


def test_places_are_taken_in_the_order_of_asking() -> None:
    turn, order = Turns(1), []
    begun: list[threading.Thread] = []

    def ask(number: int) -> None:
        with turn:
            order.append(number)

    with turn:
        for number in range(20):
            begun.append(threading.Thread(target=ask, args=(number,)))
            begun[-1].start()
            while len(turn._waiting) <= number:
                time.sleep(0.001)
    for thread in begun:
        thread.join(10)
    assert order == list(range(20))


def test_no_more_are_in_than_there_are_places_and_errors_give_theirs_back() -> None:
    turn, lock = Turns(2), threading.Lock()
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            try:
                with turn:
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0)
                    with lock:
                        inside -= 1
                    raise ValueError
            except ValueError:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most <= 2
    assert inside == 0
    with turn, turn:
        pass
