"""Learning to rank through the real command line: measured, adopted, not adopted again, and given up."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bowerbird import wiring
from bowerbird.cli.learn import What, folder_of, last_look
from bowerbird.events import archive
from bowerbird.feed import fusion, related
from bowerbird.feed.features import NAMES
from bowerbird.feed.fusion import Fusion
from bowerbird.feed.generations import generations, renewed
from bowerbird.feed.trees import Trees
from bowerbird.settings import Settings
from tests.cli.test_commands import bowerbird
from tests.feed.test_fusion import pages
from tests.feed.viewers import events, world

pytestmark = pytest.mark.usefixtures("trees")

LITE = {"BOWERBIRD_ENCODER": "efficientnet-lite0"}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a site on which much happened until some hours ago; half of it is archived."""
    folder = tmp_path_factory.mktemp("site") / "data"
    told = world(seed=1)
    engines = wiring.connect(Settings(data=folder, encoder="efficientnet-lite0"))
    every = list(events(told, later=time.time() - 3 * 3600 - told.at[-1]))
    half = len(every) // 2
    engines.events.append(every[:half])
    archive.run(engines)
    engines.events.append(every[half:])
    engines.close()
    return folder


@pytest.mark.slow
def test_measured_then_adopted_then_given_up(lived: Path) -> None:
    words, models = ("--data", str(lived)), folder_of(lived)
    measured = bowerbird("learn", "--dry-run", *words, **LITE)
    assert measured.returncode == 0, measured.stderr
    assert "as fixed weights rank feeds" in measured.stdout
    assert "It is surely better" in measured.stdout
    assert not models.exists()

    adopted = bowerbird("learn", *words, **LITE)
    assert "Version 1 is in use" in adopted.stdout, adopted.stderr
    about = json.loads((models / "1" / "about.json").read_text())
    assert about["names"] == list(NAMES)
    assert about["verdict"]["low"] > 0
    assert about["chances"][0] > about["chances"][8] > 0
    assert Trees.load(models / "1").version == "1"
    assert time.time() - last_look(lived) < 600

    again = bowerbird("learn", *words, **LITE)
    assert again.returncode == 0
    assert "as version 1 does" in again.stdout
    assert "not surely better" in again.stderr
    assert [path.name for path in generations(models)] == ["1"]
    assert "not surely better" in json.loads((models / "told.json").read_text())["told"]

    # One that nobody can use is as good as none.
    (models / "1" / "trees.npz").write_bytes(b"half a file")
    mended = bowerbird("learn", *words, **LITE)
    assert "cannot be read" in mended.stderr
    assert "as fixed weights rank feeds" in mended.stdout
    assert "Version 2 is in use" in mended.stdout

    back = bowerbird("learn", "--rollback", *words, **LITE)
    assert "Version 2 is given up. Version 1 is in use again." in back.stdout
    assert [path.name for path in generations(models)] == ["1"]


def test_a_site_on_which_little_happened_is_told_so(tmp_path: Path) -> None:
    done = bowerbird("learn", "--data", str(tmp_path / "data"), **LITE)
    assert done.returncode == 2
    assert "There is too little to learn from: 0 pins" in done.stderr
    assert last_look(tmp_path / "data") > 0
    nothing = bowerbird("learn", "--rollback", "--data", str(tmp_path / "data"), **LITE)
    assert nothing.returncode == 2
    assert "there is nothing to give up" in nothing.stderr


@pytest.mark.slow
def test_kinds_of_related_pins_are_weighed_and_given_up_apart_from_feeds(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    given = pages().lesson
    engines = wiring.connect(Settings(data=folder, encoder="efficientnet-lite0"))
    later = time.time() - 3 * 3600 - given.at[-1]
    engines.events.append(list(events(given, later, "related", related.COLUMNS)))
    engines.close()
    words, weighed = ("--data", str(folder)), folder_of(folder, What.RELATED)

    both = bowerbird("learn", *words, **LITE)
    assert both.returncode == 0, both.stderr
    assert "There is too little to learn from: 0 pins that people saved, opened or hid on their feeds" in both.stderr
    assert "as fixed weights fuse related pins" in both.stdout
    assert "Version 1 is in use. `bowerbird learn related --rollback` gives it up." in both.stdout
    assert Fusion.load(weighed / "1").weights == fusion.learn(given).model.weights

    again = bowerbird("learn", "related", *words, **LITE)
    assert "as version 1 does" in again.stdout
    assert "not surely better" in again.stderr
    assert [path.name for path in generations(weighed)] == ["1"]

    renewed(folder_of(folder), lambda path: path.mkdir())
    which = bowerbird("learn", "--rollback", *words, **LITE)
    assert which.returncode == 2
    assert "Say which is to be given up: `bowerbird learn feed --rollback` or" in which.stderr
    back = bowerbird("learn", "related", "--rollback", *words, **LITE)
    assert "Version 1 is given up. Fixed weights fuse related pins." in back.stdout
    assert generations(weighed) == []
