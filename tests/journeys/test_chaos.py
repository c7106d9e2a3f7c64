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
from bowerbird.model import Scope, State, original_key
from bowerbird.settings import load
from tests.journeys.processes import Service, kill

PICTURES = 300
KILLS = 20


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
def test_nothing_accepted_is_lost_or_doubled(tmp_path: Path) -> None:
    chance = random.Random(20)
    settings = load({}, data=tmp_path / "data")
    engines = wiring.connect(settings)
    with engines.database.write() as conn:
        owner = users.create(conn, "ada", "no password")
        token, _ = tokens.create(conn, owner.id, "chaos", (Scope.READ, Scope.WRITE), time.time() + 3600)
    originals = {hashlib.sha256(data).hexdigest(): data for data in map(picture, range(PICTURES))}
    assert len(originals) == PICTURES

    service = Service(settings.data, BOWERBIRD_WORKERS="2")
    service.start()
    uploader = Uploader(service, token, originals)
    uploader.start()
    for number in range(KILLS):
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
    assert len(uploader.accepted) == PICTURES

    wait_until_final(engines, PICTURES)
    with engines.database.read() as conn:
        shown = pins.of_user(conn, owner.id, owner.id, None, 10 * PICTURES)
    assert sorted(pin.image.sha256 for pin in shown) == sorted(originals)
    assert {pin.image.sha256: str(pin.id) for pin in shown} == uploader.accepted
    assert {pin.image.state for pin in shown} == {State.READY}
    for sha256, data in originals.items():
        assert engines.blobs.get(original_key(sha256)) == data
    vectors = engines.looks.get(np.array([pin.image.id for pin in shown], np.int64))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-3)

    assert service.stop() == 0
    engines.close()


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
