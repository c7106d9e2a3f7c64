"""A disk that is full is told as what it is: trying again in a moment would not help."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bowerbird.adapters.blobs import folder
from bowerbird.adapters.sqlite_file import File
from bowerbird.darkroom.process import Darkroom
from bowerbird.ports import Full, Unavailable
from bowerbird.web import errors
from tests.web.conftest import Place, picture


def fill(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def full(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(folder, "_write", full)


@pytest.mark.parametrize(("code", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)])
def test_no_room_for_a_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, full: bool) -> None:
    blobs = folder.Folder(tmp_path)
    fill(monkeypatch, code)
    with pytest.raises(Unavailable) as caught:
        blobs.put("key", b"data")
    assert isinstance(caught.value, Full) == full


def test_no_room_for_a_row(tmp_path: Path) -> None:
    file = File(tmp_path / "test.db", "CREATE TABLE t (n)")
    file._writer.execute("PRAGMA max_page_count = 2")
    with pytest.raises(Full, match="free some space"):
        file.write(lambda db: db.execute("INSERT INTO t VALUES (zeroblob(100000))"))
    file.close()


def test_who_uploads_is_told(tmp_path: Path, room: Darkroom, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path / "data", room)
    with place.client:
        ada = place.person("ada")
        fill(monkeypatch, errno.ENOSPC)
        answer = ada.upload(picture(1))
        told = {"code": "insufficient_storage", "message": errors.FULL}
        assert (answer.status_code, answer.json()["error"]) == (507, told)
        assert "Retry-After" not in answer.headers
        monkeypatch.undo()
        assert ada.upload(picture(1)).status_code in (201, 202)
    place.engines.close()
