"""The command that learns from boards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bowerbird.cli.terminal import Data, app, err, opened, out, progress, settings_for
from bowerbird.settings import BadSetting

if TYPE_CHECKING:
    from bowerbird.adapters.vectors.learned import LearnedVectors
    from bowerbird.ports import Engines
    from bowerbird.search.learn import Verdict

NOTICED = 2.0
"""Seconds after which every process has noticed a switch."""


@app.command(epilog="Example: `bowerbird train`, and `bowerbird train --rollback` to go back to what was before")
def train(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Learn and measure, change nothing.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Give up what is in use for what was before.")] = False,
    data: Data = None,
) -> None:
    """Learn from boards which pictures belong together, and search by that, if it is measurably better.

    The service goes on meanwhile; every process searches the new way within a second or two of the switch.
    """
    from bowerbird import wiring

    with opened(settings_for(data=data)) as engines:
        looks = wiring.learnable(engines)
        if rollback:
            _roll_back(engines, looks)
        else:
            _learn(engines, looks, dry_run)


def _roll_back(engines: Engines, looks: LearnedVectors) -> None:
    if not looks.version:
        raise BadSetting("Nothing learned is in use; there is nothing to give up.")
    left, version = looks.version, looks.back()
    _catch_up(engines, looks)
    looks.forget()
    now = f"Version {version} is in use again." if version else "Pictures are compared as the encoder sees them."
    out.print(f"Version {left} is given up. {now}")


def _catch_up(engines: Engines, looks: LearnedVectors) -> None:
    """Add what came while another version was in use, and from processes that had not noticed the switch."""
    from bowerbird.catalog import images

    time.sleep(NOTICED)
    with engines.database.read() as conn:
        looks.catch_up(images.ready_ids(conn))


def _learn(engines: Engines, looks: LearnedVectors, dry_run: bool) -> None:
    from bowerbird.catalog import boards, images
    from bowerbird.search import learn

    with engines.database.read() as conn:
        given = learn.lesson(looks, *boards.pictured(conn))
        every = images.ready_ids(conn)
    with progress() as bar:
        task = bar.add_task("Learning", total=None)
        try:
            projection, verdict = learn.learn(given, lambda n, of: bar.update(task, completed=n, total=of))
        except ValueError as error:
            raise BadSetting(str(error)) from error
    _show(verdict)
    if not verdict.good:
        err.print(f"{verdict.against}, so nothing changes.")
        return
    if dry_run:
        return
    with progress() as bar:
        task = bar.add_task("Indexing", total=len(every))
        version = looks.prepare(projection, every, lambda n, of: bar.update(task, completed=n, total=of))
    looks.adopt(version)
    _catch_up(engines, looks)
    looks.forget()
    out.print(f"Version {version} is in use. `bowerbird train --rollback` gives it up.")


def _show(verdict: Verdict) -> None:
    table = Table("Held-out pictures", "recall@10", title=None)
    table.add_row("as the encoder sees them", f"{verdict.before:.3f}")
    table.add_row("through what boards taught", f"{verdict.after:.3f}")
    table.add_row("gain, with its 95 % interval", f"{verdict.gain:+.3f} ({verdict.low:+.3f} to {verdict.high:+.3f})")
    table.add_row("gain on boards never seen", f"{verdict.strange:+.3f}")
    out.print(table)
