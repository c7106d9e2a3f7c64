"""Engines of a running site die, freeze and come back: pages go on, and nothing that was accepted is lost.

One stack, one fault after the other, while some write, some read and some upload. What was measured is printed (`-s`).
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from bowerbird.fleet.server import family, free_port, freeze, send
from bowerbird.fleet.servers import postgres
from bowerbird.fleet.stack import Stack
from bowerbird.ports import Unavailable
from tests.conftest import engine_missing
from tests.journeys.crowd import Crowd, Said
from tests.journeys.test_chaos import picture
from tests.journeys.test_stack import account, client, until_ready

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AWAY = float(os.environ.get("BOWERBIRD_TEST_AWAY", "30"))
"""Seconds for which an engine is away."""
PACE = 0.02
"""Seconds between two writes: about 50 a second, as far as the machine goes."""


class Traffic(Crowd):
    """People who write, read and upload, and remember what they were told."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.boards: set[str] = set()
        self.pins: set[str] = set()
        self.number = 0
        works = (self.write, self.write, self.read, self.upload)
        super().__init__(("write", "read", "upload"), [partial(self._run, work) for work in works])

    def next(self) -> int:
        self.number += 1
        return self.number

    def _run(self, work: Callable[[httpx.Client], None]) -> None:
        with client(self.port, self.token) as web:
            while not self.stop.is_set():
                work(web)

    def write(self, web: httpx.Client) -> None:
        name = f"board {self.next()}"
        answer = self.ask("write", lambda: web.post("/boards", json={"name": name}))
        if answer is not None and answer.status_code == 201:
            self.boards.add(name)
        self.stop.wait(2 * PACE)

    def read(self, web: httpx.Client) -> None:
        self.ask("read", lambda: web.get("/pins"))
        self.stop.wait(PACE)

    def upload(self, web: httpx.Client) -> None:
        files = {"picture": ("a.jpg", picture(self.next()), "image/jpeg")}
        answer = self.ask("upload", lambda: web.post("/pins", files=files))
        if answer is not None and answer.status_code == 202:
            self.pins.add(answer.json()["id"])
        self.stop.wait(0.5)

    def since(self, kind: str, start: float) -> list[Said]:
        return [said for said in self.said[kind] if said.at >= start]

    def good_again(self, kind: str, start: float, patience: float = 40) -> float:
        """Seconds from `start` until requests of this kind, begun after it, go well for good (ten in a row)."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            said = self.since(kind, start)
            if len(said) >= 10 and all(each.status and each.status < 400 for each in said[-10:]):
                bad = [each for each in said if not each.status or each.status >= 400]
                return max((each.at + each.took for each in bad), default=start) - start
            time.sleep(0.1)
        raise AssertionError(f"{kind}: still {self.since(kind, start)[-3:]}")

    def clear(self, start: float) -> None:
        """Whatever was refused since, was refused clearly."""
        for kind, all_said in self.said.items():
            for said in all_said:
                if said.at >= start and said.status >= 400:
                    assert said.status == 503, (kind, said)
                    assert said.retry, (kind, said)


class Site(NamedTuple):
    stack: Stack
    port: int
    token: str

    def pid(self, name: str) -> int:
        return self.stack.plan.running[name].pid

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        freeze(family(self.pid(name)))
        try:
            yield
        finally:
            send(family(self.pid(name)), signal.SIGCONT)

    def stopped(self, name: str, seconds: float) -> None:
        """Killed, and started again after a while."""
        send(family(self.pid(name)), signal.SIGKILL)
        time.sleep(seconds)
        self.stack.up()

    def nothing_lost(self, traffic: Traffic) -> None:
        """Every board that was promised is there, and every upload is ready in the end."""
        with client(self.port, self.token) as web:
            found = {board["name"] for board in web.get("/boards").json()}
            assert traffic.boards <= found, sorted(traffic.boards - found)
            for pin in traffic.pins:
                until_ready(web, pin)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    data, port = Path(tempfile.mkdtemp(prefix="bowerbird-faults-")), free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOWERBIRD_LOG_LEVEL", "warning")
        stack = Stack(data, port)
        try:
            stack.up()
            yield Site(stack, port, account(port))
        except Unavailable as error:
            if "not installed" not in str(error):
                raise
            engine_missing(str(error))
        finally:
            stack.down()
            shutil.rmtree(data)


def told(what: str, traffic: Traffic, start: float) -> None:
    """What was measured."""
    parts = []
    for kind in traffic.said:
        said = traffic.since(kind, start)
        bad = [each for each in said if not each.status or each.status >= 400]
        longest = max((each.took for each in said), default=0.0)
        parts.append(f"{kind}: {len(said)} asked, {len(bad)} refused, longest {longest:.1f} s")
    print(f"\n{what}: {'; '.join(parts)}")


def warm(traffic: Traffic) -> float:
    """Until all goes well; the time then."""
    start = time.monotonic()
    for kind in traffic.said:
        traffic.good_again(kind, start, 60)
    return time.monotonic()


@pytest.mark.parametrize("engine", ["redis", "seaweedfs", "broker"])
def test_an_engine_is_away_for_a_while(site: Site, engine: str) -> None:
    with Traffic(site.port, site.token) as traffic:
        start = warm(traffic)
        site.stopped(engine, AWAY)
        back = time.monotonic()
        after = {kind: traffic.good_again(kind, back) for kind in traffic.said}
        told(f"{engine} away for {AWAY:.0f} s, good again {after} after its return", traffic, start)
    traffic.clear(start)
    reads = traffic.since("read", start)
    assert all(each.status == 200 for each in reads), "pages come without it"
    site.nothing_lost(traffic)


def test_a_frozen_cache_costs_little(site: Site) -> None:
    with Traffic(site.port, site.token) as traffic:
        start = warm(traffic)
        with site.frozen("redis"):
            time.sleep(AWAY)
        told(f"redis frozen for {AWAY:.0f} s", traffic, start)
    traffic.clear(start)
    assert all(each.status == 200 for each in traffic.since("read", start))
    assert max(each.took for each in traffic.since("read", start)) < 3
    site.nothing_lost(traffic)


def test_a_frozen_replica_is_left_out(site: Site) -> None:
    """A commit waits for it, so writes are refused meanwhile; reads move over."""
    with Traffic(site.port, site.token) as traffic:
        start = warm(traffic)
        with site.frozen("replica"):
            time.sleep(2.0)
            moved = time.monotonic()
            time.sleep(AWAY)
            told(f"replica frozen for {2 + AWAY:.0f} s", traffic, start)
            assert all(each.status == 200 for each in traffic.since("read", moved)), "within 2 s"
        traffic.good_again("write", time.monotonic())
    traffic.clear(start)
    site.nothing_lost(traffic)


def test_the_primary_dies_and_its_replica_takes_over(site: Site) -> None:
    """The last one: this stack has no replica afterwards."""
    with Traffic(site.port, site.token) as traffic:
        start = warm(traffic)
        time.sleep(2)
        send(family(site.pid("postgres")), signal.SIGKILL)
        died = time.monotonic()
        part = next(part for part in site.stack.parts if part.name == "replica")
        postgres.promote(part.server())
        promoted = time.monotonic()
        time.sleep(3)
        writes = traffic.good_again("write", promoted)
        told(f"promoted after {promoted - died:.1f} s, writes good again {writes:.1f} s later", traffic, start)
    assert writes < 10
    traffic.clear(start)
    refused = [each for each in traffic.since("read", start) if each.status != 200]
    assert not refused or max(each.at for each in refused) - died < 2, "reads go on"
    site.nothing_lost(traffic)
