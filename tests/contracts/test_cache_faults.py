"""A cache that is away, frozen, slow or not believed is a slow page and never an error."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bowerbird import wiring
from bowerbird.cli.doctor import LOOKS as DOCTOR
from bowerbird.fleet.server import Server
from bowerbird.ports import Cache, Unavailable
from bowerbird.settings import BadSetting, Settings
from tests.conftest import engine_missing
from tests.contracts.caches import ENGINES, cache, opened
from tests.proxy import Proxy
from tests.servers import namespace, need

__all__ = ["cache", "opened"]


def a_page(cache: Cache) -> float:
    """Everything that a page asks of the cache, several times over; the seconds it took."""
    began = time.monotonic()
    faces = [f"face:{n}" for n in range(25)]
    for n in range(10):
        cache.get_many(faces)
        cache.put_many(dict.fromkeys(faces, b"face"), 60)
        cache.get(f"list:{n}")
        cache.put(f"list:{n}", b"list", 60)
        cache.put_new(f"lease:{n}", b"", 60)
        cache.delete([f"lease:{n}"])
        cache.hit("limit", 60)
    return time.monotonic() - began


def used_again(cache: Cache) -> bool:
    ends = time.monotonic() + 8
    while time.monotonic() < ends:
        cache.put("back", b"yes", 60)
        if cache.get("back") == b"yes":
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def site(engine: str, places: list[Server], tmp_path: Path, mended: None) -> Cache:
    """The cache as a site has it."""
    behind = ENGINES[engine].behind
    assert behind is not None
    return behind(tmp_path, ports(engine))


@pytest.fixture
def mended(places: list[Server]) -> Iterator[None]:
    """However the test ends, the servers run for the next."""
    yield
    for server in places:
        if server.process is None or server.process.poll() is not None:
            server.start()
            server.wait()
        server.thaw()


def ports(engine: str) -> list[int]:
    return [int(port) for port in re.findall(r":(\d+)", need(engine))]


@pytest.mark.usefixtures("heard")
def test_stopped_it_is_a_slow_page_and_back_again_it_is_used(site: Cache, places: list[Server]) -> None:
    site.put("a", b"x", 60)
    with capture_logs() as logs:
        for server in places:
            server.stop()
        assert a_page(site) < 3
        assert site.get("a") is None
        assert site.put_new("lease", b"", 60), "whoever asks may go ahead"
        assert [site.hit("mine", 60) for _ in range(3)] == [1, 2, 3], "this process counts meanwhile"
        assert site.errors > 0
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
            site.ping()
        for server in places:
            server.start()
            server.wait()
        assert used_again(site)
        site.ping()
    told = [each["event"] for each in logs]
    assert told.count("cache away") == told.count("cache back") <= 2 * len(places)


def test_connections_of_before_a_restart_are_no_outage(site: Cache, places: list[Server]) -> None:
    ready = threading.Barrier(16)

    def work() -> None:
        ready.wait()
        a_page(site)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server in places:
        server.kill()
        server.start()
        server.wait()
    assert used_again(site), "it would take a minute if each had to fail"


def test_frozen_it_costs_a_page_little(site: Cache, places: list[Server]) -> None:
    a_page(site)
    for server in places:
        server.freeze()
    assert a_page(site) < 3
    assert a_page(site) < 3
    with pytest.raises(Unavailable):
        site.ping()
    for server in places:
        server.thaw()
    assert used_again(site)


def test_frozen_it_keeps_no_threads(site: Cache, places: list[Server]) -> None:
    for server in places:
        server.freeze()
    took: list[float] = []
    threads = [threading.Thread(target=lambda: took.append(a_page(site))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(took) < 5


def test_slow_it_costs_a_page_little(engine: str, places: list[Server], tmp_path: Path) -> None:
    behind = ENGINES[engine].behind
    assert behind is not None
    proxies = [Proxy(port) for port in ports(engine)]
    cache = behind(tmp_path, [proxy.port for proxy in proxies])
    cache.put("a", b"x", 60)
    for proxy in proxies:
        proxy.delay = 2.0
    assert a_page(cache) < 3
    for proxy in proxies:
        proxy.delay = 0.0
    assert used_again(cache)
    assert cache.get("a") in (b"x", None), "and no answer is taken for another's"
    for n in range(50):
        cache.put(f"key {n}", f"{n}".encode(), 60)
        assert cache.get(f"key {n}") in (f"{n}".encode(), None)
    for proxy in proxies:
        proxy.close()


@pytest.mark.usefixtures("heard")
@pytest.mark.able("password")
def test_a_wrong_password_is_told_and_not_raised(engine: str, places: list[Server], tmp_path: Path) -> None:
    from bowerbird.adapters.cache.redis import RedisCache

    where = need(engine).partition("//")[2]
    owner = RedisCache(need(engine))
    owner._redis.execute_command("ACL", "SETUSER", "ada", "on", ">right/word", "~*", "+@all")
    with capture_logs() as logs:
        wrong = RedisCache(f"redis://ada:guess@{where}?prefix={namespace(tmp_path)}")
        assert a_page(wrong) < 3
        assert wrong.get("a") is None
        with pytest.raises(Unavailable, match="password") as refused:
            wrong.ping()
        with pytest.raises(Unavailable, match=r"password.*BOWERBIRD_CACHE"):
            DOCTOR["cache"](Settings(cache=f"redis://ada:guess@{where}"))
    assert [each["event"] for each in logs] == ["cache away"] * 2, "once by each that asks"
    assert "guess" not in str(refused.value) + str(logs)
    right = RedisCache(f"redis://ada:right%2Fword@{where}?prefix={namespace(tmp_path)}")
    right.put("a", b"x", 60)
    assert right.get("a") == b"x"


def test_over_tls_it_is_believed_only_with_its_certificate(engine: str, places: list[Server], tmp_path: Path) -> None:
    tls, key, ca = ENGINES[engine].tls, tmp_path / "key.pem", tmp_path / "ca.pem"
    assert tls is not None
    if shutil.which("openssl") is None:
        engine_missing("openssl")
    name = ["-subj", "/CN=cache", "-addext", "subjectAltName=IP:127.0.0.1"]
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *name]
    subprocess.run([*words, "-keyout", str(key), "-out", str(ca)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)
    proxies = [Proxy(port, tls=context) for port in ports(engine)]
    cache = tls(tmp_path, [proxy.port for proxy in proxies], ca)
    cache.ping()
    cache.put("a", b"x", 60)
    assert cache.get("a") == b"x"
    with pytest.raises(Unavailable, match="certificate"):
        tls(tmp_path, [proxy.port for proxy in proxies], Path(ssl.get_default_verify_paths().openssl_cafile)).ping()
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:host",
        "redis://host:port/0",
        "redis://host:6379/name",
        "redis://host:6379/0?colour=blue",
        "redis://host:6379/0?timeout=long",
        "redis://:hush/word@host:6379/0",
        "redis://host:6379/0?ca=/etc/ca.pem",
        "memcached://",
        "memcached://host:port",
        "memcached://ada:hushword@host:11211",
        "memcached://host:11211/0",
        "memcached://host:11211?colour=blue",
    ],
)
def test_a_url_that_cannot_be_used_stops_the_start(url: str) -> None:
    with pytest.raises(BadSetting, match="BOWERBIRD_CACHE") as refused:
        wiring.cache(Settings(cache=url))
    assert "://host:" in str(refused.value), "it says how it is to be"
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(("url", "client"), [("redis://host:6379", "redis"), ("memcached://host", "pymemcache")])
def test_without_its_client_the_start_says_what_to_install(
    url: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = url.partition(":")[0]
    for module in [name for name in sys.modules if name.partition(".")[0] == client]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, f"bowerbird.adapters.cache.{extra}", raising=False)
    monkeypatch.setitem(sys.modules, client, None)
    with pytest.raises(BadSetting, match=rf"BOWERBIRD_CACHE.*pip install bowerbird\[{extra}\]"):
        wiring.cache(Settings(cache=url))


@pytest.mark.able("several")
def test_of_several_servers_one_away_takes_its_own_share_only(cache: Cache, places: list[Server], mended: None) -> None:
    keys = [f"key {n}" for n in range(200)]
    cache.put_many(dict.fromkeys(keys, b"x"), 60)
    places[0].stop()
    cache.get_many(keys)
    left = set(cache.get_many(keys))
    assert 40 < len(left) < 160, "shares are about equal"
    assert set(cache.get_many(keys)) == left, "what belongs to the other stays there"
    places[0].start()
    places[0].wait()
    ends = time.monotonic() + 8
    while len(cache.get_many(keys)) < len(keys) and time.monotonic() < ends:
        cache.put_many(dict.fromkeys(keys, b"y"), 60)
        time.sleep(0.1)
    assert cache.get_many(keys) == dict.fromkeys(keys, b"y")
