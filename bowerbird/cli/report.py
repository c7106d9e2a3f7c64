"""Commands over what happened: archive, report."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from bowerbird.cli.terminal import Data, Parent, app, err, opened, out, settings_for
from bowerbird.fleet.tether import tether

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bowerbird.events.report import Answer
    from bowerbird.ports import Engines

DAY = 86_400.0


@app.command(epilog="Example: `bowerbird archive`; `bowerbird serve` runs it every hour")
def archive(data: Data = None, parent: Parent = None) -> None:
    """Write the event log's whole hours to the blob store as Parquet, and forget the events that need not be kept."""
    from bowerbird.events import archive as archived
    from bowerbird.events import reader

    settings = settings_for(data=data)
    if parent is not None:
        tether(parent, lambda: os._exit(1))  # it may stop anywhere, and goes on there the next time
    with opened(settings) as engines, closing(reader.Only(settings.data / "archive.lock")) as only:
        only.wait(threading.Event())  # two at once would write over each other's files
        count = archived.run(engines)
        folded = reader.place(engines).offset
        archived.forget(engines, folded + 1, settings.events_keep_days, settings.events_keep_mb)
        if parent is None:
            out.print(f"{count} events archived; the log takes {engines.events.bytes() / 2**20:.0f} MiB.")


@app.command(epilog="Example: `bowerbird report --days 7`")
def report(
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far to look back.")] = 30, data: Data = None
) -> None:
    """What happened lately: growth, most saved, top boards, save rate by source and position, active people."""
    from bowerbird.events.report import answers

    with opened(settings_for(data=data)) as engines:
        found = answers(engines, time.time() - days * DAY)
        names = {answer.question: _names(engines, answer) for answer in found}
    if not found:
        err.print(f"Nothing happened in the last {days} days.")
    for answer in found:
        out.print(_table(answer, names[answer.question]))


def _names(engines: Engines, answer: Answer) -> Mapping[int, str]:
    """What the ids of its first column are called by whoever may be shown to everyone."""
    from bowerbird.catalog import facts, pins

    ids = [int(str(row[0])) for row in answer.rows] if answer.columns[0] in ("pin", "board", "person") else []
    with engines.database.read() as conn:
        match answer.columns[0]:
            case "pin":
                return {pin_id: pin.title for pin_id in ids if (pin := pins.get(conn, pin_id, None)) and pin.title}
            case "board":
                boards = facts.named_boards(conn, ids, None)
                return {board_id: f"{board.username}/{board.name}" for board_id, board in boards.items()}
            case "person":
                return facts.usernames(conn, ids)
            case _:
                return {}


def _table(answer: Answer, names: Mapping[int, str]) -> Table:
    table = Table(title=answer.question, title_justify="left", title_style="bold")
    for number, column in enumerate(answer.columns):
        table.add_column(column, justify="right" if number else "left")
    for first, *others in answer.rows:
        named = f"{names[first]} ({first})" if isinstance(first, int) and first in names else str(first)
        # Text, for what people write is no markup.
        table.add_row(Text(named), *("" if value is None else f"{value:,}" for value in others))
    return table
