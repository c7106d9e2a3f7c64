"""What a power cut must not undo. A killed process cannot show it: the kernel keeps what it had written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bowerbird.adapters.blobs.folder import Folder
from bowerbird.adapters.database.sqlite import SqliteDatabase

FULL = 2


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_blob_is_synced_before_it_has_its_name_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Folder(tmp_path)
    done: list[tuple[str, str]] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path)
        done.append(("sync", "draft" if path.parts[:1] == ("~drafts",) else str(path)))
        fsync(handle)

    def recorded_replace(self: Path, target: Path) -> Path:
        result = replace(self, target)
        done.append(("name", str(target.relative_to(tmp_path))))
        return result

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    blobs.put("a/b/c", b"x")
    new_folders = [("sync", "."), ("sync", "a")]
    assert done == [("sync", "draft"), *new_folders, ("name", "a/b/c"), ("sync", "a/b")]
    done.clear()
    blobs.put("a/b/c", b"y")
    assert done == [("sync", "draft"), ("name", "a/b/c"), ("sync", "a/b")]


def test_drafts_of_killed_processes_are_cleared_away_later(tmp_path: Path) -> None:
    Folder(tmp_path)
    fresh, old = tmp_path / "~drafts" / "fresh", tmp_path / "~drafts" / "old"
    for draft in (fresh, old):
        draft.write_bytes(b"half of a pict")
    os.utime(old, (time.time() - 7200,) * 2)
    blobs = Folder(tmp_path)
    assert fresh.exists()
    assert not old.exists()
    assert list(blobs.keys()) == []


def test_the_catalog_syncs_every_commit(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "catalog.db")
    with database.write() as conn:
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == FULL
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()
