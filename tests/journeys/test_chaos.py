"""Killed at random moments, over and over: nothing accepted is lost, nothing is doubled."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import pyvips

from bowerbird import wiring
from bowerbird.catalog import pins, tokens, users
from bowerbird.model import Scope, State
from bowerbird.settings import load
from tests.journeys.conftest import Engines
from tests.journeys.processes import Service, kill

PICTURES, KILLS = 300, 20
ON_SERVERS = 80, 8


def picture(number: int) -> bytes:
    """A small photograph-like JPEG that no other number gives."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    image = pyvips.Image.new_from_array(coarse).resize(40, kernel="cubic")
    return bytes(image.jpegsave_buffer(Q=85))


class Uploader(threading.Thread):
    """Uploads every picture, again and again until each is accepted, as a patient person would."""

    def __init__(self, service: Service, token: str, originals: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.service, self.token, self.left = service, token, list(originals.values())
        self.accepted: dict[str, str] = {}  # pin id by SHA-256
        self.refused: list[str] = []

    def run(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=10) as client:
            while self.left:
                data = self.left[0]
                try:
                    answer = client.post(
                        f"{self.service.url}/api/v1/pins", files={"picture": ("a.jpg", data, "image/jpeg")}
                    )
                except httpx.TransportError:
                    time.sleep(0.2)
                    continue
                if answer.status_code == 202:
                    self.accepted[hashlib.sha256(data).hexdigest()] = answer.json()["id"]
                    self.left.pop(0)
                elif answer.status_code < 500:
                    self.refused.append(answer.text)
                    return


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_accepted_is_lost_or_doubled(engines: Engines, tmp_path: Path) -> None:
    chance = random.Random(20)
    environ = engines(tmp_path)
    pictures, kills = ON_SERVERS if environ else (PICTURES, KILLS)
    settings = load(environ, data=tmp_path / "data")
    opened = wiring.connect(settings)
    with opened.database.write() as conn:
        owner = users.create(conn, "ada", "no password")
        token, _ = tokens.create(conn, owner.id, "chaos", (Scope.READ, Scope.WRITE), time.time() + 3600)
    originals = {hashlib.sha256(data).hexdigest(): data for data in map(picture, range(pictures))}
    assert len(originals) == pictures

    service = Service(settings.data, BOWERBIRD_WORKERS="2", **environ)
    service.start()
    uploader = Uploader(service, token, originals)
    uploader.start()
    for number in range(kills):
        time.sleep(chance.uniform(0.3, 2.0))
        if number % 4 == 3:
            service.kill_all()
            service.start()
        else:
            below = list(service.tree())
            if below:
                kill(chance.choice(below))
    with contextlib.suppress(AssertionError):
        service.wait_until_up()
    uploader.join(300)
    assert not uploader.refused
    assert len(uploader.accepted) == pictures

    wait_until_final(opened, pictures)
    with opened.database.read() as conn:
        shown = pins.of_user(conn, owner.id, owner.id, None, 10 * pictures)
    assert sorted(pin.image.sha256 for pin in shown) == sorted(originals)
    assert {pin.image.sha256: str(pin.id) for pin in shown} == uploader.accepted
    assert {pin.image.state for pin in shown} == {State.READY}
    for pin in shown:
        assert opened.blobs.get(pin.image.original) == originals[pin.image.sha256]
    vectors = opened.looks.get(np.array([pin.image.id for pin in shown], np.int64))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-3)

    assert service.stop() == 0
    opened.close()


def wait_until_final(engines: wiring.Engines, expected: int, timeout: float = 300) -> None:
    from bowerbird.catalog import images

    deadline = time.monotonic() + timeout
    counts: dict[State, int] = {}
    while time.monotonic() < deadline:
        with engines.database.read() as conn:
            counts = images.counts(conn)
        if not counts.get(State.PENDING) and sum(counts.values()) == expected:
            return
        time.sleep(0.5)
    raise AssertionError(f"not all pictures reached a final state: {counts}")
