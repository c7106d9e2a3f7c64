"""What `Blobs` do when many write at once or are killed, and when their server is away, slow, full or not believed."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import obstore
import pytest

from bowerbird.ports import Blobs, Unavailable
from bowerbird.settings import BadSetting
from tests import servers
from tests.contracts.faults import SmallDisk, Tell, killed, together
from tests.contracts.stores import ENGINES, Kind, blobs, opened
from tests.proxy import Proxy
from tests.servers import namespace

__all__ = ["blobs"]


def self_proving(n: int) -> bytes:
    """Data that proves that it is whole: its own hash, then 20 to 200 KB."""
    body = random.Random(n).randbytes(20_000 + n % 10 * 20_000)
    return hashlib.sha256(body).digest() + body


def is_whole(data: bytes) -> bool:
    return hashlib.sha256(data[32:]).digest() == data[:32]


def test_a_reader_never_sees_half_a_blob(blobs: Blobs) -> None:
    blobs.put("key", self_proving(0))
    stop = threading.Event()

    def write(first: int) -> None:
        for n in range(first, first + 40):
            blobs.put("key", self_proving(n))
            blobs.put(f"many/{n % 7}/{n}", self_proving(n))

    seen: list[bool] = []

    def read() -> None:
        while not stop.is_set():
            seen.append(is_whole(blobs.get("key")))
            seen.extend(is_whole(blobs.get(key)) for key in blobs.keys("many/3/"))

    writers = [threading.Thread(target=write, args=(n * 100,)) for n in range(4)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert len(seen) > 10
    assert all(seen)
    assert len(list(blobs.keys("many/"))) == 160


def _put_same(tell: Tell, engine: str, folder: Path, first: int) -> None:
    blobs = ENGINES[engine].open(folder)
    for n in range(40):
        blobs.put(f"same/{n}", self_proving(first + n))
        tell(is_whole(blobs.get(f"same/{(n * 7) % (n + 1)}")))


def test_processes_may_put_the_same_keys(engine: str, tmp_path: Path, blobs: Blobs) -> None:
    told = together(_put_same, [(engine, tmp_path, n * 1000) for n in range(3)])
    assert all(all(each) for each in told)
    assert len(list(blobs.keys())) == 40


def _put_for_ever(tell: Tell, engine: str, folder: Path) -> None:
    blobs = ENGINES[engine].open(folder)
    n = 0
    while True:
        blobs.put(f"a/{n % 50}/{n}", self_proving(n))
        tell(n)
        n += 1


def test_a_killed_writer_leaves_only_whole_blobs_and_all_it_was_promised(engine: str, tmp_path: Path) -> None:
    told = killed(_put_for_ever, engine, tmp_path, after=40)
    blobs = ENGINES[engine].open(tmp_path)
    found = list(blobs.keys())
    assert len(found) in (len(told), len(told) + 1)
    for n in told:
        assert blobs.get(f"a/{n % 50}/{n}") == self_proving(n)
    assert all(is_whole(blobs.get(key)) for key in found)


def test_a_full_disk_is_told_and_leaves_no_debris(engine: str, small_disk: SmallDisk) -> None:
    blobs = ENGINES[engine].open(small_disk.path)
    large = b"x" * 2_000_000
    blobs.put("small", self_proving(0))
    with pytest.raises(Unavailable, match=f"{small_disk.path}.*full"):
        blobs.put("large", large)
    with pytest.raises(Unavailable, match="full"):
        blobs.put("small", large)
    files = [each for each in small_disk.path.rglob("*") if each.is_file()]
    assert [each.stat().st_size for each in files] == [len(self_proving(0))], "something was left behind"
    assert blobs.get("small") == self_proving(0)
    assert not blobs.exists("large")
    blobs.put("small2", self_proving(1))
    small_disk.grow()
    blobs.put("large", large)
    assert blobs.get("large") == large


# From here on: what a server must survive.


@pytest.fixture
def place(engine: str) -> Kind:
    """The engine as a server."""
    return ENGINES[engine]


@pytest.fixture
def proxy(place: Kind, tmp_path: Path) -> Iterator[Proxy]:
    """Another way to the server, that may be slow, silent or gone."""
    endpoint = dict(parse_qsl(urlsplit(place.url(tmp_path)).query))["endpoint"]
    made = Proxy(urlsplit(endpoint).port or 0)
    yield made
    made.close()


def calls(blobs: Blobs) -> list[Callable[[], object]]:
    return [
        lambda: blobs.put("new", b"x"),
        lambda: blobs.get("old"),
        lambda: blobs.exists("old"),
        lambda: blobs.delete(["old"]),
        lambda: list(blobs.keys()),
    ]


def test_while_it_is_gone_every_call_says_so_at_once(place: Kind, proxy: Proxy, tmp_path: Path) -> None:
    blobs = opened(place.url(tmp_path, proxy.port))
    blobs.put("old", b"x")
    proxy.refuse()
    started = time.monotonic()
    for call in calls(blobs):
        with pytest.raises(Unavailable, match=f"127.0.0.1:{proxy.port}.*can be reached"):
            call()
    assert time.monotonic() - started < 10
    proxy.accept()
    assert blobs.get("old") == b"x"
    assert not blobs.exists("new")


def test_while_it_is_frozen_every_call_gives_up(place: Kind, proxy: Proxy, tmp_path: Path) -> None:
    blobs = opened(place.url(tmp_path, proxy.port, "&timeout=0.5"))
    blobs.put("old", b"x")
    proxy.silent = True
    for call in calls(blobs):
        started = time.monotonic()
        with pytest.raises(Unavailable, match="in time"):
            call()
        assert time.monotonic() - started < 5
    proxy.silent = False
    blobs.put("old", b"again")
    assert blobs.get("old") == b"again"


def test_a_frozen_server_holds_nobody_for_long(place: Kind, tmp_path: Path) -> None:
    blobs = place.open(tmp_path)
    blobs.put("old", b"x")
    server = servers.server(place.server)
    server.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="in time"):
            blobs.get("old")
        assert time.monotonic() - started < 8
    finally:
        server.thaw()
    assert blobs.get("old") == b"x"


def test_a_slow_server_is_waited_for(place: Kind, proxy: Proxy, tmp_path: Path) -> None:
    blobs = opened(place.url(tmp_path, proxy.port))
    proxy.delay = 2.0
    blobs.put("key", b"x" * 40_000)
    assert blobs.get("key") == b"x" * 40_000


def test_what_was_put_outlives_a_killed_server(place: Kind, tmp_path: Path) -> None:
    blobs = place.open(tmp_path)
    stop = threading.Event()
    kept: list[int] = []

    def write(first: int) -> None:
        n = first
        while not stop.is_set():
            try:
                blobs.put(f"many/{n}", self_proving(n))
            except Unavailable:
                time.sleep(0.1)
            else:
                kept.append(n)
                n += 4

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    server = servers.server(place.server)
    while len(kept) < 100:
        time.sleep(0.01)
    server.kill()
    before = len(kept)
    server.start()
    server.wait()
    while len(kept) < before + 20:
        time.sleep(0.01)
    stop.set()
    for writer in writers:
        writer.join()
    for n in kept:
        assert blobs.get(f"many/{n}") == self_proving(n)
    assert all(is_whole(blobs.get(key)) for key in blobs.keys("many/"))


@pytest.mark.parametrize("size", [3_000_000, 20_000_000])
def test_a_put_that_is_cut_short_changes_nothing(place: Kind, proxy: Proxy, tmp_path: Path, size: int) -> None:
    blobs = opened(place.url(tmp_path, proxy.port))
    blobs.put("old", b"as it was")
    proxy.delay = 0.05  # a piece of 64 KB: it takes seconds
    failed: list[Unavailable] = []

    def put(key: str) -> None:
        try:
            blobs.put(key, os.urandom(size))
        except Unavailable as error:
            failed.append(error)

    writers = [threading.Thread(target=put, args=(key,)) for key in ("old", "new")]
    for writer in writers:
        writer.start()
    time.sleep(0.7)
    proxy.refuse()
    for writer in writers:
        writer.join()
    assert len(failed) == 2
    proxy.delay = 0
    proxy.accept()
    assert blobs.get("old") == b"as it was"
    assert list(blobs.keys()) == ["old"]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"secret": "wrong-and-hidden"}, "refuses the key .SignatureDoesNotMatch"),
        ({"key": "stranger", "secret": "wrong-and-hidden"}, "refuses the key .InvalidAccessKeyId"),
        ({"bucket": "of-somebody-else"}, "'of-somebody-else'.*refuses the key .AccessDenied.*check .*the bucket"),
    ],
)
def test_a_wrong_key_or_bucket_is_told_at_the_start(
    place: Kind, tmp_path: Path, parts: dict[str, str], told: str
) -> None:
    with pytest.raises(BadSetting, match=f"BOWERBIRD_BLOBS cannot be used: .*{told}") as caught:
        opened(place.url(tmp_path, **parts))
    assert "hidden" not in str(caught.value)


def test_nothing_at_the_address_is_told_at_the_start(place: Kind, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"BOWERBIRD_BLOBS: .*127\.0\.0\.1:1: nothing can be reached"):
        opened(place.url(tmp_path, 1))
    assert time.monotonic() - started < 5


def test_what_was_damaged_is_not_given_out(place: Kind, tmp_path: Path) -> None:
    """As on a disk that forgets: the bytes are others than those that were put."""
    blobs = place.open(tmp_path)
    blobs.put("key", b"as it was put")
    store = blobs._store  # type: ignore[attr-defined]
    digest = obstore.get(store, "key").attributes["sha256"]
    obstore.put(store, "key", b"as it was pvt", attributes={"sha256": digest})
    with pytest.raises(Unavailable, match="key is damaged"):
        blobs.get("key")
    obstore.put(store, "key", b"from another program")
    assert blobs.get("key") == b"from another program"


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://key@bucket",
        "s3://key:hidden@bucket?endpoint=localhost:9000",
        "s3://key:hidden@bucket?endpont=http://localhost",
        "s3://key:hidden@bucket?timeout=soon",
        "s3://key:hidden@bucket?ca=/nowhere.pem",
        "gs://bucket?credentials=/nowhere.json",
        "gs://bucket?region=here",
        "az://account:hidden@",
        "az://account:not-base64-hidden@container",
    ],
)
def test_a_bad_url_is_told_by_its_setting(url: str) -> None:
    with pytest.raises(BadSetting, match="BOWERBIRD_BLOBS cannot be used: ") as caught:
        opened(url)
    assert "hidden" not in str(caught.value)


def amazon(folder: Path) -> tuple[Any, str, str]:
    """Amazon's S3 as moto has it: a client, the name of a bucket that is not there, and its URL."""
    import boto3

    endpoint, bucket = servers.need("moto_s3"), namespace(folder)
    login = {"aws_access_key_id": "any", "aws_secret_access_key": "thing", "region_name": "us-east-1"}
    url = f"s3://any:thing@{bucket}/site?endpoint={endpoint}"
    return boto3.client("s3", endpoint_url=endpoint, **login), bucket, url


def test_blobs_go_into_the_storage_class_that_was_named(tmp_path: Path) -> None:
    s3, bucket, url = amazon(tmp_path)
    with pytest.raises(BadSetting, match="there is no such bucket"):
        opened(url)
    s3.create_bucket(Bucket=bucket)
    for storage_class in ("STANDARD_IA", "INTELLIGENT_TIERING"):
        blobs = opened(f"{url}&storage_class={storage_class}")
        for name, size in (("small", 10), ("large", 12_000_000)):
            blobs.put(name, bytes(size))
            assert blobs.get(name) == bytes(size)
            assert s3.head_object(Bucket=bucket, Key=f"site/{name}")["StorageClass"] == storage_class


def test_a_bucket_that_was_deleted_is_no_missing_blob(tmp_path: Path) -> None:
    s3, bucket, url = amazon(tmp_path)
    s3.create_bucket(Bucket=bucket)
    blobs = opened(url)
    s3.delete_bucket(Bucket=bucket)
    for call in (lambda: blobs.get("key"), lambda: blobs.put("key", b"x"), lambda: list(blobs.keys())):
        with pytest.raises(Unavailable, match="there is no such bucket"):
            call()
