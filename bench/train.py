"""What boards teach: pictures found by their look before and after `bowerbird train`, on pictures that it never saw.

    python -m bench.train [--photos ../shared/photos] [--repeats 3] [--halves 10] [--shuffles 10]

Boards are the labels of the photos. Each fifth of the pictures is held out in turn, several times over; the whole of
`search.learn` (its choices and its verdict too) sees the others. A held-out picture then asks for its nearest ones:
among the held-out pictures, and among all. P@k is the share of its nearest k with its label, recall@10 that of the
ten, or of all there are if fewer. The peer is whitening without boards, of the same pictures, with the shrinkage that
does best where it is judged. Intervals are 95 % of the paired difference to the plain vectors, by a bootstrap over
pictures (over splits for boards never seen).
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pyvips
from rich.console import Console
from rich.table import Table

from bowerbird import wiring
from bowerbird.darkroom.framing import square
from bowerbird.ports import Projection
from bowerbird.search import learn
from bowerbird.settings import Settings

MEASURES = ("P@1", "P@10", "recall@10")
DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[2] / "shared" / "photos")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--halves", type=int, default=10)
    parser.add_argument("--shuffles", type=int, default=10)
    options = parser.parse_args()
    vectors, labels = encoded(options.photos)
    console = Console(width=130)
    console.print(f"{len(vectors)} pictures on {len(np.unique(labels))} boards")
    table = Table("asked among", "vectors", *(column for name in MEASURES for column in (name, "ratio")))
    seconds, told = held_out(table, vectors, labels, options.repeats)
    strange(table, vectors, labels, options.halves)
    console.print(table)
    console.print(
        f"learning took {np.median(seconds):.1f} s; adopted {sum(verdict.good for verdict in told)} of {len(told)} "
        f"times, with a gain in recall@10 of {np.mean([verdict.gain for verdict in told]):+.3f} by its own verdict"
    )
    wrong = [learned(vectors, shuffled)[1] for shuffled in shuffles(labels, options.shuffles)]
    console.print(
        f"boards shuffled: adopted {sum(verdict.good for verdict in wrong)} of {len(wrong)} times, gains "
        f"{min(verdict.gain for verdict in wrong):+.3f} to {max(verdict.gain for verdict in wrong):+.3f}"
    )
    if any(verdict.good for verdict in wrong):
        sys.exit("what means nothing was adopted")


def encoded(photos: Path) -> tuple[Any, Any]:
    """(n, dim) vectors as the pipeline makes them, and (n,) boards."""
    with (photos / "labels.csv").open(encoding="utf-8") as file:
        rows = [(photos / row["file"], row["label"]) for row in csv.DictReader(file)]
    with tempfile.TemporaryDirectory() as folder:
        encoder = wiring.encoder(Settings(data=Path(folder)))
        pixels = [square(pyvips.Image.new_from_file(str(path)).autorot(), encoder.size) for path, _ in rows]
        vectors = encoder.encode(np.stack(pixels)).vectors
    return vectors, np.unique([label for _, label in rows], return_inverse=True)[1].astype(np.int64)


def learned(vectors: Any, boards: Any) -> tuple[Projection, learn.Verdict]:
    numbers = np.unique(boards, return_inverse=True)[1].astype(np.int64)
    return learn.learn(learn.Lesson(vectors, np.arange(len(vectors)), numbers))


def whitened(vectors: Any, shrink: float) -> Projection:
    """What can be had from the same pictures without boards."""
    centre = vectors.mean(axis=0)
    scatter = np.cov((vectors - centre).T.astype(np.float64))
    scatter = (1 - shrink) * scatter + shrink * np.trace(scatter) / len(scatter) * np.eye(len(scatter))
    values, axes = np.linalg.eigh(scatter)
    return Projection(centre, ((axes / np.sqrt(values)) @ axes.T).astype(np.float32))


def found(vectors: Any, labels: Any, asking: Any) -> Any:
    """(asking, 3): `MEASURES` of each picture that asks, among all of these."""
    scores = vectors[asking] @ vectors.T
    scores[np.arange(len(asking)), asking] = -np.inf
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = labels[nearest] == labels[asking][:, None]
    possible = np.minimum(np.bincount(labels)[labels[asking]] - 1, 10)
    return np.stack([hits[:, 0], hits.mean(axis=1), hits.sum(axis=1) / np.maximum(possible, 1)], axis=1)


def projections(vectors: Any) -> Iterator[tuple[str, Projection | None]]:
    yield "as encoded", None
    for shrink in learn.SHRINK:
        yield f"whitened, no boards, {shrink}", whitened(vectors, shrink)


def held_out(table: Table, vectors: Any, labels: Any, repeats: int) -> tuple[list[float], list[learn.Verdict]]:
    """Rows for held-out pictures; how long each learning took, and its verdict."""
    results: dict[str, dict[str, Any]] = {name: defaultdict(lambda: np.zeros((len(vectors), 3))) for name in AMONG}
    seconds, told = [], []
    for repeat in range(repeats):
        fold_of = np.random.default_rng(repeat).permutation(len(vectors)) % 5
        for fold in range(5):
            held = np.flatnonzero(fold_of == fold)
            taught = np.flatnonzero(fold_of != fold)
            start = time.perf_counter()
            projection, verdict = learned(vectors[taught], labels[taught])
            seconds.append(time.perf_counter() - start)
            told.append(verdict)
            every = dict(projections(vectors[taught])) | {"through boards": projection}
            for name, each in every.items():
                moved = vectors if each is None else each.of(vectors)
                results[AMONG[0]][name][held] += found(moved[held], labels[held], np.arange(len(held))) / repeats
                results[AMONG[1]][name][held] += found(moved, labels, held) / repeats
    for among in AMONG:
        show(table, among, results[among])
    return seconds, told


AMONG = ("held-out pictures", "all pictures")


def strange(table: Table, vectors: Any, labels: Any, halves: int) -> None:
    """Rows for pictures of boards none of which was learned from: half the boards teach, the others are asked about."""
    results: dict[str, list[Any]] = defaultdict(list)
    for half in range(halves):
        order = np.random.default_rng(half).permutation(np.unique(labels))
        new = np.isin(labels, order[: len(order) // 2])
        projection, _ = learned(vectors[~new], labels[~new])
        every = dict(projections(vectors[~new])) | {"through boards": projection}
        for name, each in every.items():
            moved = vectors[new] if each is None else each.of(vectors[new])
            results[name].append(found(moved, labels[new], np.arange(int(new.sum()))).mean(axis=0))
    show(table, "boards never seen", {name: np.array(rows) for name, rows in results.items()})


def show(table: Table, among: str, results: dict[str, Any]) -> None:
    plain = results["as encoded"]
    whitenings = [name for name in results if name.startswith("whitened")]
    best = max(whitenings, key=lambda name: results[name][:, 1].mean())
    for name in ("as encoded", best, "through boards"):
        cells = []
        for column in range(len(MEASURES)):
            value, peer = results[name][:, column], plain[:, column]
            cells += [figure(value, peer), f"{value.mean() / peer.mean():.3f}"]
        table.add_row(among, name, *cells)


def figure(value: Any, peer: Any) -> str:
    if value is peer or not (value - peer).any():
        return f"{value.mean():.3f}"
    dice, gain = np.random.default_rng(0), value - peer
    means = [gain[dice.integers(0, len(gain), len(gain))].mean() for _ in range(DRAWS)]
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{value.mean():.3f} ({low:+.3f} to {high:+.3f})"


def shuffles(labels: Any, count: int) -> Iterator[Any]:
    for seed in range(count):
        yield np.random.default_rng(seed).permutation(labels)


if __name__ == "__main__":
    main()
