"""A cache that all web processes share, and pages that come without it too."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bowerbird.darkroom.process import Darkroom
from tests.proxy import Proxy
from tests.servers import namespace, need
from tests.web.conftest import PASSWORD, Person, Place, picture


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """In front of Redis."""
    proxy = Proxy(int(need("redis").rpartition(":")[2].partition("/")[0]))
    yield proxy
    proxy.close()


@pytest.fixture
def place(tmp_path: Path, darkroom: Darkroom, proxy: Proxy) -> Iterator[Place]:
    cache = f"redis://127.0.0.1:{proxy.port}/0?prefix={namespace(tmp_path)}"
    built = Place(tmp_path / "data", darkroom, encoder="efficientnet-lite0", login_tries=5, cache=cache)
    with built.client:
        yield built
    built.engines.close()


@pytest.fixture
def ann(place: Place) -> Person:
    """Someone with a few pictures."""
    ann = place.person("ann")
    for seed in range(6):
        assert ann.upload(picture(seed), title=f"Lamp {seed}").status_code == 202
    place.work()
    return ann


def pages(ann: Person) -> list[str]:
    pin = ann.get("/pins").json()["items"][0]["id"]
    return ["//", f"//pin/{pin}", f"/pins/{pin}/related", "/search?q=lamp"]


def seconds(ann: Person, paths: list[str]) -> float:
    """That these pages take."""
    began = time.monotonic()
    for path in paths:
        assert ann.get(path).status_code == 200, path
    return time.monotonic() - began


def test_pages_use_it(place: Place, ann: Person) -> None:
    for _ in range(2):
        for path in pages(ann):
            assert ann.get(path).status_code == 200, path
    figures = place.nobody.get("//metrics").text
    hits = re.search(r'bowerbird_cache_total{kind="face",outcome="hit"} ([0-9.]+)', figures)
    assert hits is not None
    assert float(hits[1]) > 0
    assert "bowerbird_cache_errors_total 0.0" in figures


@pytest.mark.parametrize("fault", ["gone", "silent", "slow"])
def test_pages_come_without_it(fault: str, place: Place, ann: Person, proxy: Proxy) -> None:
    paths = pages(ann)
    usual = seconds(ann, paths * 3)
    if fault == "gone":
        proxy.refuse()
    proxy.silent, proxy.delay = fault == "silent", 2.0 if fault == "slow" else 0.0
    assert seconds(ann, paths * 3) < 3 * usual + 4, "twelve pages, of which few waited for it"
    assert ann.upload(picture(99)).status_code == 202
    assert set(place.nobody.get("//readyz").json()["missing"]) == {"cache"}
    assert "bowerbird_cache_errors_total 0.0" not in place.nobody.get("//metrics").text
    tried = [
        place.nobody.post("/session", json={"username": "ann", "password": "wrong one"}).status_code for _ in range(7)
    ]
    assert tried[0] == 401
    assert tried[-1] == 429, "this process counts meanwhile"

    proxy.silent, proxy.delay = False, 0.0
    if fault == "gone":
        proxy.accept()
    ends = time.monotonic() + 8
    while place.nobody.get("//readyz").json()["missing"]:
        assert time.monotonic() < ends
        time.sleep(0.1)


def test_a_rate_limit_counts_for_all_processes(tmp_path: Path, place: Place, ann: Person, darkroom: Darkroom) -> None:
    other = Place(tmp_path / "data", darkroom, encoder="efficientnet-lite0", login_tries=5, cache=place.settings.cache)
    wrong = {"username": "ann", "password": PASSWORD + "!"}
    with other.client:
        answers = [each.nobody.post("/session", json=wrong).status_code for _ in range(4) for each in (place, other)]
    assert answers.count(401) <= 5
    assert answers[-1] == 429
    other.engines.close()
