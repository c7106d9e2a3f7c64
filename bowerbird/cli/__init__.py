"""Every command; thin. `bowerbird COMMAND --help` shows examples."""

from __future__ import annotations

import os
import sys

# Processes and threads share out the work: BLAS threads of their own would only wait for each other, and spin.
# It is read when numpy is loaded, so it must be set before anything that loads it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.markup import escape

from bowerbird.catalog import Forbidden, NotFound, Taken, WrongSchema
from bowerbird.cli import doctor, events, learn, move, people, pictures, report, service, stack, train
from bowerbird.cli.terminal import app, err
from bowerbird.ports import Unavailable
from bowerbird.settings import BadSetting
from bowerbird.storage.move import Differs

__all__ = [
    "app",
    "doctor",
    "events",
    "learn",
    "main",
    "move",
    "people",
    "pictures",
    "report",
    "service",
    "stack",
    "train",
]


def main() -> None:
    try:
        app()
    except (BadSetting, Unavailable, Forbidden, NotFound, Taken, WrongSchema, Differs) as error:
        err.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
        sys.exit(2)
