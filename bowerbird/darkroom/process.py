"""The only place where foreign bytes are opened: one child process with a memory limit and a time limit.

A decoder that crashes, hangs or eats memory takes the child with it and nothing else. What the child
answers is unpickled by name from a short list, because a decoder that was taken over speaks for the child.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, TypeVar

from bowerbird.darkroom import Spoiled as Spoiled
from bowerbird.ports import Encoder, Unavailable
from bowerbird.turns import Turns

T = TypeVar("T")

START_LIMIT = 120.0
"""Seconds to load the encoder; building an ONNX graph for the first time is the slow case."""

ENDING = 1.0
"""Seconds that a child which hung up may take to end."""

log = logging.getLogger(__name__)


class Crashed(Spoiled):
    """The child died of the picture, or beside it."""


class Killed(Unavailable):
    """Somebody killed the child: a decoder that fails dies of other signals. Where memory runs out that is the kernel,
    so whoever sees it time and again with one picture may take it for the picture's fault."""


class Darkroom:
    """Runs work on foreign bytes in a child process: started when first needed, stopped when idle.

    Thread-safe; one piece of work at a time.
    """

    def __init__(
        self,
        encoder: Callable[[], Encoder],
        memory_mb: int = 2048,
        timeout: float = 60.0,
        idle: float = 60.0,
        patience: float | None = None,
    ) -> None:
        """`encoder` makes the model inside the child and must be picklable; times in seconds. `patience`: how long a
        call waits for those before it, None being as long as it takes."""
        self._encoder = encoder
        self._memory_mb = memory_mb
        self._timeout = timeout
        self._idle = idle
        self._patience = patience
        self._turn = Turns(1)
        self._child: _Child | None = None
        self._sleep: threading.Timer | None = None

    def run(self, work: Callable[..., T], *args: Any) -> T:
        """`work(encoder, *args)`, for a module-level function `work`.

        Raises `Spoiled` for a picture that cannot be used, `Unavailable` if no child can be started or is left alive,
        or if too many pictures wait.
        """
        if not self._turn.take(self._patience):
            raise Unavailable(f"The darkroom is busy: {self._patience:g} s were not enough for those before.")
        try:
            self._stay_awake()
            try:
                # Perhaps the child died for no fault of the picture's: again, in a new one.
                for _ in range(2):
                    with contextlib.suppress(Crashed, Killed):
                        return self._ask(work, args)  # type: ignore[no-any-return]
                return self._ask(work, args)  # type: ignore[no-any-return]
            finally:
                self._sleep_later()
        finally:
            self._turn.give()

    def _ask(self, work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        try:
            if self._child is None:
                self._child = self._started()
            return self._child.ask((work, args), self._timeout, self._memory_mb)
        finally:
            if self._child is not None and self._child.dead:
                self._child = None

    def _started(self) -> _Child:
        try:
            return _Child(self._encoder, self._memory_mb)
        except OSError as error:
            raise Unavailable(f"The darkroom's process cannot be started: {error.strerror or error}.") from error

    @property
    def pid(self) -> int | None:
        """Process id of the child, if one runs now."""
        child = self._child
        return child.process.pid if child else None

    def close(self) -> None:
        with self._turn:
            self._stay_awake()
            if self._child is not None:
                self._child.stop()
                self._child = None

    def __enter__(self) -> Darkroom:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stay_awake(self) -> None:
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None

    def _sleep_later(self) -> None:
        if self._child is not None:
            self._sleep = threading.Timer(self._idle, self.close)
            self._sleep.daemon = True
            self._sleep.start()


class _Child:
    """The parent's side of one child process."""

    def __init__(self, encoder: Callable[[], Encoder], memory_mb: int) -> None:
        self.dead = False
        self.step = "decode"
        self._conn, theirs = Pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bowerbird.darkroom", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # Decoders write to it what strangers put into their files.
            stderr=None if os.environ.get("BOWERBIRD_TEST_DARKROOM_STDERR") else subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is the parent's business
        )
        theirs.close()
        # Made once: `Connection.poll` would build a selector for each of ten messages a picture.
        self._ready = select.poll()
        self._ready.register(self._conn.fileno(), select.POLLIN)
        try:
            self._send((encoder, memory_mb))
            kind, *rest = self._receive(time.monotonic() + START_LIMIT)
        except (EOFError, OSError, TimeoutError) as error:
            self.stop()
            raise Unavailable("The darkroom's process did not start; is there enough memory?") from error
        except BaseException:
            self.stop()
            raise
        if kind != "ready":
            self.stop()
            raise Unavailable(f"The encoder cannot be loaded: {rest[0]}")

    def ask(self, task: tuple[Callable[..., Any], tuple[Any, ...]], timeout: float, memory_mb: int) -> Any:
        deadline = time.monotonic() + timeout
        self.step = "decode"
        try:
            self._send(task)
            kind, *rest = self._receive(deadline)
        except TimeoutError:
            self.stop()
            raise Spoiled(self.step, f"It took longer than {timeout:g} seconds.") from None
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if isinstance(error, EOFError | OSError):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(ENDING)
            killed = self.process.poll() == -signal.SIGKILL
            code = self.stop()
            log.warning("the darkroom's process ended with %s in step %s: %s", code, self.step, error)
            if killed:
                raise Killed("The darkroom's process was killed; is there enough memory?") from None
            raise Crashed(self.step, "The file is damaged: it made its decoder crash.") from None
        except BaseException:  # a half-finished exchange must not be read by the next one
            self.stop()
            raise
        if kind == "done":
            return rest[0]
        if kind == "memory":
            self.stop()
            raise Spoiled(self.step, f"It needs more than {memory_mb} MB of memory.")
        if kind == "error":
            log.warning("step %s failed:\n%s", self.step, rest[1])
        raise Spoiled(self.step if kind == "error" else rest[1], rest[0])

    def stop(self) -> int:
        """Kill and reap it; its exit status."""
        self.dead = True
        self._conn.close()
        self.process.kill()
        return self.process.wait()

    def _send(self, message: Any) -> None:
        self._conn.send_bytes(pickle.dumps(message, protocol=5))

    def _receive(self, deadline: float) -> tuple[Any, ...]:
        """The next answer; reports of steps on the way are noted."""
        while True:
            if not self._ready.poll(1000 * max(deadline - time.monotonic(), 0)):
                raise TimeoutError
            message: tuple[Any, ...] = _Answer(io.BytesIO(self._conn.recv_bytes())).load()
            if message[0] != "step":
                return message
            self.step = message[1]


class _Answer(pickle.Unpickler):
    """Only the project's own classes and numpy's arrays; no function can be named."""

    _ARRAYS = frozenset(
        {
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.numeric", "_frombuffer"),
            ("numpy._core.multiarray", "scalar"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._ARRAYS:
            return super().find_class(module, name)
        if module.startswith("bowerbird.") and name.isidentifier():
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError(f"{module}.{name} may not come out of the darkroom")


def _environment() -> dict[str, str]:
    """One core a child: parallelism comes from more workers. Without libvips' chatter about bad files."""
    one = dict.fromkeys(("VIPS_CONCURRENCY", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VIPS_WARNING"), "1")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, **one, "VIPS_BLOCK_UNTRUSTED": "1", "MALLOC_ARENA_MAX": "2", "PYTHONPATH": path}


_report: Callable[[str], None] = lambda step: None  # noqa: E731


def entering(step: str) -> None:
    """Say which step begins, so that a crash or a time-out can be pinned on it."""
    _report(step)


def serve(handle: int) -> None:
    """The child's whole life: load the encoder, then answer until the parent is gone."""
    global _report
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    conn = Connection(handle)
    threading.Thread(target=_leave_with_parent, args=(handle,), daemon=True).start()
    try:
        make, memory_mb = pickle.loads(conn.recv_bytes())  # noqa: S301 (from our own parent)
        encoder = make()
    except Exception as error:
        _answer(conn, "unready", f"{type(error).__name__}: {error}")
        return
    _limit(memory_mb)
    _report = lambda step: _answer(conn, "step", step)  # noqa: E731
    _answer(conn, "ready")
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            work, args = pickle.loads(conn.recv_bytes())  # noqa: S301
            _answer(conn, *_outcome(work, encoder, args))


def _outcome(work: Callable[..., Any], encoder: Encoder, args: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        return "done", work(encoder, *args)
    except Spoiled as spoiled:
        return "spoiled", spoiled.reason, spoiled.step
    except MemoryError:
        return ("memory",)
    except Exception as error:
        import traceback

        if re.search(r"(?i)out of memory|(un|not be )able to allocate|alloc.* fail|cannot allocate|malloc", str(error)):
            return ("memory",)
        return "error", _sentence(error), traceback.format_exc()


def _sentence(error: Exception) -> str:
    """A decoder's complaint on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    detail = "; ".join(dict.fromkeys(lines))[:300] or type(error).__name__
    return f"The file is damaged or of a kind that cannot be read ({detail})."


def _answer(conn: Connection, *message: Any) -> None:
    conn.send_bytes(pickle.dumps(message, protocol=5))


def _limit(memory_mb: int) -> None:
    """Limits that hold from the first foreign byte on; the encoder may have had to write its model before."""
    import resource

    # On top of what the encoder took: a large model must not leave too little for the pictures.
    most_memory = _address_space() + memory_mb * 2**20
    limits = {resource.RLIMIT_AS: most_memory, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CORE: 0}
    for what, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some
            resource.setrlimit(what, (most, most))


def _address_space() -> int:
    """Bytes that this process has mapped; 0 where /proc is not."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _leave_with_parent(handle: int) -> None:
    """Exit as soon as the other end is closed, even in the midst of a decode: a parent may die by `kill -9`.

    PR_SET_PDEATHSIG would not do: it fires when the parent's *thread* ends.
    """
    poll = select.poll()
    poll.register(handle, 0)
    while not any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll()):
        pass
    os._exit(0)
