"""The builder, a process of its own: `python -m bowerbird.adapters.vectors.build FOLDER DIM EXACT_BELOW`.

It writes the next generation beside the live one, carries over what was appended meanwhile, and
switches. Killed at any point it leaves the live generation as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from bowerbird.adapters.vectors.generation import Generation
from bowerbird.adapters.vectors.graph import build
from bowerbird.adapters.vectors.log import Log, current, discard, locked, switch

POLITE = 5
"""Niceness: queries come first."""
BATCH = 65_536


def rebuild(folder: Path, dim: int, exact_below: int) -> bool:
    """One generation forward; False when another process is at it already."""
    with locked(folder / "building", wait=False) as mine:
        if not mine:
            return False
        old = Generation(folder, dim, current(folder))
        try:
            _write_next(folder, old, exact_below)
        except BaseException:  # a disk that is full should not stay so
            discard(folder, old.log.generation + 1)
            raise
        finally:
            old.close()
        return True


def _write_next(folder: Path, old: Generation, exact_below: int) -> None:
    number = old.log.generation + 1
    discard(folder, number)
    living = np.flatnonzero(old.ids[: old.count])
    rows = old.rows[: old.count] if len(living) == old.count else old.rows[living]
    indexed = len(rows) >= exact_below
    order = build(rows, folder / f"{number}.graph") if indexed else np.arange(len(rows))
    new = Log(folder, old.log.dim, number, create=True)
    for i in range(0, len(order), BATCH):
        chosen = living[order[i : i + BATCH]]
        new.append(old.ids[chosen], old.rows[chosen])
        new.entries()
    _carry_over(old.log, new)
    if indexed:
        # Compiles the walk, if no process has yet, before any query waits for it.
        Generation(folder, new.dim, number).close()
    with locked(folder / "lock"):
        _carry_over(old.log, new)
        switch(folder, number)
    new.close()


def _carry_over(old: Log, new: Log) -> None:
    """What was appended to the old generation since it was last read."""
    start = old.count
    entries = old.entries()
    new.append(entries, old.rows()[start : old.count])
    new.entries()


if __name__ == "__main__":
    os.nice(POLITE)
    rebuild(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
