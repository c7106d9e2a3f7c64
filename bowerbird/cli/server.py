"""The web processes: Granian in front of `web.app`."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from granian import Granian
from granian.constants import Interfaces
from litestar import Litestar
from litestar.concurrency import set_asyncio_executor

from bowerbird import wiring
from bowerbird.catalog import WrongSchema
from bowerbird.fleet.tether import tether
from bowerbird.ports import Unavailable
from bowerbird.settings import BadSetting, load
from bowerbird.web.app import create_app

THREADS = 12
"""Requests of a process that are answered at the same time, walls (`app.AFAR`) aside: together as many as it may have
connections to a database."""
LONG = 0.02
"""Seconds."""
PATIENCE = 10.0
"""Seconds that a visitor's picture waits for those before it."""


def run(host: str, port: int, workers: int, parent: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Settings reach the workers through the environment."""
    if parent is not None:
        tether(parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
    Granian(
        "bowerbird.cli.server:worker_app",
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=workers,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=5,
        log_enabled=False,
    ).serve()


class Tidy:
    """Keeps Python's search for garbage short. A full one holds up every thread for a seventh of a second, every other
    second under load, and finds what it found before: modules, routes, compiled code. What is left after a long one is
    there to stay, and further ones leave it out."""

    def __init__(self) -> None:
        self._began = 0.0

    def __call__(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        elif about["generation"] == 2 and time.thread_time() - self._began > LONG:
            gc.freeze()


def worker_app() -> Litestar:
    """The application of one web process, which ends with the process that serves it."""
    tether(os.getppid(), lambda: os._exit(0))
    # By default there are four more than the machine has cores, and all of them would soon wait for a slow engine.
    set_asyncio_executor(ThreadPoolExecutor(THREADS, "request"))
    # The event loop must not wait 5 ms, Python's own choice, for each thread that is busy with an answer.
    sys.setswitchinterval(0.0005)
    gc.callbacks.append(Tidy())
    settings = load()
    try:
        room = wiring.darkroom(settings, patience=PATIENCE)
        return create_app(settings, wiring.connect(settings, pages=True), room, close=True)
    except (BadSetting, Unavailable, WrongSchema) as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except Exception:
        traceback.print_exc()  # the server in front of it would keep this to itself
        raise
