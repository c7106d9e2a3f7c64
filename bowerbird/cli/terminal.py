"""What the commands share: the program, the terminal, the engines and how to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bowerbird.settings import Settings, load

if TYPE_CHECKING:
    from bowerbird.ports import Engines

app = typer.Typer(
    name="bowerbird",
    help="Pictures go in; the pictures that belong with them come out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

out = Console()
err = Console(stderr=True)

Data = Annotated[Path | None, typer.Option("--data", help="The data folder (BOWERBIRD_DATA).", show_default=False)]
Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8080")]
Parent = Annotated[int | None, typer.Option("--parent", hidden=True)]


def settings_for(**overrides: Any) -> Settings:
    """The settings; the command line's own words go into the environment too, for child processes."""
    for name, value in overrides.items():
        if value is not None:
            os.environ.pop(f"BOWERBIRD_{name.upper()}_FILE", None)
            os.environ[f"BOWERBIRD_{name.upper()}"] = str(value)
    return load()


@contextmanager
def opened(settings: Settings) -> Iterator[Engines]:
    from bowerbird import wiring

    engines = wiring.connect(settings)
    try:
        yield engines
    finally:
        engines.close()


def stop_on_signal() -> threading.Event:
    """Set by the first SIGINT or SIGTERM.

    Not by the handler: it runs in the midst of whatever the main thread does, which may be a wait for this very event,
    whose lock is taken then, or the handling of the signal before.
    """
    stop = threading.Event()
    came: SimpleQueue[int] = SimpleQueue()  # the only one that a handler may put into
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: came.put(number))

    def watch() -> None:
        came.get()
        stop.set()

    threading.Thread(target=watch, name="signals", daemon=True).start()
    return stop


def progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err
    )


class Stopped(Exception):
    """Somebody pressed Ctrl-C; what is done so far is kept."""


def reporter(bar: Progress, stop: threading.Event) -> Callable[[str, int, int], None]:
    """`report(what, done, of)`: one line of the progress bar for each `what`. Raises `Stopped` once `stop` is set."""
    tasks: dict[str, Any] = {}

    def report(what: str, done: int, of: int) -> None:
        if stop.is_set():
            raise Stopped
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=of)
        bar.update(tasks[what], completed=done, total=of)

    return report
