"""`Vectors` in one folder, in process: exact while small, then a FAISS graph refined from disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bowerbird.adapters.vectors.generation import Generation
from bowerbird.adapters.vectors.log import current, locked
from bowerbird.adapters.vectors.rows import known_ids, known_k, unit_rows
from bowerbird.ports import Found, Unavailable

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints

BUILD = "bowerbird.adapters.vectors.build"
STALE = 0.05
"""Share of the indexed rows that may be new or dead before the index is built again."""
PATIENCE, LONGEST = 2.0, 600.0
"""Seconds between two looks at whether a build is due; after one that failed twice as many, up to the longest."""


class FaissVectors:
    """See `ports.Vectors`. Several processes may add, remove and search in the same folder at once.

    Up to `exact_below` rows every answer is exact. Past that a process of its own builds an index, and
    again whenever enough has changed; queries go on meanwhile and scan what is not yet indexed.
    `effort` is how many rows a query considers closely: more is better recall and slower.
    """

    def __init__(self, folder: Path, dim: int, exact_below: int = 20_000, effort: int = 96) -> None:
        self.dim = dim
        self.effort = effort
        self.exact_below = exact_below
        self._folder = folder
        self._mutex = threading.RLock()
        self._builder: subprocess.Popen[bytes] | None = None
        self._follower: threading.Thread | None = None
        self._look_again = 0.0
        self._pause = PATIENCE
        self._pointer = folder / "current"
        self._stamp = 0
        self._closed = False
        folder.mkdir(parents=True, exist_ok=True)
        _check_dim(folder / "dim", dim)
        self._live = self._open()

    def add(self, ids: Ints, vectors: Floats) -> None:
        """Raises `ValueError` for ids that are not positive int64 and rows that are not unit float32."""
        ids, vectors = known_ids(ids), unit_rows(vectors, self.dim)
        if len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids for {len(vectors)} vectors")
        self._append(ids, vectors)

    def remove(self, ids: Ints) -> None:
        """Ids that are not there are no error."""
        ids = known_ids(ids)
        with self._mutex:
            live = self._fresh()
            known = ids[live.places(ids) >= 0]
            if len(known):
                self._append(-known, np.empty((0, self.dim), np.float32))

    def search(self, queries: Floats, k: int) -> Found:
        """Raises `ValueError` for queries that are not unit float32 and a `k` outside 1..`rows.MOST`."""
        queries = unit_rows(queries, self.dim)
        known_k(k)
        with self._mutex:
            live = self._fresh(wait=False)
        return Found(*live.search(queries, k, self.effort))

    def get(self, ids: Ints) -> Floats:
        ids = known_ids(ids)
        found = np.zeros((len(ids), self.dim), np.float32)
        with self._mutex:
            live = self._fresh()
            places = live.places(ids)
        found[places >= 0] = live.rows[places[places >= 0]]
        return found

    def as_searched(self, vectors: Floats) -> Floats:
        return vectors

    def settle(self) -> None:
        with self._mutex:
            live = self._fresh()
            loose = live.alive >= self.exact_below and live.count > live.sealed
        if loose:
            command = [sys.executable, "-m", BUILD, str(self._folder), str(self.dim), str(self.exact_below)]
            subprocess.run(command, stdin=subprocess.DEVNULL, env=_every_core(), check=True)

    def __len__(self) -> int:
        with self._mutex:
            return self._fresh().alive

    def drop(self) -> None:
        self.close()
        # Out of the way first, so that a build under way elsewhere adds nothing to what is being removed.
        away = self._folder.with_name(f"{self._folder.name}.dropped")
        try:
            shutil.rmtree(away, ignore_errors=True)
            self._folder.rename(away)
            shutil.rmtree(away)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"vectors: {self._folder} cannot be removed ({error.strerror})") from error

    def close(self) -> None:
        """Ends a build under way; the next process to open the folder starts it again."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            if self._builder:
                self._builder.terminate()
                self._builder.wait()
            self._live.close()

    def _append(self, entries: Ints, rows: Floats) -> None:
        with self._mutex:
            with locked(self._folder / "lock"):
                live = self._fresh()
                live.log.append(entries, rows)
            live.refresh()

    def _fresh(self, wait: bool = True) -> Generation:
        """The live generation with all that any process has appended to it.

        Without `wait` it may be the one before, while a thread opens the newest: at 1,000,000 rows
        that takes too long for a query.
        """
        if self._moved():
            if wait:
                self._follow()
            elif self._follower is None or not self._follower.is_alive():
                self._follower = threading.Thread(target=self._follow, name="vectors-follow", daemon=True)
                self._follower.start()
        self._live.refresh()
        self._build_if_due()
        return self._live

    def _moved(self) -> bool:
        """Whether another generation is live. To look at the file's time is ten times as fast as to
        read the file."""
        try:
            stamp = self._pointer.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        if stamp != self._stamp and current(self._folder) == self._live.log.generation:
            self._stamp = stamp
        return stamp != self._stamp

    def _follow(self) -> None:
        """Move to the newest generation."""
        newest = self._open()
        with self._mutex:
            stale = newest
            if newest.log.generation > self._live.log.generation and not self._closed:
                stale, self._live = self._live, newest
            stale.close()

    def _open(self) -> Generation:
        for _ in range(100):
            try:
                opened = Generation(self._folder, self.dim, current(self._folder))
            except FileNotFoundError:
                time.sleep(0.01)
                continue
            if opened.log.generation == current(self._folder):
                return opened
            opened.close()
        raise Unavailable(f"vectors: {self._folder} names a generation that is not there; restore it from a backup")

    def _build_if_due(self) -> None:
        if time.monotonic() < self._look_again:
            return
        live = self._live
        dead, tail = live.count - live.alive, live.count - live.sealed
        if live.alive < self.exact_below:
            due = dead > max(live.alive, self.exact_below)
        else:
            due = dead + tail >= max(self.exact_below // 4, STALE * live.sealed)
        ended = self._builder.poll() if self._builder else 0  # None while it runs
        self._pause = min(LONGEST, 2 * self._pause) if due and ended else PATIENCE
        self._look_again = time.monotonic() + self._pause
        if not due or ended is None:
            return
        with locked(self._folder / "building", wait=False) as free:
            if free:
                command = [sys.executable, "-m", BUILD, str(self._folder), str(self.dim), str(self.exact_below)]
                self._builder = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=_every_core())


def _check_dim(path: Path, dim: int) -> None:
    with locked(path.with_name("lock")):
        if not path.exists() or not path.read_text():
            path.write_text(str(dim))
    if int(path.read_text()) != dim:
        raise ValueError(f"{path.parent} holds vectors of {path.read_text()} numbers, not {dim}")


def _every_core() -> dict[str, str]:
    """The builder's environment: a web process holds its own BLAS to one thread, the builder wants all."""
    held = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in held}
