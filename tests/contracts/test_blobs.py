"""What every blob store keeps: a blob is there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from bowerbird.ports import Blobs, Missing
from tests.contracts.stores import ENGINES, blobs

__all__ = ["blobs"]


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
    """Both are kept, or the second is refused and harms nothing."""
    blobs.put("a/b", b"x")
    nests = ENGINES[engine].nests
    for key in ("a", "a/b/c"):
        with contextlib.nullcontext() if nests else pytest.raises(ValueError, match="go on"):
            blobs.put(key, b"y")
    assert sorted(blobs.keys()) == (["a", "a/b", "a/b/c"] if nests else ["a/b"])
    assert blobs.get("a/b") == b"x"


def test_everything_is_there_after_a_restart(engine: str, tmp_path: Path) -> None:
    ENGINES[engine].open(tmp_path).put("a/b", b"x")
    assert ENGINES[engine].open(tmp_path).get("a/b") == b"x"
