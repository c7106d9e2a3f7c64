"""The command that folds events."""

from __future__ import annotations

from bowerbird.cli.terminal import Data, Parent, app, opened, settings_for, stop_on_signal
from bowerbird.fleet.tether import tether


@app.command(epilog="Example: `bowerbird events`; `bowerbird serve` runs it by itself")
def events(data: Data = None, parent: Parent = None) -> None:
    """Run the event processor alone: it turns what people do into what the feed knows of them.

    One works at a time; a second one waits until the first is gone.
    """
    from bowerbird.events import reader

    settings = settings_for(data=data)
    stop = stop_on_signal()
    if parent is not None:
        tether(parent, stop.set)
    with opened(settings) as engines:
        only = reader.Only(settings.data / "events.lock")
        try:
            if only.wait(stop):
                reader.run(engines, stop)
        finally:
            only.close()
