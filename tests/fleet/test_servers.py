"""Engines that the stack starts, where something around them changed."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from bowerbird.fleet.server import free_port
from bowerbird.fleet.servers import postgres
from bowerbird.ports import Unavailable
from tests.conftest import engine_missing


@pytest.mark.slow
def test_a_replica_follows_its_primary_to_another_port(tmp_path: Path) -> None:
    """Else no commit would ever be confirmed, once somebody else has taken the old one."""
    psycopg = pytest.importorskip("psycopg")
    replica_port = free_port()

    def follows(port: int) -> bool:
        with psycopg.connect(postgres.url(port, "secret"), autocommit=True) as raw:
            found = raw.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
        return bool(found == (1,))

    for port in (free_port(), free_port()):
        with contextlib.ExitStack() as running:
            try:
                first = postgres.primary(tmp_path / "primary", port, "secret")
            except Unavailable:
                engine_missing("postgres")
            first.start()
            running.callback(first.stop)
            first.wait()
            second = postgres.replica(tmp_path / "replica", replica_port, port, "secret")
            second.start()
            running.callback(second.stop)
            second.wait()
            until = time.monotonic() + 20
            while not follows(port):
                assert time.monotonic() < until
                time.sleep(0.1)
