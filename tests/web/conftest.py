"""The real application over real embedded engines in a temporary folder, and people who use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import pyvips
from litestar.testing import TestClient

from bowerbird import wiring
from bowerbird.darkroom.process import Darkroom
from bowerbird.ingest.worker import Worker
from bowerbird.ports import Engines
from bowerbird.settings import Settings
from bowerbird.web import auth
from bowerbird.web.app import create_app

PASSWORD = "correct horse battery"


class Person:
    """Someone with a browser: cookies and, once logged in, a CSRF token."""

    def __init__(self, client: TestClient[Any], name: str) -> None:
        self.client, self.name, self.csrf, self.cookies = client, name, "", {}

    def join(self) -> Person:
        answer = self.post("/users", json={"username": self.name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return self.enter()

    def enter(self) -> Person:
        answer = self.post("/session", json={"username": self.name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.csrf = answer.json()["csrf"]
        self.cookies = {auth.COOKIE: answer.cookies[auth.COOKIE]}
        return self

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """`path` under /api/v1, unless it names another root with `//`."""
        self.client.cookies.clear()
        headers = {"x-csrf-token": self.csrf, **more.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        target = path[1:] if path.startswith("//") else f"/api/v1{path}"
        return self.client.request(method, target, headers=headers, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("POST", path, **more)

    def upload(self, data: bytes, **form: str) -> httpx.Response:
        return self.post("/pins", files={"picture": ("picture.jpg", data)}, data=form)

    def board(self, name: str, secret: bool = False) -> str:
        answer = self.post("/boards", json={"name": name, "secret": secret})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


class Place:
    """A running service: its engines, its client, its worker."""

    def __init__(self, folder: Path, darkroom: Darkroom, **overrides: Any) -> None:
        self.settings = Settings(data=folder, log_level="error", **overrides)
        self.engines: Engines = wiring.connect(self.settings)
        self.darkroom = darkroom
        self.app = create_app(self.settings, self.engines, darkroom)
        self.client: TestClient[Any] = TestClient(self.app, raise_server_exceptions=False)
        self.nobody = Person(self.client, "nobody")

    def person(self, name: str) -> Person:
        return Person(self.client, name).join()

    def work(self) -> None:
        """Do what waits in the queue, as a worker would."""
        worker = Worker(self.engines, self.darkroom)
        while worker.once():
            pass


@pytest.fixture(scope="session")
def darkroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Darkroom]:
    """One for all tests: it takes a second to load its model."""
    with wiring.darkroom(Settings(data=tmp_path_factory.mktemp("model"), encoder="efficientnet-lite0")) as room:
        yield room


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """argon2id all the same, with less memory."""
    before, auth.PASSWORDS = auth.PASSWORDS, auth.Passwords(time_cost=1, memory_kib=64)
    yield
    auth.PASSWORDS = before


@pytest.fixture
def place(tmp_path: Path, darkroom: Darkroom) -> Iterator[Place]:
    built = Place(tmp_path / "data", darkroom, encoder="efficientnet-lite0", login_tries=1000)
    with built.client:
        yield built
    built.engines.close()


def picture(seed: int, width: int = 320, height: int = 240) -> bytes:
    """A JPEG that no other seed gives, and unlike that of the next few seeds: stripes, rings, tiles, ..."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / height
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(20, 60)
    along = x * np.cos(turn) + y * np.sin(turn)
    shapes = [
        np.sin(pitch * along),
        np.sin(pitch * np.hypot(x - 0.6, y - 0.5)),
        np.sign(np.sin(pitch * x) * np.sin(pitch * y)),
        rng.standard_normal((height, width)),
        along - along.mean(),
        np.sin(9 * x + 3 * np.sin(pitch * y / 4)),
        (np.hypot((8 * x) % 1 - 0.5, (8 * y) % 1 - 0.5) < 0.3) * 2.0 - 1,
    ]
    mix = (np.clip(shapes[seed % len(shapes)], -1, 1) + 1) / 2
    one, other = rng.uniform(0, 255, 3), rng.uniform(0, 255, 3)
    pixels = mix[..., None] * one + (1 - mix[..., None]) * other
    return bytes(pyvips.Image.new_from_array(pixels.astype(np.uint8), interpretation="srgb").jpegsave_buffer(Q=85))


def url_of(person: Person, pin_id: str) -> str:
    return str(person.get(f"/pins/{pin_id}").json()["pictures"][0]["url"])


def bare(address: str) -> str:
    return urlsplit(address).path
