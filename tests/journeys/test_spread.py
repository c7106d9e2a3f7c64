"""Connections that the kernel gave to one web process move to the one that has less to do."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.processes import Service

CLIENTS = 6


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Service]:
    """A service with two web processes."""
    running = Service(tmp_path, BOWERBIRD_WEB_WORKERS="2", BOWERBIRD_WORKERS="1")
    running.start()
    yield running
    running.stop()


def test_a_crowded_process_sends_clients_to_the_other(pair: Service) -> None:
    crowd = crowded(pair)
    ends = time.monotonic() + 20

    def browse(client: http.client.HTTPConnection) -> None:
        while time.monotonic() < ends and len(set(where(pair, crowd).values())) < 2:
            for _ in range(20):
                ask(client)

    threads = [threading.Thread(target=browse, args=(client,)) for client in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = Counter(where(pair, crowd).values())
    assert len(held) == 2, "all are with one process still"


def crowded(pair: Service) -> list[http.client.HTTPConnection]:
    """Clients whose connections are all with one process."""
    clients: list[http.client.HTTPConnection] = []
    while True:
        held = Counter(where(pair, clients).values())
        most, many = held.most_common(1)[0] if held else (0, 0)
        if many == CLIENTS:
            there = where(pair, clients)
            for client in clients:
                if there.get(client) != most:
                    client.close()
            return [client for client in clients if there.get(client) == most]
        client = http.client.HTTPConnection("127.0.0.1", pair.port, timeout=20)
        ask(client)
        clients.append(client)


def ask(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/")
    answer = client.getresponse()
    assert answer.status == 200
    answer.read()


def where(pair: Service, clients: list[http.client.HTTPConnection]) -> dict[http.client.HTTPConnection, int]:
    """The process that each client is connected to; those between two connections are left out."""
    inodes: dict[int, str] = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, *rest = line.split()
        if int(here.rpartition(":")[2], 16) == pair.port:
            inodes[int(there.rpartition(":")[2], 16)] = f"socket:[{rest[6]}]"
    owner = {name: pid for pid in pair.tree() for name in sockets(pid)}
    found = {}
    for client in clients:
        port = client.sock.getsockname()[1] if client.sock else 0
        if inodes.get(port) in owner:
            found[client] = owner[inodes[port]]
    return found


def sockets(pid: int) -> set[str]:
    names = set()
    try:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            names.add(str(fd.readlink()))
    except OSError:
        pass  # it has ended, or the descriptor has
    return names
