"""Fetching what a stranger typed, from a real server that behaves badly on demand."""

from __future__ import annotations

import gzip
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bowerbird.ingest.fetch import Limits, addresses_of, fetch, is_public
from bowerbird.ingest.upload import Refused

PICTURE = bytes(range(256)) * 400


class Handler(BaseHTTPRequestHandler):
    """Each method is a path."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str]]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        type(self).seen.append((self.headers["Host"], self.path))
        try:
            getattr(self, parts.path.strip("/"))({k: v[0] for k, v in parse_qs(parts.query).items()})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def picture(self, query: dict[str, str]) -> None:
        self.answer(PICTURE, Content_Type="image/png")

    def missing(self, query: dict[str, str]) -> None:
        self.answer(b"nothing here", 404)

    def what_was_asked(self, query: dict[str, str]) -> None:
        self.answer(str(self.headers).encode())

    def moved(self, query: dict[str, str]) -> None:
        self.answer(b"x" * 100, int(query.get("status", "302")), Location=query["to"])

    def hop(self, query: dict[str, str]) -> None:
        left = int(query["n"])
        self.answer(b"", 302, Location=f"hop?n={left - 1}" if left > 1 else "/picture")

    def around(self, query: dict[str, str]) -> None:
        self.answer(b"", 302, Location="/around")

    def drip(self, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.drop(b"x")

    def drip_headers(self, query: dict[str, str]) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        self.drop(b"y")

    def drop(self, byte: bytes) -> None:
        for _ in range(100):
            self.wfile.write(byte)
            self.wfile.flush()
            time.sleep(0.05)

    def silence(self, query: dict[str, str]) -> None:
        time.sleep(3)

    def endless(self, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    def until_closed(self, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(PICTURE)

    def announced(self, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "9" * 15)
        self.end_headers()
        time.sleep(3)

    def bomb(self, query: dict[str, str]) -> None:
        self.answer(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")

    def huge_headers(self, query: dict[str, str]) -> None:
        self.send_response(200)
        for n in range(100):
            self.send_header(f"X-{n}", "x" * 60_000)
        self.end_headers()

    def cut_off(self, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 10)
        self.close_connection = True

    def no_http(self, query: dict[str, str]) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def serve(context: ssl.SSLContext | None = None) -> tuple[ThreadingHTTPServer, type[Handler]]:
    handler = type("Recording", (Handler,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server, handler


class Site:
    def __init__(self, server: ThreadingHTTPServer, handler: type[Handler]) -> None:
        self.port = server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.seen = handler.seen


@pytest.fixture
def site() -> Iterator[Site]:
    server, handler = serve()
    yield Site(server, handler)
    server.shutdown()
    server.server_close()


INSIDE = Limits(seconds=5, max_bytes=1_000_000, private=True)


def known_as(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda host, port: list(addresses)


def test_a_picture_comes_whole(site: Site) -> None:
    assert fetch(f"{site.url}/picture", INSIDE) == PICTURE
    assert fetch(f"{site.url}/until_closed", INSIDE) == PICTURE


def test_what_is_asked(site: Site) -> None:
    asked = fetch(f"http://pictures.test:{site.port}/what_was_asked#part", INSIDE, known_as("127.0.0.1")).decode()
    assert f"Host: pictures.test:{site.port}" in asked
    assert "Accept-Encoding: identity" in asked
    assert "Cookie" not in asked


def test_redirects_are_followed_up_to_a_limit(site: Site) -> None:
    assert fetch(f"{site.url}/hop?n=5", INSIDE) == PICTURE
    for status in (301, 302, 303, 307, 308):
        assert fetch(f"{site.url}/moved?status={status}&to=picture", INSIDE) == PICTURE
    with pytest.raises(Refused, match="more than 5"):
        fetch(f"{site.url}/hop?n=6", INSIDE)
    site.seen.clear()
    with pytest.raises(Refused, match="more than 5"):
        fetch(f"{site.url}/around", INSIDE)
    assert len(site.seen) == 6


PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:7f00:1::1", "2002:808:808::1",
    "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_no_such_address_is_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Refused, match="public internet"):
        fetch("http://pictures.test/a.png", Limits(), known_as(address))
    with pytest.raises(Refused, match="public internet"):
        fetch("http://pictures.test/a.png", Limits(), known_as("8.8.8.8", address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"])
def test_such_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]",
     "①②⑦.⓪.⓪.①", "LOCALHOST", "127.0.0.1."],
)  # fmt: skip
def test_no_way_of_writing_it_reaches_this_machine(host: str) -> None:
    with pytest.raises(Refused, match=r"public internet|could not be found|no web address"):
        fetch(f"http://{host}/picture")


def test_a_name_that_changes_its_address_is_looked_up_only_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is checked, the inner server when it is connected to."""
    monkeypatch.setattr("bowerbird.ingest.fetch.is_public", lambda address: address == "127.0.0.9")
    monkeypatch.setattr("bowerbird.ingest.fetch.PORTS", (80, site.port))
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.9"] if len(asked) == 1 else ["127.0.0.1"]

    with pytest.raises(Refused, match="could not be fetched from"):
        fetch(f"http://pictures.test:{site.port}/picture", Limits(), rebinding)
    assert asked == ["pictures.test"]
    assert site.seen == []


def test_the_connection_goes_to_the_address_that_was_checked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this machine passing for public, a name that nobody else knows is reached through the one answer given."""
    monkeypatch.setattr("bowerbird.ingest.fetch.is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr("bowerbird.ingest.fetch.PORTS", (80, site.port))
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    assert fetch(f"http://pictures.test:{site.port}/picture", Limits(), lambda *_: next(answers)) == PICTURE
    with pytest.raises(Refused, match="public internet"):
        fetch(f"http://pictures.test:{site.port}/picture", Limits(), lambda *_: next(answers))
    assert len(site.seen) == 1


@pytest.mark.parametrize("to", ["http://inside.test/", "//inside.test/x", "https://inside.test/"])
def test_a_redirect_inside_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    monkeypatch.setattr("bowerbird.ingest.fetch.is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr("bowerbird.ingest.fetch.PORTS", (80, 443, site.port))
    names = {"outside.test": ["127.0.0.1"], "inside.test": ["169.254.169.254"]}
    with pytest.raises(Refused, match=r"inside\.test is not on the public internet"):
        fetch(f"http://outside.test:{site.port}/moved?to={to}", Limits(), lambda host, port: names[host])
    assert len(site.seen) == 1


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "ftp://pictures.test/", "gopher://x/", "http://a:b@c/", "http://"]
)
def test_a_redirect_to_what_is_no_address_is_refused(site: Site, to: str) -> None:
    with pytest.raises(Refused):
        fetch(f"{site.url}/moved?to={to}", INSIDE)


BAD_URLS = [
    "", "picture.png", "/picture.png", "file:///etc/passwd", "ftp://pictures.test/a", "data:image/png;base64,AA",
    "javascript:1", "http://", "http:///a", "https://user:password@pictures.test/", "https://user@pictures.test/",
    "http://pictures.test:99999/", "http://pictures.test:x/", "http://[::1/", "http://a b/", "http://\0/",
    "http://pictures.test/" + "x" * 3000, "http://\ud800/", "http://pictures.test/\r\nX-Injected: 1",
    "http://pictures.test\\@127.0.0.1/",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_what_is_no_address_is_refused_before_anyone_is_asked(url: str) -> None:
    asked: list[str] = []
    with pytest.raises(Refused):
        fetch(url, Limits(), lambda host, port: asked.append(host) or ["8.8.8.8"])  # type: ignore[func-returns-value]
    assert not asked


@pytest.mark.parametrize("port", [22, 25, 6379, 8080])
def test_only_the_ports_of_the_web_are_asked(port: int) -> None:
    with pytest.raises(Refused, match=f"not {port}"):
        fetch(f"http://pictures.test:{port}/", Limits(), known_as("8.8.8.8"))


@pytest.mark.parametrize("path", ["drip", "drip_headers", "silence"])
def test_a_slow_server_is_left_in_time(site: Site, path: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Refused, match="longer than"):
        fetch(f"{site.url}/{path}", Limits(seconds=0.4, private=True))
    assert time.monotonic() - begun < 4


def test_a_slow_name_server_is_left_in_time() -> None:
    def slow(host: str, port: int) -> list[str]:
        time.sleep(3)
        return ["127.0.0.1"]

    begun = time.monotonic()
    with pytest.raises(Refused, match="longer than"):
        fetch("http://pictures.test/", Limits(seconds=0.3), slow)
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("path", ["endless", "announced"])
def test_too_much_is_refused_without_taking_it(site: Site, path: str) -> None:
    with pytest.raises(Refused, match="too large"):
        fetch(f"{site.url}/{path}", Limits(seconds=2, max_bytes=500_000, private=True))


def test_just_as_much_as_allowed_is_taken(site: Site) -> None:
    size = len(PICTURE)
    assert fetch(f"{site.url}/picture", Limits(max_bytes=size, private=True)) == PICTURE
    for path in ("picture", "until_closed"):
        with pytest.raises(Refused, match="too large"):
            fetch(f"{site.url}/{path}", Limits(max_bytes=size - 1, private=True))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing", "status 404"),
        ("bomb", "compressed"),
        ("huge_headers", "could not be fetched from"),
        ("cut_off", "could not be fetched from"),
        ("no_http", "could not be fetched from"),
    ],
)
def test_a_bad_answer_is_told(site: Site, path: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        fetch(f"{site.url}/{path}", INSIDE)


def test_nobody_there(site: Site) -> None:
    with pytest.raises(Refused, match="could not be fetched from"):
        fetch("http://127.0.0.1:1/", INSIDE)
    with pytest.raises(Refused, match="could not be found"):
        fetch("http://nobody.invalid/", INSIDE)
    with pytest.raises(Refused, match="could not be found"):
        fetch("http://pictures.test/", INSIDE, known_as())
    # Where one address of several is dead the next is tried.
    url = f"http://pictures.test:{site.port}/picture"
    assert fetch(url, INSIDE, known_as("127.0.0.9", "127.0.0.1")) == PICTURE


def test_the_certificate_is_checked_against_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"]
    make += [str(key), "-out", str(certificate), "-subj", "/CN=x", "-addext", "subjectAltName=DNS:pictures.test"]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server, handler = serve(context)
    try:
        port = server.server_port
        with pytest.raises(Refused, match=r"(?i)certificate"):
            fetch(f"https://pictures.test:{port}/picture", INSIDE, known_as("127.0.0.1"))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(f"https://pictures.test:{port}/picture", INSIDE, known_as("127.0.0.1")) == PICTURE
        with pytest.raises(Refused, match=r"(?i)certificate"):
            fetch(f"https://another.test:{port}/picture", INSIDE, known_as("127.0.0.1"))
        assert names[-2:] == ["pictures.test", "another.test"]
        assert len(handler.seen) == 1
    finally:
        server.shutdown()
        server.server_close()


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(), st.text().map("http://".__add__), st.from_regex(r"https?://[^/]*(:\d+)?(/.*)?")))
@example("http://127.0.0.9:99999/")
@example("http://127.0.0.9:0/")
def test_whatever_is_typed_is_refused_in_words(url: str) -> None:
    with pytest.raises(Refused) as refused:
        fetch(url, INSIDE, known_as("127.0.0.9"))  # where nobody listens
    assert str(refused.value)


def test_names_are_resolved_to_addresses() -> None:
    assert set(addresses_of("localhost", 80)) <= {"127.0.0.1", "::1"}
