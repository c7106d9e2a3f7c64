"""What a start says when an engine cannot be used: which setting, what is wrong, what to do, and no password."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from bowerbird import cli, wiring
from bowerbird.cli import doctor, service
from bowerbird.cli.doctor import LOOKS
from bowerbird.fleet.server import free_port
from bowerbird.ports import Unavailable
from bowerbird.settings import Settings
from tests import servers

LONGEST = 30.0
"""Seconds that an engine's silence may hold up a start, on a machine that is busy."""


class Said(NamedTuple):
    code: int
    words: str


class Started(Exception):
    """All engines were found to be there."""


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose tables are made once."""
    data = tmp_path_factory.mktemp("kept")
    wiring.catalog(Settings(data=data)).close()
    return data


@pytest.fixture
def run(kept: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("serve", SETTING=value)` goes as far as to where it would start its processes; `run("doctor", …)` does not
    ask about the model and the port."""

    def starting(*_: object, **__: object) -> None:
        raise Started

    def running(command: str, **environ: str) -> Said:
        for name, value in {"DATA": str(kept), "PORT": str(free_port()), **environ}.items():
            monkeypatch.setenv(f"BOWERBIRD_{name}", value)
        monkeypatch.setattr(service, "supervisor", starting)
        monkeypatch.setattr(doctor, "LOOKS", {name: LOOKS[name] for name in LOOKS if name not in ("encoder", "port")})
        monkeypatch.setattr(sys, "argv", ["bowerbird", command])
        with pytest.raises((SystemExit, Started)) as ended:
            cli.main()
        return Said(int(getattr(ended.value, "code", 0) or 0), "".join(capfd.readouterr()))

    return running


class Wrong(NamedTuple):
    setting: str
    url: str
    says: str
    """And what the message says of it."""


SCHEMES = [Wrong(name, "gopher://K:hush@host/x", "'gopher'") for name in ("DATABASE", "BLOBS", "QUEUE", "METADATA")]
SCHEMES += [Wrong(name, "gopher://K:hush@host/x", "'gopher'") for name in ("CACHE", "EVENTS", "VECTORS")]
MALFORMED = [
    Wrong("DATABASE", "postgresql://u:hush@", "postgresql://user:password@host:5432/database"),
    Wrong("DATABASE", "postgresql://u:hush@h/db?sslmod=require", "sslmod"),
    Wrong("DATABASE", "mysql://u:hush@h:port/db", "mysql://user:password@host:3306/database"),
    Wrong("BLOBS", "s3://K:hush@", "s3://KEY:SECRET@bucket/prefix"),
    Wrong("BLOBS", "s3://K:hush@bucket?endpoint=host:8333", "http://"),
    Wrong("QUEUE", "sqs://K:hush@", "sqs://KEY:SECRET@NAME"),
    Wrong("QUEUE", "kafka://u:hush@host:9092", "kafka://user:password@host:9092"),
    Wrong("QUEUE", "postgresql://u:hush@", "postgresql://user:password@host:5432/database"),
    Wrong("METADATA", "dynamodb://K:hush@table?zone=eu", "zone"),
    Wrong("EVENTS", "kafka://u:hush@host", "kafka://user:password@host:9092"),
    Wrong("CACHE", "redis://", "redis://host:port/0"),
    Wrong("CACHE", "memcached://u:hush@h", "memcached://host:port,host:port"),
    Wrong("VECTORS", "postgresql://u:hush@", "postgresql://user:password@host:5432/database"),
    Wrong("VECTORS", "milvus://u:hush@", "milvus://host:19530/database"),
    Wrong("VECTORS", "milvus:///a/file.db", "milvus://host:19530"),
]
AWAY = [
    Wrong("DATABASE", "postgresql://u:hush@127.0.0.1:1/db", "127.0.0.1:1: .*refused"),
    Wrong("DATABASE", "mysql://u:hush@127.0.0.1:1/db", "127.0.0.1:1: .*refused"),
    Wrong("BLOBS", "s3://K:hush@b?endpoint=http://127.0.0.1:1", "http://127.0.0.1:1: nothing can be reached"),
    Wrong("QUEUE", "sqs://K:hush@q?endpoint=http://127.0.0.1:1", "http://127.0.0.1:1 cannot be reached"),
    Wrong("QUEUE", "kafka://127.0.0.1:1/jobs", "127.0.0.1:1"),
    Wrong("QUEUE", "postgresql://u:hush@127.0.0.1:1/db", "127.0.0.1.*refused"),
    Wrong("METADATA", "dynamodb://K:hush@t?endpoint=http://127.0.0.1:1", "http://127.0.0.1:1 cannot be reached"),
    Wrong("EVENTS", "kafka://127.0.0.1:1/events", "127.0.0.1:1"),
    Wrong("VECTORS", "postgresql://u:hush@127.0.0.1:1/db", "127.0.0.1.*refused"),
    Wrong("VECTORS", "milvus://u:hush@127.0.0.1:1/db", "127.0.0.1:1"),
]


def named(case: Wrong) -> str:
    return f"{case.setting.lower()}-{urlsplit(case.url).scheme}-{case.says[:12]}"


@pytest.mark.parametrize("case", SCHEMES + MALFORMED + AWAY, ids=named)
def test_an_engine_that_cannot_be_used_is_told_by_its_setting(run: Run, case: Wrong) -> None:
    refused(run, case)


def refused(run: Run, case: Wrong) -> None:
    """By `serve`, and by the doctor, once."""
    said = run("serve", **{case.setting: case.url})
    assert said.code == 2, said
    assert len(said.words.splitlines()) == 1, said.words
    assert f"BOWERBIRD_{case.setting}" in said.words
    assert re.search(case.says, said.words), said.words
    assert "hush" not in said.words
    found = run("doctor", **{case.setting: case.url})
    assert found.code == 1, found
    [wrong] = bad(found)
    assert wrong.startswith(f"BOWERBIRD_{case.setting}")
    assert re.search(case.says, wrong), wrong  # an engine's client may word its own part in another way


def test_one_engine_s_fault_is_told_once_in_whatever_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def failing(words: str) -> Callable[[Settings], str]:
        def look(_: Settings) -> str:
            raise Unavailable(words)

        return look

    said = [
        "BOWERBIRD_QUEUE: h:1 refused",
        "BOWERBIRD_QUEUE: h:1 is away",
        "BOWERBIRD_BLOBS: h:1 refused",
        "full",
        "full",
    ]
    monkeypatch.setattr(doctor, "LOOKS", {f"look {n}": failing(words) for n, words in enumerate(said)})
    found = [finding.says for finding in doctor.examine(Settings(data=tmp_path))]
    assert found == ["BOWERBIRD_QUEUE: h:1 refused", "BOWERBIRD_BLOBS: h:1 refused", "full"]


def bad(said: Said) -> list[str]:
    """What the doctor found wrong."""
    return [line.split(maxsplit=2)[2] for line in said.words.splitlines() if line.startswith("bad")]


@pytest.mark.parametrize("name", ["postgres", "mysql"])
def test_a_database_or_its_password_that_is_not_known(run: Run, name: str) -> None:
    url = urlsplit(servers.need(name))
    where = (url.hostname, url.port)
    host = f"{where[0]}:{where[1]}"
    wrong = url._replace(netloc=f"{url.username}:hush@{host}").geturl()
    refused(run, Wrong("DATABASE", wrong, f"{host}: .*({url.username}|password)"))
    refused(run, Wrong("DATABASE", url._replace(path="/nowhere").geturl(), f"{host}: .*nowhere"))


def test_a_bucket_or_its_key_that_is_not_known(run: Run) -> None:
    whole = servers.need("seaweedfs")
    key, _, rest = whole.partition("@")
    refused(run, Wrong("BLOBS", f"{key.rpartition(':')[0]}:hush@{rest}", "refuses the key .*check the credentials"))
    # A key that is for one bucket does not even learn that there is no other.
    refused(run, Wrong("BLOBS", whole.replace("pictures", "nowhere"), "'nowhere' .*check the credentials, the bucket"))
    url = f"s3://K:hush@nowhere?endpoint={servers.need('moto_s3')}"
    refused(run, Wrong("BLOBS", url, "'nowhere' .*no such bucket .*make it"))


def test_a_table_that_is_another_program_s(run: Run, tmp_path: Path) -> None:
    import boto3

    endpoint, table = servers.need("dynamodb"), servers.namespace(tmp_path)
    login = {"aws_access_key_id": "K", "aws_secret_access_key": "hush", "region_name": "us-east-1"}
    boto3.client("dynamodb", endpoint_url=endpoint, **login).create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "customer", "AttributeType": "N"}],
        BillingMode="PAY_PER_REQUEST",
    )
    refused(run, Wrong("METADATA", f"dynamodb://K:hush@{table}?endpoint={endpoint}", f"{table}.*key"))


@pytest.mark.parametrize("setting", ["VECTORS", "QUEUE"])
def test_a_database_that_is_not_there_or_another_s(run: Run, setting: str) -> None:
    url = urlsplit(servers.need("postgres"))
    refused(run, Wrong(setting, url._replace(path="/nowhere").geturl(), "nowhere"))
    wrong = url._replace(netloc=f"{url.username}:hush@{url.netloc.rpartition('@')[2]}").geturl()
    refused(run, Wrong(setting, wrong, f"{url.port}: .*password"))


@pytest.mark.parametrize("url", ["redis://:hush@127.0.0.1:1/0", "memcached://127.0.0.1:1"])
def test_pages_come_without_a_cache_and_the_doctor_tells_it(run: Run, url: str) -> None:
    assert run("serve", CACHE=url).code == 0
    (found,) = bad(run("doctor", CACHE=url))
    assert re.search(r"127\.0\.0\.1:1 is not in use.*refused.*BOWERBIRD_CACHE", found)


def test_a_password_that_redis_does_not_take(run: Run) -> None:
    url = servers.need("redis").replace("://", "://:hush@")
    said = run("doctor", CACHE=url)
    assert said.code == 1
    assert re.search(r"not in use: .*(AUTH|password).*BOWERBIRD_CACHE", *bad(said))
    assert "hush" not in said.words


@pytest.mark.parametrize("site", [servers.self_hosted, servers.on_amazon])
def test_engines_that_are_there(run: Run, tmp_path: Path, site: Callable[[Path], dict[str, str]]) -> None:
    environ = {name.removeprefix("BOWERBIRD_"): value for name, value in site(tmp_path).items()}
    for command in ("serve", "doctor"):
        said = run(command, DATA=str(tmp_path / "data"), **environ)
        assert said.code == 0, said.words


@pytest.mark.parametrize("engine", ["", "postgres", "mysql"])
def test_tables_of_a_newer_release(run: Run, tmp_path: Path, engine: str) -> None:
    url = servers.database(engine, tmp_path) if engine else ""
    settings = Settings(data=tmp_path / "data", database=url)
    database = wiring.catalog(settings)
    with database.write() as conn:
        conn.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    said = run("serve", DATA=str(settings.data), DATABASE=url)
    assert said.code == 2
    assert "version 9999" in said.words
    assert "Install that release again" in said.words
    assert bad(run("doctor", DATA=str(settings.data), DATABASE=url)) == [said.words.strip()]


CLIENTS = [
    ("psycopg", "postgres", "DATABASE", "postgresql://u:hush@h/db"),
    ("psycopg", "postgres", "VECTORS", "postgresql://u:hush@h/db"),
    ("pymysql", "mysql", "DATABASE", "mysql://u:hush@h/db"),
    ("psycopg", "postgres", "QUEUE", "postgresql://u:hush@h/db"),
    ("boto3", "aws", "QUEUE", "sqs://K:hush@q"),
    ("boto3", "aws", "METADATA", "dynamodb://K:hush@t"),
    ("confluent_kafka", "kafka", "QUEUE", "kafka://h:1/t"),
    ("confluent_kafka", "kafka", "EVENTS", "kafka://h:1/t"),
    ("redis", "redis", "CACHE", "redis://:hush@h/0"),
    ("pymemcache", "memcached", "CACHE", "memcached://h"),
    ("pymilvus", "milvus", "VECTORS", "milvus://h"),
]

WITHOUT = """
import os, sys
from bowerbird.cli import main
for line in sys.stdin:
    client, setting, url = line.split()
    sys.modules[client] = None  # what Python itself keeps of a module that cannot be imported
    os.environ[f"BOWERBIRD_{setting}"] = url
    sys.argv = ["bowerbird", "serve"]
    try:
        main()
    except SystemExit as ended:
        print(ended.code, file=sys.stderr)
    del os.environ[f"BOWERBIRD_{setting}"]
"""


def test_a_client_that_is_not_installed(tmp_path: Path) -> None:
    """In one process that has not loaded any."""
    lines = "\n".join(f"{client} {setting} {url}" for client, _, setting, url in CLIENTS)
    env = {**os.environ, "BOWERBIRD_DATA": str(tmp_path), "BOWERBIRD_PORT": str(free_port())}
    child = [sys.executable, "-c", WITHOUT]
    done = subprocess.run(child, input=lines, capture_output=True, text=True, env=env, timeout=60)
    said = done.stderr.splitlines()
    assert len(said) == 2 * len(CLIENTS), done.stderr
    for (client, extra, setting, _), words, code in zip(CLIENTS, said[::2], said[1::2], strict=True):
        assert code == "2"
        assert f"BOWERBIRD_{setting} " in words
        assert f"({client}" in words
        assert f"`pip install bowerbird[{extra}]`" in words
    assert "hush" not in done.stderr


SILENT = [
    ("DATABASE", "postgresql://u:hush@{}/db"),
    ("DATABASE", "mysql://u:hush@{}/db"),
    ("BLOBS", "s3://K:hush@b?endpoint=http://{}"),
    ("QUEUE", "postgresql://u:hush@{}/db"),
    ("QUEUE", "sqs://K:hush@q?endpoint=http://{}"),
    ("QUEUE", "kafka://u:hush@{}/t"),
    ("METADATA", "dynamodb://K:hush@t?endpoint=http://{}"),
    ("EVENTS", "kafka://u:hush@{}/t"),
    ("VECTORS", "postgresql://u:hush@{}/db"),
    ("VECTORS", "milvus://u:hush@{}/db"),
]


@pytest.fixture
def silent() -> Iterator[str]:
    """Somebody who takes connections and says nothing, as a frozen server does."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_an_engine_that_says_nothing_holds_a_start_up_for_seconds_only(silent: str, tmp_path: Path) -> None:
    def started(setting: str, url: str) -> tuple[str, float]:
        settings = Settings(data=tmp_path, **{setting.lower(): url.format(silent)})
        begun = time.monotonic()
        with pytest.raises(Unavailable) as told:
            wiring.database(settings) if setting == "DATABASE" else wiring.check(settings)
        return str(told.value), time.monotonic() - begun

    with ThreadPoolExecutor(len(SILENT)) as pool:
        found = list(pool.map(started, *zip(*SILENT, strict=True)))
    for (setting, _), (words, took) in zip(SILENT, found, strict=True):
        assert words.startswith(f"BOWERBIRD_{setting}: ")
        assert "hush" not in words
        assert took < LONGEST, words
