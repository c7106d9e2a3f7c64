"""The web service over 100,000 pins: related pins, the wall, picture search, bytes and memory, beside a bare /healthz.

    python -m bench.http [--pins 100000] [--workers 2] [--seconds 8]

The server is the real one, on the embedded engines; the client shares its cores. The data folder is
made once, in .cache. Ratios are to /healthz, the least that this server can do, in the same run.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import re
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips
from rich.console import Console
from rich.table import Table

from bench.seed import seed

CONNECTIONS = 16
HEADERS = {"Accept-Encoding": "gzip"}
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
CLOSED = re.compile(rb"(?i)\r\nconnection: *close")
Asked = Callable[[random.Random], tuple[str, str, bytes, dict[str, str]]]
"""Method, path, body and headers of one more request."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pins", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    folder = args.folder or Path(f".cache/bench-http-{args.pins}")
    seed(folder, args.pins)
    server, port = start(folder, args.workers)
    try:
        show(measure(port, server.pid, args.pins, args.seconds), args)
    finally:
        server.terminate()
        server.wait(15)


def start(folder: Path, workers: int) -> tuple[subprocess.Popen[bytes], int]:
    """The web processes alone, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "BOWERBIRD_DATA": str(folder),
        "BOWERBIRD_PORT": str(port),
        "BOWERBIRD_WEB_WORKERS": str(workers),
        "BOWERBIRD_TRUSTED_PROXIES": "127.0.0.1",
        "BOWERBIRD_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-W", "ignore", "-m", "bowerbird", "web"]
    server = subprocess.Popen(command, env=os.environ | settings, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                time.sleep(2.0)
                return server, port
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def measure(port: int, pid: int, pins: int, seconds: float) -> list[list[str]]:
    idle = memory(pid)
    # The first searches of a process load compiled code and map the index, and a minute's faces are kept by the cache.
    near_to: Asked = lambda dice: ("GET", f"/api/v1/pins/{dice.randint(1, pins)}/related", b"", HEADERS)  # noqa: E731
    load(port, near_to, CONNECTIONS, seconds)
    bare = load(port, lambda _: ("GET", "/healthz", b"", HEADERS), CONNECTIONS, seconds)
    used = cpu(pid)
    near = load(port, near_to, CONNECTIONS, seconds, warm=0)
    used = cpu(pid) - used
    alone = load(port, near_to, 1, seconds / 2)
    wall = load(port, lambda _: ("GET", "/", b"", HEADERS), 1, seconds / 2)
    busy = load(port, lambda _: ("GET", "/", b"", HEADERS), CONNECTIONS, seconds)
    search = load(port, lambda dice: upload(dice), 1, seconds, warm=3)
    rows = [
        row("/healthz, 16 connections", bare, bare),
        row("related pins, 16 connections", near, bare, "p99 < 25 ms"),
        row("related pins, 1 connection", alone, bare),
        row("first page of the wall, 1 connection", wall, bare, "p99 < 20 ms"),
        row("first page of the wall, 16 connections", busy, bare),
        row("search by an uploaded picture, 1 connection", search, bare, "p50 < 60 ms"),
    ]
    rows.append(["related pins, processor time each", f"{used / len(near) * 1000:.2f}", "", "", "", ""])
    transfer, page = page_bytes(port)
    rows.append(
        ["first page, bytes on the wire", f"{page:,} HTML", f"{transfer:,} with CSS and scripts", "", "", "< 60,000"]
    )
    rows.append(
        [
            "memory, idle",
            f"{idle / 2**20:.0f} MB PSS",
            f"{memory(pid) / 2**20:.0f} MB after the load",
            "",
            "",
            "< 400 MB",
        ]
    )
    return rows


def load(port: int, asked: Asked, connections: int, seconds: float, warm: int = 20) -> list[float]:
    """Latencies in seconds of requests over keep-alive connections, one after the other on each; one thread drives all
    of them, as threads would wait for each other. The first `warm` of each connection do not count."""
    clients = [Client(port, asked, random.Random(number)) for number in range(connections)]
    ends = time.monotonic() + seconds if not warm else float("inf")
    with selectors.DefaultSelector() as ready:
        for client in clients:
            client.ask(ready)
        under_way = connections
        while under_way:
            found = ready.select(60)
            if not found:
                raise RuntimeError("no answer for a minute")
            for key, _ in found:
                if key.data.answered(ready):
                    under_way -= 1
                    if time.monotonic() < ends:
                        key.data.ask(ready)
                        under_way += 1
            if ends == float("inf") and min(len(client.took) for client in clients) >= warm:
                ends = time.monotonic() + seconds
                for client in clients:
                    client.took.clear()
    for client in clients:
        client.close()
    return sorted(value for client in clients for value in client.took)


class Client:
    """A browser's connection, as cheap as it can be: it shares its cores with the server."""

    def __init__(self, port: int, asked: Asked, dice: random.Random) -> None:
        self.took: list[float] = []
        self._address, self._asked, self._dice = ("127.0.0.1", port), asked, dice
        self._socket: socket.socket | None = None
        self._got, self._began = b"", 0.0

    def ask(self, ready: selectors.BaseSelector) -> None:
        method, path, body, headers = self._asked(self._dice)
        lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._got, self._began = b"", time.perf_counter()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, 60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(self._socket, selectors.EVENT_READ, self)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def answered(self, ready: selectors.BaseSelector) -> bool:
        """Reads what has come, and whether that is all."""
        assert self._socket
        more = self._socket.recv(1 << 16)
        self._got += more
        head, _, body = self._got.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if more and (not length or len(body) < int(length[1])):
            return False
        if not (head.startswith(b"HTTP/1.1 200") and length and len(body) == int(length[1])):
            raise RuntimeError(f"not an answer of 200: {head[:200].decode() or 'nothing'}")
        self.took.append(time.perf_counter() - self._began)
        if CLOSED.search(head):
            ready.unregister(self._socket)
            self.close()
        return True

    def close(self) -> None:
        if self._socket:
            self._socket.close()
        self._socket = None


PICTURES = [
    bytes(
        pyvips.Image.new_from_array(
            np.random.default_rng(n).integers(0, 256, (48, 64, 3), np.uint8), interpretation="srgb"
        )
        .resize(25, kernel="cubic")
        .jpegsave_buffer(Q=85)
    )
    for n in range(8)
]
"""Photographs' size: 1600 by 1200 pixels."""


def upload(dice: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    mark = "bowerbird-bench"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="picture"; filename="q.jpg"\r\n\r\n'.encode()
    body = head + dice.choice(PICTURES) + f"\r\n--{mark}--\r\n".encode()
    # Each from another address, or the limit on picture searches would be what is measured.
    address = f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
    kind = f"multipart/form-data; boundary={mark}"
    return "POST", "/api/v1/search/picture", body, {**HEADERS, "Content-Type": kind, "X-Forwarded-For": address}


def page_bytes(port: int) -> tuple[int, int]:
    """Bytes of the first page with its style sheets and scripts, and of its HTML alone, as compressed."""
    import gzip
    import re

    connection = http.client.HTTPConnection("127.0.0.1", port)

    def fetch(path: str) -> bytes:
        connection.request("GET", path, headers=HEADERS)
        return connection.getresponse().read()

    html = fetch("/")
    files = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', gzip.decompress(html).decode()))
    return len(html) + sum(len(fetch(file)) for file in files), len(html)


def memory(pid: int) -> int:
    """Bytes of the process and all its children, shared pages counted once (PSS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    own = sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(memory(int(child)) for child in children)


def cpu(pid: int) -> float:
    """Seconds of processor time of the process and all its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + sum(cpu(int(child)) for child in children)


def row(name: str, took: list[float], bare: list[float], goal: str = "") -> list[str]:
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    ratio = f"{p50 / statistics.median(bare):.1f}"
    return [name, f"{p50 * 1000:.1f}", f"{p99 * 1000:.1f}", f"{len(took):,}", ratio, goal]


def show(rows: list[list[str]], args: argparse.Namespace) -> None:
    table = Table(
        title=f"HTTP, {args.pins:,} pins, {args.workers} web processes, {os.cpu_count()} cores with the client"
    )
    for name in ("", "p50 ms", "p99 ms", "answers", "p50 / healthz", "goal"):
        table.add_column(name, justify="left" if not name else "right")
    for each in rows:
        table.add_row(*each)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
