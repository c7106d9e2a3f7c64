"""The stack's own bookkeeping; that it runs is told in tests/journeys/test_stack.py."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bowerbird.fleet import stack as stacks
from bowerbird.fleet.servers import nginx
from bowerbird.fleet.stack import Life, Stack
from bowerbird.ports import Unavailable
from bowerbird.settings import load

EDGE = Path(__file__).parents[2] / "deploy" / "edge" / "nginx.conf"


def test_the_edge_for_a_host_of_its_own_is_the_stacks() -> None:
    assert EDGE.read_text() == nginx.config("80", ["127.0.0.1:8081", "127.0.0.1:8082"], 64)


def test_the_next_command_knows_what_this_one_chose(tmp_path: Path) -> None:
    first = Stack(tmp_path, 8080)
    first.folder.mkdir(parents=True)
    chosen = first.environ()
    first._keep()
    again = Stack(tmp_path)
    assert again.plan.ports["nginx"] == 8080
    assert again.environ() == chosen
    assert again._kept.stat().st_mode & 0o777 == 0o600


def test_its_settings_are_settings(tmp_path: Path) -> None:
    settings = load(Stack(tmp_path, 8080).environ())
    assert settings.database.startswith("postgresql://")
    assert settings.data == tmp_path


def test_a_port_that_somebody_else_has_is_given_up(tmp_path: Path) -> None:
    stack = Stack(tmp_path, 8080)
    port = stack._port("redis")
    stack._free_ports("redis")
    assert stack._port("redis") == port
    with socket.create_server(("127.0.0.1", port)):
        stack._free_ports("redis")
        assert stack._port("redis") != port
        stack.plan.ports["nginx"] = port
        with pytest.raises(Unavailable, match="--port"):
            stack._free_ports("nginx")


def test_a_process_is_told_from_another_with_its_number(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    life = Life(child.pid, stacks._born(child.pid))
    assert life.alive
    assert not Life(child.pid, "1").alive
    child.kill()
    child.wait()
    assert not life.alive


def test_what_a_dead_process_left_behind_goes_with_it() -> None:
    words = ["sh", "-c", "sleep 60 & echo $!; wait"]
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    life = Life(parent.pid, stacks._born(parent.pid), stacks._boot())
    life.bury()
    assert life.alive, "it was not dead"
    parent.kill()
    parent.wait()
    Life(parent.pid, life.born, "another start of the machine").bury()
    assert stacks._born(child), "the number may be somebody else's by now"
    life.bury()
    assert not stacks._born(child)


def test_nothing_runs_before_it_is_started(tmp_path: Path) -> None:
    rows = list(Stack(tmp_path, 8080).rows())
    assert {row.state for row in rows} == {"stopped"}
    assert rows[-1].address == "http://127.0.0.1:8080"
    assert not (tmp_path / "stack" / "stack.json").exists()
