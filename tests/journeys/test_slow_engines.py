"""Each engine of a running site answers two seconds later: pages still come, and web processes do not pile up.

What was measured is printed (`-s`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests import servers
from tests.journeys.crowd import Crowd
from tests.journeys.gallery import Gallery, painted
from tests.proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LATER = 2.0
"""Seconds that each piece on its way to the engine waits."""
READERS = 24
LONG = 10.0
"""Seconds for which the engine is slow."""
LONGEST = 20.0
"""Seconds that anybody may wait for an answer: a page asks the database several times."""
MOST_THREADS = 44
"""As many work in a process at once, and a few of the engines' clients."""
PORT = re.compile(r"127\.0\.0\.1:(\d+)")
PORTS = {"database": "DATABASE", "vectors": "VECTORS", "blobs": "BLOBS", "cache": "CACHE", "events": "EVENTS"}


class Site:
    """A site on servers, each behind a proxy."""

    def __init__(self, data: Path) -> None:
        servers.need("kafka_told")
        environ = servers.self_hosted(data)
        del environ["BOWERBIRD_QUEUE"]  # nobody waits for that one
        self.proxies: dict[str, Proxy] = {}
        for port, name in PORTS.items():
            url = environ[f"BOWERBIRD_{name}"]
            if port == "events":  # a broker tells its clients where it is
                self.proxies[port] = servers.kafka_proxy()
                topic = url.rpartition("/")[2]
                url = f"{servers.need('kafka_told').rpartition('/')[0]}/{topic}"
            else:
                found = PORT.search(url)
                assert found
                self.proxies[port] = Proxy(int(found[1]))
                url = url.replace(found[0], f"127.0.0.1:{self.proxies[port].port}")
            environ[f"BOWERBIRD_{name}"] = url
        self.service = Gallery(data, **environ)

    def threads(self) -> int:
        """Of the process with the most."""
        return max(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in self.service.tree())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("slow"))
    site.service.start()
    try:
        site.service.sign_up("painter")
        for number in range(12):
            site.service.upload(painted(number))
        site.service.wait_ready()
        yield site
    finally:
        site.service.stop()
        for proxy in site.proxies.values():
            proxy.close()


class Readers(Crowd):
    """People who look at one page after the other."""

    def __init__(self, site: Site, pages: list[str]) -> None:
        self.url = site.service.url
        self.cookies = site.service.people["painter"].cookies
        super().__init__(pages, [partial(self._read, pages[number % len(pages)]) for number in range(READERS)])

    def _read(self, page: str) -> None:
        with httpx.Client(base_url=self.url, timeout=60, cookies=self.cookies) as web:
            while not self.stop.is_set():
                self.ask(page, lambda: web.get(page))
                self.stop.wait(0.2)


@pytest.mark.parametrize("engine", list(PORTS))
def test_a_slow_engine_does_not_fill_the_web_process(site: Site, engine: str) -> None:
    me = site.service.people["painter"]
    pin = me.get("/api/v1/pins").json()["items"][0]["id"]
    pages = ["/", f"/pin/{pin}", f"/api/v1/pins/{pin}/related", "/search?q=waves"]
    for page in pages:
        assert me.get(page).status_code == 200, page
    before = site.threads()
    with Readers(site, pages) as readers:
        site.proxies[engine].delay = LATER
        began, healthy = time.monotonic(), []
        while (started := time.monotonic()) - began < LONG:
            assert httpx.get(f"{site.service.url}/healthz", timeout=30).status_code == 200
            healthy.append(time.monotonic() - started)
            time.sleep(0.2)
        most = site.threads()
        site.proxies[engine].delay = 0.0
    answers = [said for some in readers.said.values() for said in some]
    came = [said.took for said in answers if said.status == 200]
    refused = [said for said in answers if said.status != 200]
    print(
        f"\n{engine} {LATER:.0f} s slower: {len(came)} pages, longest {max(came, default=0):.1f} s; "
        f"{len(refused)} refused; /healthz at most {max(healthy):.2f} s; threads {before} -> {most}"
    )
    assert all(said.status == 503 and said.retry for said in refused), "clear words"
    assert max(said.took for said in answers) < LONGEST
    assert max(healthy) < 2, "it asks no engine"
    assert most < before + MOST_THREADS, "what waits, waits without a thread of its own"
    if engine in ("cache", "events", "vectors", "blobs"):
        assert not refused, "no page needs it"
    time.sleep(1)
    began = time.monotonic()
    for page in pages:
        assert me.get(page).status_code == 200, page
    assert time.monotonic() - began < 8, "as fast as before"
