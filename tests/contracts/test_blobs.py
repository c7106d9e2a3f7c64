"""What every blob store keeps: a blob is there whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bowerbird.adapters.blobs.folder import Folder
from bowerbird.ports import Blobs, Missing, Unavailable
from tests.contracts.faults import SmallDisk, Tell, killed, together


class Kind(NamedTuple):
    open: Callable[[Path], Blobs]
    disk: bool
    """It keeps its blobs on a disk of ours."""
    nests: bool
    """A key may go on where another one ends (`a` beside `a/b`)."""


ENGINES = {
    "folder": Kind(lambda folder: Folder(folder / "blobs"), disk=True, nests=False),
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def blobs(engine: str, tmp_path: Path) -> Blobs:
    return ENGINES[engine].open(tmp_path)


def test_what_is_put_is_got(blobs: Blobs) -> None:
    data = {
        "originals/ab/cd/abcd": os.urandom(3_000_000),
        "236x/00/11/22/name.webp": bytes(range(256)),
        "empty": b"",
        "...": b"dots",
        "a-b_c.d": b"every mark",
        "a/" * 20 + "deep": b"deep",
    }
    for key, value in data.items():
        assert not blobs.exists(key)
        blobs.put(key, value)
    for key, value in data.items():
        assert blobs.get(key) == value
        assert blobs.exists(key)
    assert sorted(blobs.keys()) == sorted(data)


def test_what_is_not_there(blobs: Blobs) -> None:
    blobs.put("a/b/c", b"x")
    for key in ("absent", "a", "a/b", "a/b/c/d", "a/x"):
        with pytest.raises(Missing):
            blobs.get(key)
        assert not blobs.exists(key)
    blobs.delete(["absent", "a", "a/b", "a/b/c/d"])
    assert blobs.get("a/b/c") == b"x"


def test_a_second_put_replaces_the_first(blobs: Blobs) -> None:
    blobs.put("key", b"a long first value")
    blobs.put("key", b"short")
    assert blobs.get("key") == b"short"


def test_deleted_is_gone(blobs: Blobs) -> None:
    for key in ("a/1", "a/2", "b"):
        blobs.put(key, b"x")
    blobs.delete(key for key in ("a/1", "b", "absent"))
    assert list(blobs.keys()) == ["a/2"]
    blobs.put("a/1", b"again")
    assert blobs.get("a/1") == b"again"


def test_keys_by_prefix(blobs: Blobs) -> None:
    keys = ["originals/aa/1", "originals/ab/2", "originals/b", "236x/aa/3", "originalsx"]
    for key in keys:
        blobs.put(key, b"x")
    for prefix in (
        "",
        "o",
        "originals",
        "originals/",
        "originals/a",
        "originals/aa/",
        "originals/b",
        "236x/aa/3",
        "none/x",
    ):
        assert sorted(blobs.keys(prefix)) == sorted(key for key in keys if key.startswith(prefix)), prefix


BAD = ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "a/./b", "a//b", "a/", "A", "ü", "a b", "a\0b",
       "a\n", "a\\b", "~drafts/x", "a:b", "%2e%2e/x", "x" * 2000, "\ud800", "．．/x"]  # fmt: skip


@pytest.mark.parametrize("key", BAD)
def test_a_bad_key_is_refused(blobs: Blobs, key: str) -> None:
    blobs.put("good", b"x")
    for call in (
        lambda: blobs.put(key, b"x"),
        lambda: blobs.get(key),
        lambda: blobs.exists(key),
        lambda: blobs.delete(["good", key]),
    ):
        with pytest.raises(ValueError):
            call()
    assert list(blobs.keys()) == ["good"]


@pytest.mark.parametrize("prefix", ["../", "/", "a/../../", "/etc/", "~drafts/"])
def test_a_prefix_leads_nowhere_else(blobs: Blobs, prefix: str) -> None:
    with pytest.raises(ValueError):
        list(blobs.keys(prefix))


def test_a_key_that_goes_on_where_another_ends(engine: str, blobs: Blobs) -> None:
    if ENGINES[engine].nests:
        pytest.skip("it can hold both")
    blobs.put("a/b", b"x")
    for key in ("a", "a/b/c"):
        with pytest.raises(ValueError, match="go on"):
            blobs.put(key, b"y")
    assert list(blobs.keys()) == ["a/b"]


def test_everything_is_there_after_a_restart(engine: str, tmp_path: Path) -> None:
    ENGINES[engine].open(tmp_path).put("a/b", b"x")
    assert ENGINES[engine].open(tmp_path).get("a/b") == b"x"


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
    if not ENGINES[engine].disk:
        pytest.skip("it keeps nothing on a disk of ours")
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
