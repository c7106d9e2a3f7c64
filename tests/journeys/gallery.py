"""The service as a process, driven as a program would, and pictures painted for it."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pyvips

from tests.journeys.processes import Service

SIZE = 84
"""Pictures of the gallery: more than two pages."""
SIZES = ((420, 600), (600, 420), (500, 500), (400, 700), (640, 480))
HUES = ((196, 40, 36), (36, 70, 200), (40, 150, 80), (226, 180, 40), (130, 60, 160), (240, 240, 236))


@cache
def painted(number: int) -> bytes:
    """A JPEG in one of six hues, each with a pattern of its own; the same number gives the same bytes."""
    width, height = SIZES[number % len(SIZES)]
    draw = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / 300
    a, b, c = draw.uniform(2, 9, 3)
    patterns = (
        np.sin(a * x + 3 * np.sin(b * y + number) + 2 * np.cos(c * x * y)),
        np.sin(9 * a * np.hypot(x - b / 9, y - c / 9)),
        np.sin(12 * a * (x + y * b / 9)),
        np.sign(np.sin(5 * a * x) * np.sin(5 * b * y)),
        np.sin(a * x * y) * np.cos(b * y) + np.sin(40 * c * x) / 4,
        np.where(np.hypot(np.sin(6 * a * x), np.sin(6 * a * y)) < 0.5, -1, 1),
    )
    # Waves across each, or some would be near-duplicates, of which a wall shows one.
    wave = (0.45 * patterns[number % len(HUES)] + 0.55 * patterns[0])[..., None]
    hue = np.array(HUES[number % len(HUES)], np.float32)
    pixels = np.clip(hue * (0.72 + 0.28 * wave) + draw.normal(0, 4, (height, width, 1)), 0, 255).astype(np.uint8)
    return bytes(pyvips.Image.new_from_array(pixels, interpretation="srgb").jpegsave_buffer(Q=88))


class Gallery(Service):
    """A running service, with a client for each of its people."""

    def __init__(self, data: Path, **environ: str) -> None:
        super().__init__(data, BOWERBIRD_ENCODER="efficientnet-lite0", BOWERBIRD_LOGIN_TRIES="1000", **environ)
        self.people: dict[str, httpx.Client] = {}

    def sign_up(self, name: str) -> None:
        """An account by the sign-up form, with `bowerbird-<name>` as its password."""
        client = httpx.Client(base_url=self.url, timeout=20, headers={"Origin": self.url})
        answer = client.post("/signup", data={"username": name, "password": f"bowerbird-{name}"})
        assert answer.status_code == 303, answer.text
        client.headers["X-CSRF-Token"] = client.get("/api/v1/me").raise_for_status().json()["csrf"]
        self.people[name] = client

    def cookies(self, name: str) -> list[dict[str, str]]:
        """For a browser that is logged in as `name`, who signs up first if need be."""
        if name not in self.people:
            self.sign_up(name)
        jar = self.people[name].cookies
        return [{"name": key, "value": value, "url": self.url} for key, value in jar.items()]

    def upload(self, data: bytes, title: str = "", user: str = "painter", board: str = "") -> str:
        """The new pin's id."""
        form = {"title": title, "board_id": board}
        answer = self.people[user].post("/api/v1/pins", data=form, files={"picture": ("picture.jpg", data)})
        return str(answer.raise_for_status().json()["id"])

    def board(self, name: str, user: str = "painter", *, secret: bool = False) -> dict[str, str]:
        answer = self.people[user].post("/api/v1/boards", json={"name": name, "secret": secret})
        found: dict[str, str] = answer.raise_for_status().json()
        return found

    def wait_ready(self, user: str = "painter", seconds: float = 180) -> None:
        """Until nothing of theirs is on its way."""
        until = time.monotonic() + seconds
        while 'class="panel list small"' in self.people[user].get("/upload").text:
            assert time.monotonic() < until, "pictures are still not ready"
            time.sleep(0.3)
