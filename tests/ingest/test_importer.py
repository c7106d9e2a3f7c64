from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path

import pytest

from bowerbird.catalog import boards, pins
from bowerbird.ingest import importer, pipeline
from tests.darkroom import pictures
from tests.darkroom.pictures import jpeg, noisy, saved
from tests.ingest.conftest import Place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "My photos"
    files = {
        "old-barn.jpg": jpeg(noisy(90, 60, 1)),
        "Trips/Italy_2020/IMG_0001.JPG": jpeg(noisy(90, 60, 2)),
        "Trips/Italy_2020/rome at night.png": saved(noisy(90, 60, 3), "PNG"),
        "Trips/Italy_2020/the same.jpg": jpeg(noisy(90, 60, 2)),
        "birds/wrong-name.txt.gif": pictures.heic(noisy(90, 60, 4)),
        "birds/broken.jpg": b"not at all a picture",
        "birds/empty.png": b"",
        "birds/notes.txt": b"passed over",
        "birds/.hidden.jpg": jpeg(noisy(90, 60, 5)),
        "empty/readme.md": b"no picture here",
    }
    for name, data in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (top / "loop").symlink_to(top, target_is_directory=True)
    return top


def test_sub_folders_become_boards(place: Place, folder: Path) -> None:
    steps: list[tuple[int, int]] = []
    done = importer.walk(place.engines, place.ada, folder, progress=lambda n, of: steps.append((n, of)))
    assert (done.created, done.known) == (4, 1)
    assert {str(path): why.split(".")[0] for path, why in done.refused} == {
        "birds/broken.jpg": "This is no picture that is known here",
        "birds/empty.png": "The file is empty",
    }
    assert "4 new pictures, 1 already there, 2 not taken" in done.summary()
    assert steps == [(n, 7) for n in range(8)]
    with place.engines.database.read() as conn:
        made = {board.name: board for board in boards.of_user(conn, place.ada, place.ada)}
        mine = pins.mine_unfinished(conn, place.ada)
        held = {pin.title: [board.name for board in boards.holding(conn, pin.id, place.ada)] for pin in mine}
    assert made.keys() == {"Trips / Italy 2020", "birds"}
    assert held == {
        "Old barn": [],
        "": ["Trips / Italy 2020"],
        "Rome at night": ["Trips / Italy 2020"],
        "Wrong name.txt": ["birds"],
    }


def test_a_second_import_adds_nothing(place: Place, folder: Path) -> None:
    importer.walk(place.engines, place.ada, folder)
    stored = place.stored()
    again = importer.walk(place.engines, place.ada, folder)
    assert (again.created, again.known) == (0, 5)
    assert place.stored() == stored
    with place.engines.database.read() as conn:
        assert pins.count(conn) == 4
        assert len(boards.of_user(conn, place.ada, place.ada)) == 2


def test_a_secret_import_is_all_secret(place: Place, folder: Path) -> None:
    with place.engines.database.write() as conn:
        boards.create(conn, place.ada, "birds")  # an open one of the same name is left alone
    for _ in range(2):
        importer.walk(place.engines, place.ada, folder, secret=True)
    with place.engines.database.read() as conn:
        assert all(pin.secret for pin in pins.mine_unfinished(conn, place.ada))
        assert pins.count(conn) == 4
        made = sorted((board.name, board.secret) for board in boards.of_user(conn, place.ada, place.ada))
    assert made == [("My photos", True), ("Trips / Italy 2020", True), ("birds", False), ("birds", True)]


def test_folders_that_cannot_be_read_are_told(place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs as root may read every folder, so the system's answer is made up."""
    scandir, is_file = os.scandir, Path.is_file

    def denied(path: str) -> PermissionError:
        return PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    def no_trips(path: str) -> object:
        if str(path).endswith("Trips"):
            raise denied(path)
        return scandir(path)

    def no_birds(path: Path) -> bool:
        if path.name == "wrong-name.txt.gif":
            raise denied(str(path))
        return is_file(path)

    monkeypatch.setattr(os, "scandir", no_trips)
    monkeypatch.setattr(Path, "is_file", no_birds)
    done = importer.walk(place.engines, place.ada, folder)
    assert done.created == 1
    told = {str(path): why for path, why in done.refused}
    assert told["Trips"] == told["birds/wrong-name.txt.gif"] == "Permission denied"


def test_what_the_pipeline_could_not_use_is_told_once(place: Place, tmp_path: Path) -> None:
    top = tmp_path / "pictures"
    top.mkdir()
    for name, data in {"a.jpg": jpeg(noisy(90, 60, 1)), "b.jpg": jpeg()[:400], "c.jpg": jpeg()[:400]}.items():
        (top / name).write_bytes(data)
    done = importer.walk(place.engines, place.ada, top)
    assert importer.failed(place.engines, done) == []
    for image_id in done.taken:
        pipeline.process(place.engines, place.room, image_id)
    [(path, why)] = importer.failed(place.engines, done)
    assert path == Path("b.jpg")
    assert why.startswith("decode: ")


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        ("IMG_1234", ""),
        ("DSC00012", ""),
        ("PXL_20230501", ""),
        ("20230501_123456", ""),
        ("IMG-20200101-WA0003", ""),
        ("00149032-3dd6-426e-9bc0-d53032536a42", ""),
        ("d41d8cd98f00b204e9800998ecf8427e", ""),
        ("red-barn_at  dusk", "Red barn at dusk"),
        ("café—at night", "Café—at night"),
        ("Tokyo 2019", "Tokyo 2019"),
    ],
)
def test_titles_from_names(stem: str, title: str) -> None:
    assert importer.title(stem) == title


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="other systems refuse such names")
def test_names_that_are_no_text(place: Place, tmp_path: Path) -> None:
    strange = os.path.join(os.fsencode(tmp_path), b"f\xff", b"caf\xe9 scene.jpg")  # noqa: PTH118
    os.makedirs(os.path.dirname(strange))  # noqa: PTH103, PTH120
    with open(strange, "wb") as file:  # noqa: PTH123
        file.write(jpeg())
    assert importer.walk(place.engines, place.ada, tmp_path).created == 1


def test_names_in_pieces_are_found_again(place: Place, tmp_path: Path) -> None:
    """As disks of Macs and archives hold them: the letter, then its accent. Control characters are no name."""
    top = tmp_path / "pictures"
    for number, name in enumerate([unicodedata.normalize("NFD", "Café à côté"), "\x01\x02"]):
        (top / name).mkdir(parents=True)
        (top / name / "a.jpg").write_bytes(jpeg(noisy(90, 60, number)))
    assert importer.walk(place.engines, place.ada, top).created == 2
    importer.walk(place.engines, place.ada, top)
    with place.engines.database.read() as conn:
        assert [board.name for board in boards.of_user(conn, place.ada, place.ada)] == ["Café à côté"]
