"""The command that moves what one engine keeps to another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bowerbird import wiring
from bowerbird.cli.terminal import Data, Stopped, app, err, out, progress, reporter, settings_for, stop_on_signal
from bowerbird.settings import BadSetting, Settings

if TYPE_CHECKING:
    from bowerbird.storage.move import Moved, Report

    Move = Callable[[Settings, Settings, Path, Report], list[Moved]]
    """From these settings to those; the file says whether it was begun before."""


class What(StrEnum):
    DATABASE = "database"
    BLOBS = "blobs"
    METADATA = "metadata"
    EVENTS = "events"
    QUEUE = "queue"
    VECTORS = "vectors"


From = Annotated[str | None, typer.Option("--from", help="URL of the engine that has it.", show_default="embedded")]
To = Annotated[str | None, typer.Option("--to", help="URL of the engine that gets it.", show_default="embedded")]


@app.command(epilog="Example: `bowerbird move blobs --to 's3://pictures?region=eu-west-1'`")
def move(
    what: Annotated[What, typer.Argument(help="The port whose data is moved.")],
    source: From = None,
    target: To = None,
    data: Data = None,
) -> None:
    """Copy what one engine keeps to another, and compare every bit of it. Stop the service first.

    Killed or stopped, the same command goes on where it was. The source is left as it is, save for jobs.
    """
    settings = settings_for(data=data)
    here, there = (_with(settings, what, url or "") for url in (source, target))
    if (source or "") == (target or ""):
        raise BadSetting("Both ends are the same engine: give --to, --from or both.")
    stop = stop_on_signal()
    try:
        with _mark(settings, what, source or "", target or "") as begun, progress() as bar:
            moved = MOVES[what](here, there, begun, reporter(bar, stop))
    except Stopped:
        err.print("Stopped. The same command goes on where this one ended.")
        raise typer.Exit(130) from None
    table = Table(what.value, "how many", "hash, the same on both sides")
    for each in moved:
        table.add_row(each.what, f"{each.number:,}", each.digest[:16])
    out.print(table)
    out.print(f"Now set BOWERBIRD_{what.name} to the URL given to --to, and start the service.", soft_wrap=True)


def _with(settings: Settings, what: What, url: str) -> Settings:
    changed: Any = {what.value: url}
    return replace(settings, **changed)


@contextmanager
def _mark(settings: Settings, what: What, source: str, target: str) -> Iterator[Path]:
    """A file that says that this very move was begun; it is gone when the move is done."""
    name = hashlib.sha256(json.dumps([what, source, target]).encode()).hexdigest()[:16]
    path = settings.data / "moves" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path
    path.unlink(missing_ok=True)


def _refuse_full(empty: bool, begun: Path, what: What) -> None:
    """Raises `BadSetting` for a target that holds what this move did not put there."""
    if not empty and not begun.exists():
        raise BadSetting(f"The target holds {what} already. Give an empty one: nothing is overwritten.")
    if not begun.exists():
        begun.write_text("{}")


def _one(what: What, engine: Callable[[Settings], Any]) -> Move:
    """The move of a port that is one engine."""

    def move(here: Settings, there: Settings, begun: Path, report: Report) -> list[Moved]:
        port = import_module(f"bowerbird.storage.move.{what.value}")
        with ExitStack() as opened:
            source, target = (_opened(opened, engine(each)) for each in (here, there))
            _refuse_full(port.empty(target), begun, what)
            moved: list[Moved] = port.move(source, target, report)
            return moved

    return move


def _vectors(here: Settings, there: Settings, begun: Path, report: Report) -> list[Moved]:
    """Every index there is, of the images that the catalog knows."""
    from bowerbird.catalog import images
    from bowerbird.storage.move import vectors

    with ExitStack() as opened:
        with closing(wiring.catalog(here)) as database, database.read() as conn:
            ids = images.ready_ids(conn)
        sources, targets = (
            {name: _opened(opened, wiring.vectors(each, name, dim)) for name, dim in wiring.indexes(here).items()}
            for each in (here, there)
        )
        _refuse_full(all(vectors.empty(each) for each in targets.values()), begun, What.VECTORS)
        return [
            moved
            for name, source in sources.items()
            for moved in vectors.move(name, source, targets[name], ids, report)
        ]


def _opened(stack: ExitStack, engine: Any) -> Any:
    return stack.enter_context(closing(engine)) if hasattr(engine, "close") else engine


MOVES: dict[What, Move] = {
    What.DATABASE: _one(What.DATABASE, wiring.catalog),
    What.BLOBS: _one(What.BLOBS, wiring.blobs),
    What.METADATA: _one(What.METADATA, wiring.metadata),
    What.EVENTS: _one(What.EVENTS, wiring.events),
    What.QUEUE: _one(What.QUEUE, wiring.queue),
    What.VECTORS: _vectors,
}
