"""A process that must not outlive its parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

POLL = 0.5
"""Seconds between two looks."""


def tether(parent: int, let_go: Callable[[], None]) -> None:
    """Call `let_go` once, from a thread, when `parent` is no longer this process's parent.

    A killed parent cannot tell its children; they would hold the port and the data folder for ever.
    """

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(POLL)
        let_go()

    threading.Thread(target=watch, name="tether", daemon=True).start()
