"""Two web processes that read from a replica: whoever changed something sees it, whichever of them answers."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar.testing import TestClient

from bowerbird import wiring
from bowerbird.cli import doctor
from bowerbird.darkroom.process import Darkroom
from bowerbird.ports import Unavailable
from bowerbird.settings import Settings
from bowerbird.web import auth, errors
from bowerbird.web.app import create_app
from tests import servers
from tests.contracts.pairs import ENGINES, Kind, at, within
from tests.web.conftest import PASSWORD


@pytest.fixture(params=ENGINES)
def kind(request: pytest.FixtureRequest) -> Kind:
    return ENGINES[request.param]


@pytest.fixture
def replica(kind: Kind, tmp_path: Path) -> tuple[str, int]:
    """The URL of the database on both servers, and the replica's port."""
    url = servers.database(kind.server, tmp_path)
    return url, int(urlsplit(url).netloc.rpartition(":")[2])


@pytest.fixture
def processes(replica: tuple[str, int], tmp_path: Path, darkroom: Darkroom) -> Iterator[list[TestClient[Any]]]:
    url, port = replica
    settings = Settings(
        data=tmp_path / "data",
        log_level="error",
        database=url,
        database_readers=at(url, port),
        encoder="efficientnet-lite0",
    )
    opened = [wiring.connect(settings, pages=True) for _ in range(2)]
    clients = [TestClient(create_app(settings, engines, darkroom)) for engines in opened]
    for client in clients:
        client.__enter__()
    yield clients
    for client, engines in zip(clients, opened, strict=True):
        client.__exit__(None, None, None)
        engines.close()


def missing(client: TestClient[Any]) -> dict[str, str]:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    return dict(answer.json()["missing"])


@pytest.mark.slow
def test_a_reader_that_is_left_out_is_named_and_why(
    kind: Kind, replica: tuple[str, int], processes: list[TestClient[Any]]
) -> None:
    """Without its address: anyone may ask."""
    client = processes[0]
    settings = Settings(database=replica[0].replace(f",127.0.0.1:{replica[1]}", ""), database_readers=at(*replica))
    assert doctor.LOOKS["readers"](settings) == "all are in use"
    server = servers.running[kind.server].servers[1]
    within(5, lambda: missing(client) == {})
    server.freeze()
    try:
        within(10, lambda: missing(client) == {"reader 1": "it does not answer"})
    finally:
        server.thaw()
    within(10, lambda: missing(client) == {})
    kind.pause(*replica)
    try:
        assert client.post("/api/v1/users", json={"username": "anna", "password": PASSWORD}).status_code == 201
        within(15, lambda: re.fullmatch(r"it is behind by \d+ s", missing(client).get("reader 1", "")) is not None)
    finally:
        kind.resume(*replica)
    within(10, lambda: missing(client) == {})
    server.stop()
    try:
        within(10, lambda: missing(client) == {"reader 1": "it is down"})
        with pytest.raises(Unavailable, match=rf"reader 1 at 127.0.0.1:{replica[1]}: it is down"):
            doctor.LOOKS["readers"](settings)
    finally:
        server.start()
        server.wait()
    within(15, lambda: missing(client) == {})


def test_a_visitor_is_told_in_plain_words_that_the_database_is_away(
    kind: Kind, replica: tuple[str, int], processes: list[TestClient[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    pair = servers.running[kind.server].servers
    for server in pair:
        server.freeze()
    try:
        for path in ("/pin/1", "/api/v1/pins"):
            answer = processes[1].get(path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            text = html.unescape(answer.text)
            assert f"The catalogue of pins and boards cannot be reached just now. {errors.COMFORT}" in text
            assert "127.0.0.1" not in text and str(replica[1]) not in text
        ready = processes[1].get("/readyz")
        assert ready.status_code == 503
        assert set(ready.json()["missing"]) >= {"database", "reader 1"}
        assert "127.0.0.1" not in ready.text
        assert f"127.0.0.1:{replica[1]}" in caplog.text
    finally:
        for server in pair:
            server.thaw()
    within(10, lambda: processes[1].get("/api/v1/pins").status_code == 200)


@pytest.mark.usefixtures("patient")
def test_what_someone_did_is_there_at_their_next_request(
    kind: Kind, replica: tuple[str, int], processes: list[TestClient[Any]]
) -> None:
    one, other = processes
    who = {"username": "anna", "password": PASSWORD}
    assert one.post("/api/v1/users", json=who).status_code == 201
    within(10, lambda: missing(other) == {})
    kind.pause(*replica)
    try:
        session = one.post("/api/v1/session", json=who)
        assert session.status_code == 200
        other.cookies[auth.COOKIE] = one.cookies[auth.COOKIE]
        assert other.get("/api/v1/me").status_code == 401  # the replica has not heard of this session yet
        other.cookies.update(one.cookies)
        assert other.get("/api/v1/me").json()["username"] == "anna"
        change = {"x-csrf-token": session.json()["csrf"]}
        board = other.post("/api/v1/boards", json={"name": "Nests"}, headers=change)
        assert board.status_code == 201
        one.cookies.update(other.cookies)
        found = one.get("/api/v1/users/anna/boards").json()
        assert [each["name"] for each in found] == ["Nests"]
        assert "bowerbird_written" not in one.get("/api/v1/me").headers.get("set-cookie", "")
    finally:
        kind.resume(*replica)
