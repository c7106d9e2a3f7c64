"""Trees as arrays: they rank as the library does that learned them, and what is none is found out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bowerbird.feed import learn, trees
from bowerbird.feed.features import NAMES
from bowerbird.feed.generations import generations, give_up, renewed
from bowerbird.feed.trees import Nodes, Trees

pytestmark = pytest.mark.usefixtures("trees")

STUMP = Nodes(
    np.array([0], np.int32), np.array([2, -1, -1], np.int32), np.array([0.5, 1.0, 4.0]), np.array([1, 0, 0], np.int32)
)
"""Scores 4 where the third feature is over a half, else 1."""


def rows(*third: float) -> trees.Floats:
    found = np.zeros((len(third), len(NAMES)), np.float32)
    found[:, 2] = third
    return found


def test_they_score_as_the_library_does() -> None:
    dice = np.random.default_rng(0)
    features = dice.standard_normal((3000, len(NAMES))).astype(np.float16).astype(np.float32)
    target = features[:, 0] * features[:, 1] + np.abs(features[:, 2])
    told = {"num_leaves": 31, "use_missing": False, "num_threads": 1, "verbose": -1}
    import lightgbm

    booster = lightgbm.train(told, lightgbm.Dataset(features, target), 60)
    made = Trees(learn._nodes(booster))
    np.testing.assert_allclose(made.predict(features), booster.predict(features), rtol=1e-5, atol=1e-6)
    assert made.predict(features[:0]).shape == (0,)


def test_a_tree_of_one_leaf() -> None:
    import lightgbm

    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(np.zeros((50, len(NAMES))), np.full(50, 3.0)), 2)
    np.testing.assert_allclose(Trees(learn._nodes(booster)).predict(rows(0, 1)), [3, 3])


def test_kept_and_read_again(tmp_path: Path) -> None:
    Trees(STUMP).save(tmp_path / "7", verdict={"low": 0.5})
    again = Trees.load(tmp_path / "7")
    assert again.predict(rows(0.4, 0.5, 0.6)).tolist() == [1, 1, 4]
    assert again.version == "7"
    assert json.loads((tmp_path / "7" / "about.json").read_text())["verdict"] == {"low": 0.5}


def test_other_columns_are_refused(tmp_path: Path) -> None:
    Trees(STUMP).save(tmp_path / "1")
    with pytest.raises(ValueError, match="other columns"):
        Trees.load(tmp_path / "1", (*NAMES[1:], NAMES[0]))
    with pytest.raises(ValueError, match="columns are needed"):
        Trees(STUMP).predict(rows(1)[:, 1:])


@pytest.mark.parametrize("name", ["trees.npz", "about.json"])
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 half a file", b"{}", b"[]", b"null", b"\xff\xfe"])
def test_a_broken_file_is_found_out(tmp_path: Path, name: str, content: bytes | None) -> None:
    Trees(STUMP).save(tmp_path / "1")
    (tmp_path / "1" / name).unlink()
    if content is not None:
        (tmp_path / "1" / name).write_bytes(content)
    with pytest.raises(ValueError, match="cannot be read"):
        Trees.load(tmp_path / "1")


def test_a_torn_file_is_found_out(tmp_path: Path) -> None:
    Trees(STUMP).save(tmp_path / "1")
    file = tmp_path / "1" / "trees.npz"
    whole = file.read_bytes()
    for part in range(0, len(whole), 37):
        file.write_bytes(whole[:part])
        with pytest.raises(ValueError, match="cannot be read"):
            Trees.load(tmp_path / "1")


@pytest.mark.parametrize(
    "wrong",
    [
        STUMP._replace(child=np.array([0, 0, 0], np.int32)),  # round in a circle
        STUMP._replace(child=np.array([2, 0, 0], np.int32)),  # past the end
        STUMP._replace(child=np.array([-1, 0, 0], np.int32)),
        STUMP._replace(child=np.array([1], np.int32)),
        STUMP._replace(roots=np.array([3], np.int32)),
        STUMP._replace(roots=np.array([-1], np.int32)),
        STUMP._replace(roots=np.array([[0]], np.int32)),
        STUMP._replace(feature=np.array([len(NAMES), -1, -1], np.int32)),
        STUMP._replace(value=np.array([0.5, np.nan, 4])),
        STUMP._replace(value=np.array([0.5])),
        STUMP._replace(value=np.array(["a", "b", "c"])),
    ],
)
def test_what_is_no_tree_is_refused(wrong: Nodes) -> None:
    with pytest.raises(ValueError):
        Trees(wrong)


def test_a_number_given_up_is_not_used_again(tmp_path: Path) -> None:
    made = [renewed(tmp_path, Trees(STUMP).save).name for _ in range(3)]
    assert [path.name for path in give_up(tmp_path)] == [made[1]]
    assert generations(tmp_path)[-1].name == made[1]
    assert renewed(tmp_path, Trees(STUMP).save).name not in made
    give_up(tmp_path)
    assert give_up(tmp_path) == []
    with pytest.raises(ValueError, match="nothing learned"):
        give_up(tmp_path)


def test_ranking_does_not_load_what_learned(tmp_path: Path) -> None:
    Trees(STUMP).save(tmp_path / "1")
    code = (
        "import sys; sys.modules['lightgbm'] = None\n"
        "import bowerbird.web.app, numpy as np\n"
        "from pathlib import Path\n"
        "from bowerbird.feed.trees import Trees\n"
        f"print(Trees.load(Path({str(tmp_path / '1')!r})).predict(np.ones((1, {len(NAMES)}), np.float32)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[4.]", done.stderr
