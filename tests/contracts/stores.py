"""The `Blobs` engines that the suites run on, and what the suites share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from bowerbird import wiring
from bowerbird.adapters.blobs.folder import Folder
from bowerbird.ports import Blobs
from bowerbird.settings import Settings
from tests.servers import namespace


class Kind(NamedTuple):
    open: Callable[[Path], Blobs]
    disk: bool = False
    """It keeps its blobs on a disk of ours."""
    nests: bool = False
    """A key may go on where another one ends (`a` beside `a/b`)."""
    server: str = ""
    """What `servers.need` knows it by; empty where it is no server."""
    url: Callable[..., str] = str
    """How to reach it: `url(folder, port, **parts)`, `port` being another way to it, `parts` what else is different."""


def on_seaweedfs(folder: Path, port: int = 0, more: str = "", **parts: str) -> str:
    url = urlsplit(os.environ["BOWERBIRD_TEST_SEAWEEDFS"])
    endpoint = f"http://127.0.0.1:{port}" if port else dict(parse_qsl(url.query))["endpoint"]
    key, secret = (parts.get(what, plain) for what, plain in (("key", url.username), ("secret", url.password)))
    bucket = parts.get("bucket", url.hostname)
    return f"s3://{key}:{secret}@{bucket}/{namespace(folder)}?endpoint={endpoint}{more}"


def opened(url: str) -> Blobs:
    return wiring.blobs(Settings(blobs=url))


ENGINES = {
    "folder": Kind(lambda folder: Folder(folder / "blobs"), disk=True),
    "seaweedfs": Kind(
        lambda folder: opened(on_seaweedfs(folder)),
        nests=True,
        server="seaweedfs",
        url=on_seaweedfs,
    ),
}


@pytest.fixture
def blobs(engine: str, tmp_path: Path) -> Blobs:
    return ENGINES[engine].open(tmp_path)
