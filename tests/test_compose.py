"""The compose file: it names no setting that is not there, and its scripts make what it says they make."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bowerbird import wiring
from bowerbird.fleet.server import Server, free_port, owned
from bowerbird.fleet.servers import nginx, postgres
from bowerbird.ports import Unavailable
from bowerbird.settings import Settings, load
from tests import servers

FOLDER = Path(__file__).parents[1] / "deploy/compose"
TEXT = (FOLDER / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("web-1", "web-2", "worker", "events")
SECRET = "0123456789abcdef"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def filled(text: str, given: dict[str, str]) -> str:
    """As compose fills in `${NAME}`, `${NAME:-default}` and `${NAME:?why}`."""

    def value(found: re.Match[str]) -> str:
        name, kind, more = found.groups()
        assert given.get(name) or kind != "?", f"{name} must be set"
        return given.get(name) or (more if kind == "-" else "")

    return VARIABLE.sub(value, text)


def example() -> dict[str, str]:
    """`.env.example`, its passwords chosen."""
    lines = (FOLDER / ".env.example").read_text().splitlines()
    pairs = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value or (SECRET if name.endswith(("PASSWORD", "SECRET")) else "") for name, value in pairs.items()}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environment = SERVICES["web-1"]["environment"]
    given = {name: filled(value, example()) for name, value in environment.items()}
    return load(given, data=tmp_path)  # BadSetting for a name or a value that is none


def test_every_setting_in_it_is_one(settings: Settings) -> None:
    assert all(SERVICES[name]["environment"] == SERVICES["web-1"]["environment"] for name in OURS)
    assert settings.database and settings.database_readers and settings.blobs and settings.cache and settings.events
    assert settings.queue == settings.database
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert settings.trusted_proxies == filled(network["subnet"], example())


@pytest.mark.parametrize("engine", ["database", "blobs", "queue", "metadata", "cache", "events"])
def test_every_url_in_it_is_taken(settings: Settings, engine: str) -> None:
    """Nothing answers at those names here, which is another thing than a URL that cannot be used."""
    try:
        opened = getattr(wiring, engine)(settings)
    except Unavailable:
        return
    if hasattr(opened, "close"):
        opened.close()


def test_the_example_has_every_variable_and_no_other() -> None:
    assert {found[1] for found in VARIABLE.finditer(TEXT)} == example().keys()
    with pytest.raises(AssertionError, match="PASSWORD must be set"):
        filled(TEXT, {})


def test_each_service_says_how_it_does_and_comes_back() -> None:
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert how["condition"] == "service_healthy"


def test_each_volume_is_declared_and_each_file_there() -> None:
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert {each for each in mounted if not each.startswith(".")} == set(COMPOSE["volumes"])
    for each in mounted:
        assert not each.startswith(".") or (FOLDER / each).is_file()
    copied = re.findall(r"^COPY (.*) \S+$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    allowed = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    for each in " ".join(copied).split():
        assert (FOLDER.parents[1] / each).exists()
        assert f"!{each}" in allowed


def test_the_edge_finds_both_web_services() -> None:
    """nginx itself reads what the command makes of `deploy/edge/nginx.conf`, with the names as addresses of here."""
    command = SERVICES["nginx"]["command"][2]
    conf = (FOLDER.parent / "edge/nginx.conf").read_text()
    for old, new in re.findall(r"s/(\S+)/(web-\d:\d+)/", command):
        assert conf.count(old) == 1
        conf = conf.replace(old, new)
    assert set(re.findall(r"server (web-\d):8080;", conf)) == {"web-1", "web-2"}
    assert nginx.config("80", ["web-1:8080", "web-2:8080"], Settings().max_upload_mb) == conf


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary and a replica as the compose file makes them, from the same scripts."""
    servers.need("postgres")  # skips where it is not installed
    account = postgres.ACCOUNT
    # Not in pytest's own folder, which only we may enter: PostgreSQL is nobody where we are root.
    folder = owned(Path(tempfile.mkdtemp(prefix="bowerbird-pair-")), account)
    ports = free_port(), free_port()
    programs = postgres._program("postgres").parent
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PGPASSWORD": SECRET,
        "PGHOST": "127.0.0.1",
        "POSTGRES_USER": postgres.USER,
        "POSTGRES_DB": "postgres",
    }
    first = postgres.primary(owned(folder / "primary", account), ports[0], SECRET)
    first.start()
    first.wait()
    made = {**env, "PGPORT": str(ports[0]), "PGDATA": str(folder / "primary/data")}
    once = Server("once", ["bash", str(FOLDER / "primary.sh")], folder / "primary", lambda: None, made, account)
    once.start()
    assert once.process is not None and once.process.wait(30) == 0, once.log.read_text()
    first.stop()
    first.start()
    first.wait()
    second = Server(
        "replica",
        ["bash", str(FOLDER / "replica.sh")],
        owned(folder / "replica", account),
        postgres._server("", folder, ports[1], {}).answers,
        {
            **env,
            "PRIMARY": "127.0.0.1",
            "PRIMARY_PORT": str(ports[0]),
            "PGPORT": str(ports[1]),
            "PGDATA": str(folder / "replica/18/docker"),
        },
        account,
    )
    second.start()
    try:
        second.wait()
        yield first, second
    finally:
        second.kill()
        first.kill()
        shutil.rmtree(folder)


@pytest.mark.slow
def test_the_replica_has_what_was_committed_and_is_made_again_if_it_was_lost(pair: tuple[Server, Server]) -> None:
    import psycopg

    first, second = pair
    ports = [int(dict(each.split("=", 1) for each in first.command if "=" in each)["port"]), int(second.env["PGPORT"])]
    writer, reader = (postgres.url(port, SECRET) for port in ports)
    with psycopg.connect(writer, autocommit=True) as raw:
        raw.execute("CREATE TABLE kept (n int)")
        raw.execute("INSERT INTO kept VALUES (1)")  # returns once the replica has it
        assert raw.execute("SELECT application_name, sync_state FROM pg_stat_replication").fetchall() == [
            ("replica", "quorum")
        ]
    second.stop()
    shutil.rmtree(second.env["PGDATA"])
    second.start()
    second.wait()
    with psycopg.connect(writer, autocommit=True) as raw:
        raw.execute("INSERT INTO kept VALUES (2)")
    with psycopg.connect(reader) as raw:
        for _ in range(50):  # it has them on disk, and shows them a moment later
            if raw.execute("SELECT count(*) FROM kept").fetchone() == (2,):
                return
            time.sleep(0.1)
    raise AssertionError("the replica does not follow")
