"""One command, and the service runs on real engines; stopped and started again, all of it is still there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bowerbird.fleet.server import family, free_port, send
from bowerbird.fleet.stack import Stack
from bowerbird.ports import Unavailable
from tests.conftest import engine_missing
from tests.journeys.test_chaos import picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def stack(*words: str, data: Path, port: int = 0) -> subprocess.CompletedProcess[str]:
    more = ["--port", str(port)] if port else []
    return subprocess.run(
        [sys.executable, "-m", "bowerbird", "stack", *words, "--data", str(data), *more],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "COLUMNS": "160", "BOWERBIRD_LOG_LEVEL": "warning"},
    )


@pytest.fixture
def running() -> Iterator[tuple[Path, int]]:
    """The stack's data folder and its edge's port. pytest's own folders are shut to PostgreSQL's account."""
    data, port = Path(tempfile.mkdtemp(prefix="bowerbird-stack-")), free_port()
    done = stack("up", data=data, port=port)
    try:
        if "not installed" in done.stderr:
            engine_missing(done.stderr)
        assert done.returncode == 0, done.stderr
        yield data, port
    finally:
        stack("down", data=data)
        shutil.rmtree(data)


def client(port: int, token: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=30)


def account(port: int) -> str:
    who = {"username": "ada", "password": "correct horse battery"}
    with client(port) as web:
        assert web.post("/users", json=who).status_code == 201
        csrf = web.post("/session", json=who).json()["csrf"]
        form = {"name": "test", "scopes": ["read", "write"]}
        return str(web.post("/tokens", json=form, headers={"X-CSRF-Token": csrf}).json()["secret"])


def until_ready(web: httpx.Client, pin: str) -> dict[str, object]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = web.get(f"/pins/{pin}/state").json()
        if state["state"] == "ready":
            return dict(web.get(f"/pins/{pin}").json())
        assert state["state"] == "pending", state
        time.sleep(0.2)
    raise AssertionError("it does not become ready")


def test_a_picture_goes_the_whole_route_and_is_still_there_the_next_day(running: tuple[Path, int]) -> None:
    data, port = running
    token = account(port)
    with client(port, token) as web:
        sent = web.post("/pins", files={"picture": ("a.jpg", picture(1), "image/jpeg")}, data={"title": "A bower"})
        assert sent.status_code == 202
        pin = until_ready(web, sent.json()["id"])
        address = str(pin["pictures"][0]["url"])  # type: ignore[index]
        assert [httpx.get(f"http://127.0.0.1:{port}{address}").headers["x-cache"] for _ in range(2)] == ["MISS", "HIT"]
        found = web.get("/search", params={"q": "bower"}).json()["items"]
        assert [each["id"] for each in found] == [pin["id"]]

    status = stack("status", data=data)
    assert status.returncode == 0, status.stdout
    assert "postgres" in status.stdout
    assert stack("down", data=data).returncode == 0
    assert stack("status", data=data).returncode == 1
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port}/healthz")

    assert stack("up", data=data, port=port).returncode == 0
    with client(port, token) as web:
        assert web.get(f"/pins/{pin['id']}").json()["title"] == "A bower"
        assert httpx.get(f"http://127.0.0.1:{port}{address}").status_code == 200
    assert not (data / "queue.db").exists()  # jobs are PostgreSQL's


def test_what_dies_below_a_supervisor_comes_back_by_itself(running: tuple[Path, int]) -> None:
    data, port = running
    known = Stack(data, port)
    for name in ("web-1", "web-2", "fleet"):
        _, *below = family(known.plan.running[name].pid)
        assert len(below) > 0
        send(below, signal.SIGKILL)
    started = time.monotonic()
    while stack("status", data=data).returncode:
        assert time.monotonic() - started < 60
    with client(port, account(port)) as web:
        sent = web.post("/pins", files={"picture": ("a.jpg", picture(2), "image/jpeg")})
        until_ready(web, sent.json()["id"])


def test_what_died_is_told_and_started_again(running: tuple[Path, int]) -> None:
    data, port = running
    known = Stack(data, port)
    for name in ("redis", "web-1", "nginx"):
        os.kill(known.plan.running[name].pid, signal.SIGKILL)
    time.sleep(0.5)
    status = stack("status", data=data)
    assert status.returncode == 1
    assert status.stdout.count("died") == 3
    with client(port) as web:
        # nginx's workers go on without their master, and find the other web process.
        assert [web.get("/pins").status_code for _ in range(4)] == [200] * 4
    assert stack("up", data=data, port=port).returncode == 0
    rows = {row.name: row for row in Stack(data, port).rows()}
    assert {row.state for row in rows.values()} == {"runs"}
    assert rows["postgres"].pid == known.plan.running["postgres"].pid
    logs = stack("logs", "redis", data=data)
    assert "Ready to accept connections" in logs.stdout
    assert "there are postgres" in stack("logs", "nobody", data=data).stderr


def test_a_port_in_use_is_told_before_anything_waits_for_it(running: tuple[Path, int], tmp_path: Path) -> None:
    _, port = running
    other = Stack(tmp_path / "other", port)
    with pytest.raises(Unavailable, match="--port"):
        other._free_ports("nginx")
