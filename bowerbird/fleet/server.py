"""One process of somebody else's program: started, waited for, stopped, its words kept in a file."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bowerbird.ports import Unavailable

PATIENCE = 60.0
"""Seconds that an engine may take until it answers."""
GRACE = 20.0
"""Seconds that it may take to stop before it is killed."""
TAIL = 2000
"""Characters of its log that are told when it does not start."""


@dataclass
class Server:
    """`folder` holds its data and its log. `answers` may raise `OSError`, or the engine's own error, until it is up."""

    name: str
    command: Sequence[str]
    folder: Path
    answers: Callable[[], object]
    env: Mapping[str, str] = field(default_factory=dict)
    account: str = ""
    """Whom it runs as where we are root: PostgreSQL refuses to be root."""
    stopping: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | dict(self.env),
                cwd=self.folder,
                start_new_session=True,
                **as_account(self.account),
            )

    def wait(self, patience: float = PATIENCE) -> None:
        """Until it answers. Raises `Unavailable` with the end of its log."""
        deadline = time.monotonic() + patience
        why: Exception | str = "it does not answer"
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                why = f"it ended with {self.process.returncode}"
                break
            try:
                self.answers()
                return
            except Exception as error:  # each engine's client has its own
                why = error
            time.sleep(0.1)
        tail = self.log.read_text(errors="replace")[-TAIL:] if self.log.exists() else ""
        raise Unavailable(f"{self.name} does not start: {why}. See {self.log}:\n{tail}")

    def stop(self) -> None:
        """Returns when it is gone."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.thaw()  # a frozen one hears nothing else
            self.process.send_signal(self.stopping)
            try:
                self.process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def kill(self) -> None:
        """At once, with all its children: what a power cut or the kernel does."""
        if self.process is not None:
            send(family(self.process.pid), signal.SIGKILL)
            self.process.wait()

    def freeze(self) -> None:
        """It keeps its connections and says nothing more, until `thaw`."""
        assert self.process is not None
        freeze(family(self.process.pid))

    def thaw(self) -> None:
        assert self.process is not None
        send(family(self.process.pid), signal.SIGCONT)


def owned(folder: Path, account: str) -> Path:
    """Make `folder`, for that account where we are root."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if account and os.geteuid() == 0:
        shutil.chown(folder, account)
        for above in folder.resolve().parents:  # it must be able to get there
            if not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o011)
    return folder


def port_answers(port: int, host: str = "127.0.0.1") -> None:
    """Raises `OSError` unless somebody listens there."""
    with socket.create_connection((host, port), timeout=2):
        pass


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def as_account(account: str) -> dict[str, Any]:
    """For `subprocess`: run as this account where we are root, else as we are."""
    if not account or os.geteuid() != 0:
        return {}
    who = pwd.getpwnam(account)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def family(pid: int) -> list[int]:
    """The process and all its children and theirs, parents first. PostgreSQL's are no group: each leads its own."""
    found = [pid]
    for each in found:
        for listed in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # it has just ended
                found += map(int, listed.read_text().split())
    return found


def freeze(pids: Sequence[int]) -> None:
    """Returns when no thread of theirs runs any more: the signal alone is only on its way."""
    send(pids, signal.SIGSTOP)
    until = time.monotonic() + GRACE
    while any(map(_runs, pids)) and time.monotonic() < until:
        time.sleep(0.001)


def _runs(pid: int) -> bool:
    """Whether one of its threads does, or might: those that sleep in the kernel are not stopped yet either."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            if stat.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return True
    return False


def send(pids: Sequence[int], what: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)
