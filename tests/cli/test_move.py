"""`bowerbird move` as a person runs it: told what was moved, what is in the way, and what to do next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bowerbird.adapters.blobs.folder import Folder
from tests import servers
from tests.cli.test_commands import bowerbird
from tests.contracts.stores import ENGINES, on_seaweedfs


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    """The URL of an empty place in S3."""
    servers.need("seaweedfs")
    return on_seaweedfs(tmp_path)


def fill(data: Path, many: int) -> dict[str, bytes]:
    blobs = Folder(data / "blobs")
    put = {f"originals/{n:04x}": os.urandom(2000) for n in range(many)}
    for key, value in put.items():
        blobs.put(key, value)
    return put


def test_killed_in_the_middle_it_goes_on(tmp_path: Path, bucket: str) -> None:
    data = tmp_path / "data"
    put = fill(data, 1500)
    words = [sys.executable, "-m", "bowerbird", "move", "blobs", "--to", bucket, "--data", str(data)]
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    target = ENGINES["seaweedfs"].open(tmp_path)
    deadline = time.monotonic() + 60
    while len(list(target.keys())) < 50:
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert len(list(target.keys())) < 1500
    done = bowerbird("move", "blobs", "--to", bucket, "--data", str(data))
    assert done.returncode == 0, done.stderr
    assert "1,500" in done.stdout
    assert "Now set BOWERBIRD_BLOBS" in done.stdout
    assert {key: target.get(key) for key in list(put)[::100]} == dict(list(put.items())[::100])


def test_a_target_that_holds_something_is_refused(tmp_path: Path, bucket: str) -> None:
    fill(tmp_path / "data", 2)
    ENGINES["seaweedfs"].open(tmp_path).put("originals/0000", b"somebody else's")
    refused = bowerbird("move", "blobs", "--to", bucket, "--data", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "holds blobs already" in refused.stderr
    assert ENGINES["seaweedfs"].open(tmp_path).get("originals/0000") == b"somebody else's"


def test_what_makes_no_sense_is_told(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert "same engine" in bowerbird("move", "blobs", *data).stderr
    assert "BOWERBIRD_BLOBS" in bowerbird("move", "blobs", "--to", "gopher://x", *data).stderr
    assert bowerbird("move", "cats", "--to", "s3://x", *data).returncode == 2
