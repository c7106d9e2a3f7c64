"""The command that folds events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bowerbird.cli.learn import last_look
from bowerbird.cli.terminal import Data, Parent, app, opened, settings_for, stop_on_signal
from bowerbird.fleet.supervisor import command
from bowerbird.fleet.tether import tether

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bowerbird.model import Event
    from bowerbird.ports import Engines


def rebuild(engines: Engines, folder: Path) -> int:
    """Make anew what all saves on open boards teach: the graph that is walked, and which pins go together. How many
    saves there are."""
    from bowerbird.catalog import boards
    from bowerbird.feed import affinity, graph

    offset = engines.events.end()  # what is in the log by now is in the catalog as well
    with engines.database.read() as conn:
        pins, on = boards.edges(conn)
        kept, people = boards.keepers(conn)
    graph.renew(folder / "graph", pins, on, offset)
    affinity.renew(folder / "affinity", kept, people)
    return len(pins)


@app.command(epilog="Example: `bowerbird events`; `bowerbird serve` runs it by itself")
def events(data: Data = None, parent: Parent = None) -> None:
    """Run the event processor alone: it turns what people do into what the feed knows of them.

    One works at a time; a second one waits until the first is gone.
    """
    from bowerbird.events import reader
    from bowerbird.events.every import DAY, HOUR, Every
    from bowerbird.events.rebuild import Rebuild
    from bowerbird.feed.generations import generations

    settings = settings_for(data=data)
    stop = stop_on_signal()
    if parent is not None:
        tether(parent, stop.set)
    with opened(settings) as engines:
        only, regular = reader.Only(settings.data / "events.lock"), [Every(HOUR, command("archive"))]
        if settings.learn_daily:
            regular.append(Every(DAY, command("learn"), last_look(settings.data)))
        try:
            if only.wait(stop):
                learned = Rebuild(lambda: rebuild(engines, settings.data), not generations(settings.data / "affinity"))

                def each(folded: Sequence[Event]) -> None:
                    learned.told(folded)
                    for one in regular:
                        one.look()

                reader.run(engines, stop, each)
        finally:
            for one in regular:
                one.close()
            only.close()
