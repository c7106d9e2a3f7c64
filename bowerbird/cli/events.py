"""The commands that fold events, and that make anew what all saves teach."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from bowerbird.cli.learn import last_look
from bowerbird.cli.terminal import Data, Parent, app, err, opened, out, settings_for, stop_on_signal
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
    from bowerbird.feed import affinity, graph, topics
    from bowerbird.ports import Unavailable

    offset = engines.events.end()  # what is in the log by now is in the catalog as well
    with engines.database.read() as conn:
        pins, on, images = boards.edges(conn)
        kept, people = boards.keepers(conn)
    try:
        about = topics.topics(engines.looks, images)
    except Unavailable as error:
        err.print(f"Walks do without topics until the next time: {error}")
        about = None
    graph.renew(folder / "graph", pins, on, offset, about)
    affinity.renew(folder / "affinity", kept, people)
    return len(pins)


@app.command("rebuild", epilog="Example: `bowerbird rebuild`; `bowerbird serve` does it by itself")
def rebuild_now(data: Data = None, parent: Parent = None) -> None:
    """Make anew what all saves teach: the save graph, and which pins go together."""
    from bowerbird.events.reader import Only

    if parent is not None:
        tether(parent, lambda: os._exit(1))  # what is half written is not in use
    settings = settings_for(data=data)
    with opened(settings) as engines, closing(Only(settings.data / "rebuild.lock")) as only:
        only.wait(threading.Event())
        saves = rebuild(engines, settings.data)
    if parent is None:
        out.print(f"Learned from {saves:,} saves.")


def _apart(engines: Engines) -> int:
    """`bowerbird rebuild`, as a process of its own: what it needs for a few seconds is not kept for the day. How many
    saves there are then."""
    from bowerbird.catalog import saves

    subprocess.run([*command("rebuild"), "--parent", str(os.getpid())], stdin=subprocess.DEVNULL, check=True)
    with engines.database.read() as conn:
        return saves.count(conn)


@app.command(epilog="Example: `bowerbird events`; `bowerbird serve` runs it by itself")
def events(data: Data = None, parent: Parent = None) -> None:
    """Run the event processor alone: it turns what people do into what the feed knows of them.

    One works at a time; a second one, with Kafka on any machine, stands by until the first is gone.
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
        lead, regular = engines.events.lead("events"), [Every(HOUR, command("archive"))]
        if settings.learn_daily:
            regular.append(Every(DAY, command("learn"), last_look(settings.data)))
        try:
            learned = Rebuild(lambda: _apart(engines), not generations(settings.data / "affinity"))

            def each(folded: Sequence[Event]) -> None:
                learned.told(folded)
                for one in regular:
                    one.look()

            reader.run(engines, lead, stop, each)
        finally:
            for one in regular:
                one.close()
            lead.close()
