"""The command that learns from what people do with their walls."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.table import Table

from bowerbird.cli.terminal import Data, Parent, app, err, opened, out, progress, settings_for
from bowerbird.fleet.tether import tether
from bowerbird.ports import Unavailable
from bowerbird.settings import BadSetting

if TYPE_CHECKING:
    from bowerbird.feed.learn import Learned
    from bowerbird.feed.lesson import Lesson
    from bowerbird.ports import Engines

DAYS = 60
"""What happened longer ago is not learned from."""
TOLD = "told.json"
"""In the folder of models: what was found the last time, adopted or not."""
PLACES = (1, 2, 4, 10, 25, 50, 100)


class What(StrEnum):
    """What can be learned."""

    FEED = "feed"
    RELATED = "related"


FOLDERS = {What.FEED: "ranking", What.RELATED: "fusion"}


class Subject(NamedTuple):
    """How one of them is learned."""

    what: What
    folder: Path
    """Of its models."""
    names: Sequence[str]
    """Of the features that are logged for it."""
    learn: Callable[..., Learned[Any]]
    load: Callable[[Path], Any]
    done: str
    """What it does, as fixed weights do it where it is not learned."""


def subject(what: What, data: Path) -> Subject:
    from bowerbird.feed import features, fusion, learn, related, trees

    folder = folder_of(data, what)
    if what is What.FEED:
        return Subject(what, folder, features.NAMES, learn.learn, trees.Trees.load, "rank feeds")
    return Subject(what, folder, related.NAMES, fusion.learn, fusion.Fusion.load, "fuse related pins")


def folder_of(data: Path, what: What = What.FEED) -> Path:
    return data / FOLDERS[what]


def last_look(data: Path) -> float:
    """When something was last learned, or nothing; seconds since the epoch, 0 for never."""
    told = folder_of(data) / TOLD
    return told.stat().st_mtime if told.exists() else 0.0


@app.command(epilog="Example: `bowerbird learn`, and `bowerbird learn feed --rollback` to go back to what was before")
def learn(
    what: Annotated[What | None, typer.Argument(help="Only this.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn and measure, change nothing.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Give up what is in use for what was before.")] = False,
    data: Data = None,
    parent: Parent = None,
) -> None:
    """Learn from what people saved, opened and hid how to rank feeds, and how much each kind of related pins counts.
    What is measurably better on the last day is used from then on.

    Every web process takes it up within seconds. `bowerbird serve` runs it once a day (BOWERBIRD_LEARN_DAILY).
    """
    from bowerbird.events.reader import Only

    settings = settings_for(data=data)
    if parent is not None:
        tether(parent, lambda: os._exit(1))  # what is half written is not in use
        os.nice(10)  # pages come first
    subjects = [subject(each, settings.data) for each in ([what] if what else What)]
    with opened(settings) as engines, closing(Only(settings.data / "learn.lock")) as only:
        only.wait(threading.Event())
        if rollback:
            _roll_back(subjects)
        else:
            _learn(engines, subjects, dry_run, quiet=parent is not None)


def _roll_back(subjects: Sequence[Subject]) -> None:
    from bowerbird.feed.generations import generations, give_up

    used = [each for each in subjects if generations(each.folder)]
    if not used:
        raise BadSetting("Nothing learned is in use; there is nothing to give up.")
    if len(used) > 1:
        ways = " or ".join(f"`bowerbird learn {each.what} --rollback`" for each in used)
        raise BadSetting(f"Say which is to be given up: {ways}.")
    (of,) = used
    newest = generations(of.folder)[-1]
    left = give_up(of.folder)
    now = f"Version {left[-1].name} is in use again." if left else f"Fixed weights {of.done}."
    again = "The next day's learning may adopt another; BOWERBIRD_LEARN_DAILY=false stops it."
    out.print(f"Version {newest.name} is given up. {now} {again}", soft_wrap=True)


def _learn(engines: Engines, subjects: Sequence[Subject], dry_run: bool, quiet: bool) -> None:
    """Each, whatever becomes of the others. Raises `Unavailable`, and `BadSetting` where nothing can be learned."""
    from bowerbird.events import report
    from bowerbird.feed import learn, lesson
    from bowerbird.feed.served import SERVED

    now = time.time()
    with report.table(engines, now - DAYS * learn.DAY, lesson.KINDS, SERVED) as db:
        lessons = [lesson.lesson(db, now, of.names) for of in subjects]
    failed: list[ValueError | Unavailable] = []
    for of, given in zip(subjects, lessons, strict=True):
        try:
            _adopt(of, given, now, dry_run, quiet)
        except (ValueError, Unavailable) as error:
            _tell(of.folder, dry_run, str(error))
            failed.append(error)
    for away in failed:
        if isinstance(away, Unavailable):
            raise away
    if quiet:  # a small site is no failure
        return
    told = "\n".join(map(str, failed))
    if len(failed) == len(subjects):
        raise BadSetting(told)
    if told:
        err.print(told, soft_wrap=True)


def _adopt(of: Subject, given: Lesson, now: float, dry_run: bool, quiet: bool) -> None:
    from bowerbird.feed.generations import renewed

    before = _in_use(of)
    with progress() as bar:
        task = bar.add_task("Learning", total=None, visible=not quiet)
        found = of.learn(given, before, lambda n, total: bar.update(task, completed=n, total=total))
    figures, better = found.verdict._asdict(), found.verdict.good
    why = "It is surely better." if better else "It is not surely better, so nothing changes."
    if better and not dry_run:
        about = {"verdict": figures, "chances": found.chances.round(4).tolist(), "at": now}
        version = renewed(of.folder, lambda path: found.model.save(path, **about)).name
        why = f"Version {version} is in use. `bowerbird learn {of.what} --rollback` gives it up."
    _tell(of.folder, dry_run, why, **figures)
    if not quiet:
        _show(of, found, before)
        (out if better else err).print(why)


def _in_use(of: Subject) -> Any:
    """As the web processes do: one that cannot be read is none."""
    from bowerbird.feed.generations import generations

    try:
        return of.load(used[-1]) if (used := generations(of.folder)) else None
    except ValueError as error:
        err.print(f"{error}; fixed weights {of.done}.")
        return None


def _tell(folder: Path, dry_run: bool, why: str, **figures: float) -> None:
    if not dry_run:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TOLD).write_text(json.dumps({"told": why, **figures}, indent=1))


def _show(of: Subject, found: Learned[Any], before: Any) -> None:
    import numpy as np

    from bowerbird.feed.learn import last, step

    verdict = found.verdict
    table = Table("Held-out days", "weighted NDCG")
    held = f"{verdict.acts} pins saved, opened or hidden by {verdict.people} people"
    table.add_row(last(verdict.days), held)
    table.add_row(
        f"as {f'version {before.version} does' if before else f'fixed weights {of.done}'}", f"{verdict.before:.3f}"
    )
    table.add_row("as people taught", f"{verdict.after:.3f}")
    gain = verdict.after - verdict.before
    table.add_row("gain, with its 95 % interval", f"{gain:+.3f} ({verdict.low:+.3f} to {verdict.high:+.3f})")
    known = zip(PLACES, step(np.array(PLACES) - 1).tolist(), strict=True)
    chances = ", ".join(f"{place}: {found.chances[at]:.2f}" for place, at in known if at < len(found.chances))
    table.add_row("chance to be looked at, by place", chances)
    if of.what is What.RELATED:
        table.add_row("weights", ", ".join(f"{name} {weight:.2f}" for name, weight in found.model.weights.items()))
    out.print(table)
