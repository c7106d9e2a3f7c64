"""The command that learns from what people do with their feeds."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bowerbird.cli.terminal import Data, Parent, app, err, opened, out, progress, settings_for
from bowerbird.fleet.tether import tether
from bowerbird.settings import BadSetting

if TYPE_CHECKING:
    from bowerbird.feed.learn import Learned
    from bowerbird.feed.trees import Trees
    from bowerbird.ports import Engines

DAYS = 60
"""What happened longer ago is not learned from."""
TOLD = "told.json"
"""In the folder of models: what was found the last time, adopted or not."""
PLACES = (1, 2, 4, 10, 25, 50, 100)


def folder_of(data: Path) -> Path:
    return data / "ranking"


def last_look(data: Path) -> float:
    """When something was last learned, or nothing; seconds since the epoch, 0 for never."""
    told = folder_of(data) / TOLD
    return told.stat().st_mtime if told.exists() else 0.0


@app.command(epilog="Example: `bowerbird learn`, and `bowerbird learn --rollback` to go back to what was before")
def learn(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn and measure, change nothing.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Give up what is in use for what was before.")] = False,
    data: Data = None,
    parent: Parent = None,
) -> None:
    """Learn from what people saved, opened and hid on their feeds how to rank them, and rank by that, if it is
    measurably better on the last day.

    Every web process ranks the new way within seconds. `bowerbird serve` runs it once a day (BOWERBIRD_LEARN_DAILY).
    """
    from bowerbird.events.reader import Only

    settings = settings_for(data=data)
    if parent is not None:
        tether(parent, lambda: os._exit(1))  # what is half written is not in use
        os.nice(10)  # pages come first
    folder = folder_of(settings.data)
    with opened(settings) as engines, closing(Only(settings.data / "learn.lock")) as only:
        only.wait(threading.Event())
        if rollback:
            _roll_back(folder)
        else:
            _learn(engines, folder, dry_run, quiet=parent is not None)


def _roll_back(folder: Path) -> None:
    from bowerbird.feed.generations import generations, give_up

    used = generations(folder)
    if not used:
        raise BadSetting("Nothing learned is in use; there is nothing to give up.")
    left = give_up(folder)
    now = f"Version {left[-1].name} is in use again." if left else "Feeds are ranked by fixed weights."
    again = "The next day's learning may adopt another; BOWERBIRD_LEARN_DAILY=false stops it."
    out.print(f"Version {used[-1].name} is given up. {now} {again}", soft_wrap=True)


def _learn(engines: Engines, folder: Path, dry_run: bool, quiet: bool) -> None:
    from bowerbird.events import report
    from bowerbird.feed import learn, lesson
    from bowerbird.feed.generations import renewed
    from bowerbird.feed.page import SERVED

    now = time.time()
    with report.table(engines, now - DAYS * learn.DAY, lesson.KINDS, SERVED) as db:
        given = lesson.lesson(db, now)
    before = _in_use(folder)
    try:
        with progress() as bar:
            task = bar.add_task("Learning", total=None, visible=not quiet)
            found = learn.learn(given, before, lambda n, of: bar.update(task, completed=n, total=of))
    except ValueError as error:
        _tell(folder, dry_run, str(error))
        if quiet:  # a small site is no failure
            return
        raise BadSetting(str(error)) from error
    figures, better = found.verdict._asdict(), found.verdict.good
    why = "It is surely better." if better else "It is not surely better, so nothing changes."
    if better and not dry_run:
        about = {"verdict": figures, "chances": found.chances.round(4).tolist(), "at": now}
        version = renewed(folder, lambda path: found.trees.save(path, **about)).name
        why = f"Version {version} is in use. `bowerbird learn --rollback` gives it up."
    _tell(folder, dry_run, why, **figures)
    if not quiet:
        _show(found, before)
        (out if better else err).print(why)


def _in_use(folder: Path) -> Trees | None:
    """As the web processes do: one that cannot be read is none."""
    from bowerbird.feed.generations import generations
    from bowerbird.feed.trees import Trees

    try:
        return Trees.load(used[-1]) if (used := generations(folder)) else None
    except ValueError as error:
        err.print(f"{error}; feeds are ranked by fixed weights.")
        return None


def _tell(folder: Path, dry_run: bool, why: str, **figures: float) -> None:
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TOLD).write_text(json.dumps({"told": why, **figures}, indent=1))


def _show(found: Learned, before: Trees | None) -> None:
    import numpy as np

    from bowerbird.feed.learn import last, step

    verdict = found.verdict
    table = Table("Held-out days", "weighted NDCG")
    held = f"{verdict.acts} pins saved, opened or hidden by {verdict.people} people"
    table.add_row(last(verdict.days), held)
    in_use = f"version {before.version} ranks" if before else "fixed weights rank"
    table.add_row(f"as {in_use}", f"{verdict.before:.3f}")
    table.add_row("as people taught", f"{verdict.after:.3f}")
    gain = verdict.after - verdict.before
    table.add_row("gain, with its 95 % interval", f"{gain:+.3f} ({verdict.low:+.3f} to {verdict.high:+.3f})")
    known = zip(PLACES, step(np.array(PLACES) - 1).tolist(), strict=True)
    chances = ", ".join(f"{place}: {found.chances[at]:.2f}" for place, at in known if at < len(found.chances))
    table.add_row("chance to be looked at, by place", chances)
    out.print(table)
