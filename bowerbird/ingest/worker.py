"""Takes jobs from the queue until it is told to stop."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bowerbird.catalog import fetches, images
from bowerbird.darkroom.process import Darkroom, Killed
from bowerbird.ingest import compare, fetch, lifecycle, pipeline, upload
from bowerbird.model import MAX_TRIES, Delivery, Job, State
from bowerbird.ports import Engines, Unavailable

log = logging.getLogger(__name__)

VISIBILITY = 30.0
"""Seconds after which another worker may take a job that this one no longer holds on to."""

WAIT = 1.0
"""Seconds that an idle hand waits in the queue for a job; stopping takes as long."""

SWEEP_EVERY = 30.0
ORPHANS_EVERY = 3600.0

RETRY = 1.0
"""Seconds before the second try of anything; it doubles from there."""

LONGEST = 60.0
"""Seconds between tries at most."""

HANDS = 2
"""Threads: while the darkroom develops one picture, another thread waits for disks to sync the one before."""

KILLED = "Its work was killed each time; is there enough memory?"


class Worker:
    def __init__(
        self,
        engines: Engines,
        darkroom: Darkroom,
        *,
        max_pixels: int = pipeline.MAX_PIXELS,
        fetching: fetch.Limits | None = None,
    ) -> None:
        self._engines = engines
        self._darkroom = darkroom
        self._max_pixels = max_pixels
        self._fetching = fetching or fetch.Limits()
        self._kinds: dict[str, Callable[[Job], None]] = {
            "process": self._process,
            "fetch": self._fetch,
            "purge": self._purge,
            "compare": self._compare,
        }

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is in hand is finished first."""
        others = [threading.Thread(target=self._hand, args=(stop, False)) for _ in range(HANDS - 1)]
        for other in others:
            other.start()
        try:
            self._hand(stop, True)
        finally:
            stop.set()
            for other in others:
                other.join()

    def _hand(self, stop: threading.Event, sweeps: bool) -> None:
        # Workers start together; they need not all sweep together.
        sweep_at = orphans_at = time.monotonic() + random.uniform(1, SWEEP_EVERY) if sweeps else math.inf
        pause = RETRY
        while not stop.is_set():
            try:
                if time.monotonic() > sweep_at:
                    sweep_at = time.monotonic() + SWEEP_EVERY
                    lifecycle.sweep(self._engines)
                if time.monotonic() > orphans_at:
                    orphans_at = time.monotonic() + ORPHANS_EVERY
                    lifecycle.sweep_orphans(self._engines)
                self.once(WAIT)
                pause = RETRY
            except Exception as error:  # a hand that fell off would not be missed until much later
                log.warning("the worker waits %.0f s: %s", pause, error, exc_info=not isinstance(error, Unavailable))
                stop.wait(pause)
                pause = min(2 * pause, LONGEST)

    def once(self, wait: float = 0.0) -> bool:
        """Take one job, if one comes within `wait` seconds; whether it did. Raises `Unavailable`: the queue is away."""
        deliveries = self._engines.queue.receive(1, VISIBILITY, wait)
        for delivery in deliveries:
            self._handle(delivery)
        return bool(deliveries)

    def _handle(self, delivery: Delivery) -> None:
        queue, job = self._engines.queue, delivery.job
        try:
            with self._holding(delivery):
                self._kinds[job.kind](job)
        except Unavailable as error:
            killed = isinstance(error, Killed)  # anyone may do that once or twice; five times it was for the picture
            if killed and delivery.tries >= MAX_TRIES and not job.payload.get("again"):  # what is up stays up
                self._mark_failed(job, KILLED)
            if killed or delivery.tries < MAX_TRIES:
                queue.fail(delivery, str(error), delay=_later(delivery))
            else:  # an outage is no fault of the job
                if job.payload.get("again"):  # its row is not pending, which is what the sweep sends anew
                    queue.send([Job(job.kind, job.payload)])
                queue.ack(delivery)
            raise
        except Exception as error:
            log.exception("job %s %s failed", job.kind, job.payload)
            if delivery.tries >= MAX_TRIES:
                self._mark_failed(job, f"Something here went wrong ({type(error).__name__}).")
            queue.fail(delivery, f"{type(error).__name__}: {error}", delay=_later(delivery))
        else:
            queue.ack(delivery)

    @contextmanager
    def _holding(self, delivery: Delivery) -> Iterator[None]:
        """Keeps the job invisible to other workers for as long as this one works on it."""
        done = threading.Event()

        def hold() -> None:
            while not done.wait(VISIBILITY / 3):
                try:
                    self._engines.queue.extend(delivery, VISIBILITY)
                except Unavailable as error:
                    log.warning("job %s could not be held: %s", delivery.job.id, error)

        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _process(self, job: Job) -> None:
        again = bool(job.payload.get("again"))
        pipeline.process(
            self._engines, self._darkroom, job.payload["image_id"], again=again, max_pixels=self._max_pixels
        )

    def _fetch(self, job: Job) -> None:
        """A picture from a URL becomes an upload; if it cannot, the row says why."""
        database = self._engines.database
        with database.read() as conn:
            row = fetches.get(conn, job.payload["fetch_id"])
        if row is None or row.state is not State.PENDING:
            return
        try:
            data = fetch.fetch(row.url, self._fetching)
            accepted = upload.accept(self._engines, row.user_id, data, max_bytes=self._fetching.max_bytes, **row.form)
        except (ValueError, LookupError, PermissionError) as error:  # refused, or its board is gone
            with database.write() as conn:
                fetches.failed(conn, row.id, str(error))
            return
        with database.write() as conn:
            fetches.done(conn, row.id, accepted.pin.id)

    def _purge(self, job: Job) -> None:
        lifecycle.purge(self._engines, job.payload["image_id"])

    def _compare(self, job: Job) -> None:
        compare.compare(self._engines, self._darkroom, job.payload["image_id"])

    def _mark_failed(self, job: Job, reason: str) -> None:
        """A picture must not stay pending for ever because of a mistake of ours."""
        if job.kind != "process":
            return
        with self._engines.database.read() as conn:
            image = images.by_id(conn, job.payload.get("image_id", 0))
        if image is not None:
            pipeline.give_up(self._engines, image, "worker", reason)


def _later(delivery: Delivery) -> float:
    """Seconds until the next try; about two minutes for all of them together."""
    return float(min(RETRY * 4 ** (delivery.tries - 1), LONGEST))
