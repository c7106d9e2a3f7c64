"""The real service as a child process, and its process tree."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> dict[int, str]:
    """Every process below `pid`, with its command line."""
    parents: dict[int, int] = {}
    lines: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name in parentheses may hold spaces; the parent is the second field after it.
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (OSError, IndexError):
                continue
    found: dict[int, str] = {}
    queue = [pid]
    while queue:
        parent = queue.pop()
        below = [child for child, of in parents.items() if of == parent]
        found.update((child, lines[child]) for child in below)
        queue.extend(below)
    return found


class Service:
    """`bowerbird serve` on a data folder."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {**os.environ, "BOWERBIRD_LOG_LEVEL": "warning", **environ}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *command: str, timeout: float = 60) -> None:
        words = command or ("serve",)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bowerbird", *words, "--data", str(self.data), "--port", str(self.port)],
            env=self.environ,
            start_new_session=True,
        )
        self.wait_until_up(timeout)

    def wait_until_up(self, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            assert self.process is None or self.process.poll() is None, "the service ended by itself"
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=2):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise AssertionError(f"no answer from {self.url} in {timeout} s")

    def tree(self) -> dict[int, str]:
        assert self.process is not None
        return descendants(self.process.pid)

    def kill_all(self) -> None:
        """As a power cut would: every process at once, no warning."""
        assert self.process is not None
        for pid in [self.process.pid, *self.tree()]:
            kill(pid)
        self.process.wait()

    def stop(self) -> int:
        """As Ctrl-C; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
