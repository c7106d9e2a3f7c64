"""`bowerbird train` through the real command line: adopted, refused, given up, killed half way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from bowerbird import wiring
from bowerbird.catalog import boards, images, pins, tables, users
from bowerbird.demo.paint import gallery, paint
from bowerbird.ports import Engines, Floats
from bowerbird.settings import Settings
from tests.cli.test_commands import bowerbird
from tests.contracts.vectors import eventually

LITE = "efficientnet-lite0"
EXACT_BELOW = 4000
"""With more pictures than that, a version takes a while to be made."""


def opened(folder: Path) -> Engines:
    return wiring.connect(Settings(data=folder, encoder=LITE, exact_below=EXACT_BELOW))


def train(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"BOWERBIRD_ENCODER": LITE, "BOWERBIRD_EXACT_BELOW": str(EXACT_BELOW)}
    return bowerbird("train", *words, "--data", str(folder), **environ)


def drawn(boards_of: int, each: int, more: int, dim: int) -> tuple[Floats, list[int]]:
    """Pictures of boards that differ in some of their numbers, which louder ones drown, and others on none; boards."""
    dice = np.random.default_rng(4)
    on = np.repeat(np.arange(boards_of), each)
    quiet = dice.standard_normal((boards_of, 40))[on] + 0.5 * dice.standard_normal((len(on), 40))
    quiet = np.concatenate([quiet, dice.standard_normal((more, 40))])
    rows = np.concatenate([quiet, 3 * dice.standard_normal((len(quiet), dim - 40))], axis=1).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), on.tolist()


def furnish(engines: Engines, vectors: Floats, on: list[int]) -> None:
    """The first of these pictures on boards of these numbers, the others on none."""
    with engines.database.write() as conn:
        ada = users.create(conn, "ada", "no hash").id
        made = {number: boards.create(conn, ada, f"Board {number}").id for number in set(on)}
        for n, number in enumerate(on):
            image, _ = images.accept(conn, f"{n:064x}", 1)
            pins.create(conn, ada, image.id, board_id=made[number])
            images.ready(conn, image.id, [])
        rest = [
            {
                "sha256": f"{n:064x}",
                "media": f"media{n}",
                "state": "ready",
                "bytes": 1,
                "created_at": 0,
                "touched_at": 0,
            }
            for n in range(len(on), len(vectors))
        ]
        if rest:
            conn.execute(sa.insert(tables.images), rest)
        ids = images.ready_ids(conn)
    engines.looks.add(ids, vectors)
    engines.looks.settle()


@pytest.mark.slow
def test_boards_of_colours_teach_an_encoder_that_looks_at_patterns(tmp_path: Path) -> None:
    """From folders of pictures to another order of what is alike, and back."""
    folder, data = tmp_path / "pictures", tmp_path / "data"
    palettes = sorted({painting.palette.name for painting in gallery()})[:14]
    styles = sorted({painting.style for painting in gallery()})[:10]

    def bring(named: list[str]) -> None:
        for painting in gallery():
            if painting.palette.name in named and painting.style in styles:
                path = folder / painting.palette.name / f"{painting.style}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(paint(painting, width=160))
        done = bowerbird("import", str(folder), "--data", str(data), BOWERBIRD_ENCODER=LITE)
        assert done.returncode == 0, done.stderr

    bring(palettes[:3])
    early = train(data)
    assert early.returncode == 2
    assert "3 open boards" in early.stderr

    bring(palettes)
    engines = opened(data)
    with engines.database.read() as conn:
        images_of, boards_of = boards.pictured(conn)
    assert len(images_of) == 140
    board = dict(zip(images_of.tolist(), boards_of.tolist(), strict=True))

    def together() -> float:
        """The share of each picture's nearest nine that are on its board."""
        nearest = engines.looks.search(engines.looks.get(images_of), 10).ids
        return float(np.mean([[board[one] == board[row[0]] for one in row[1:]] for row in nearest.tolist()]))

    plain = together()
    tried = train(data, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "gain on boards never seen" in tried.stdout
    assert together() == plain

    done = train(data)
    assert done.returncode == 0, done.stderr
    assert "Version 1 is in use" in done.stdout
    assert together() > plain + 0.1

    left = train(data, "--rollback")
    assert "Version 1 is given up" in left.stdout
    assert together() == plain
    assert train(data, "--rollback").returncode == 2
    engines.close()


@pytest.mark.slow
def test_boards_without_meaning_change_nothing(tmp_path: Path) -> None:
    engines = opened(tmp_path)
    vectors, on = drawn(8, 15, 0, engines.looks.dim)
    furnish(engines, vectors, np.random.default_rng(1).permutation(on).tolist())
    before = engines.looks.search(vectors[:5], 10)
    refused = train(tmp_path)
    assert refused.returncode == 0
    assert "nothing changes" in refused.stderr
    assert (engines.looks.search(vectors[:5], 10).ids == before.ids).all()
    assert train(tmp_path, "--rollback").returncode == 2
    engines.close()


@pytest.mark.slow
def test_killed_while_it_indexes_the_old_version_answers_and_the_next_one_works(tmp_path: Path) -> None:
    engines = opened(tmp_path)
    vectors, on = drawn(20, 15, 6000, engines.looks.dim)
    furnish(engines, vectors, on)
    engines.close()
    engines = opened(tmp_path)  # with the index that was just built, so that answers do not change by themselves
    asked = vectors[:4]
    plain = engines.looks.search(asked, 10).ids
    answers: list[tuple[int, ...]] = []
    stop, wrong = threading.Event(), []

    def search() -> None:
        while not stop.wait(0.002):
            try:
                answers.append(tuple(engines.looks.search(asked, 10).ids.ravel().tolist()))
            except Exception as error:
                wrong.append(error)
                return

    searching = threading.Thread(target=search)
    searching.start()
    try:
        kill_while_it_indexes(tmp_path)
        assert wiring.learnable(engines).version == 0
        assert (engines.looks.search(asked, 10).ids == plain).all()
        assert train(tmp_path, "--rollback").returncode == 2
        assert set(answers) == {tuple(plain.ravel().tolist())}

        answers.clear()
        done = train(tmp_path)
        assert "Version 1 is in use" in done.stdout, done.stderr
        learned = engines.looks.search(asked, 10).ids
        assert (learned != plain).any()
        eventually(lambda: answers[-1] == tuple(learned.ravel().tolist()))
    finally:
        stop.set()
        searching.join()
    assert not wrong
    before, after = (tuple(found.ravel().tolist()) for found in (plain, learned))
    switch = answers.index(after)
    assert switch > 0
    assert set(answers[:switch]) == {before}
    assert set(answers[switch:]) == {after}
    engines.close()


def kill_while_it_indexes(folder: Path) -> None:
    """Starts `bowerbird train` and kills it as soon as some of the next version is on disk."""
    environ = {**os.environ, "BOWERBIRD_ENCODER": LITE, "BOWERBIRD_EXACT_BELOW": str(EXACT_BELOW)}
    command = [sys.executable, "-m", "bowerbird", "train", "--data", str(folder)]
    child = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 120

    def begun() -> bool:
        return any(path.stat().st_size > 0 for path in folder.glob("vectors/looks-*-w1/0.rows"))

    while not begun():
        assert child.poll() is None, "it ended before it indexed anything"
        assert time.monotonic() < end
        time.sleep(0.001)
    child.kill()
    assert child.wait() < 0, "it was done before it was killed"
