"""Are walks better that keep to a topic? Boards of the demo's gallery, of which some saves are held out.

    python -m bench.topics [--folder .cache/bench-replay] [--splits 6]

A quarter of the saves of each board of eight or more is held out of the graph; the rest of the board, 20 pins at most,
is the query, as *More ideas* asks. recall@25 is of the held-out saves, by the walk that the service takes. The bias and
the number of topics were chosen on every other board; the last two columns are of the boards that they were not chosen
on. Intervals are 95 % over boards, of the difference to a walk without a bias.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.replay_saves import difference, figure
from bench.replay_site import demo
from bowerbird import wiring
from bowerbird.catalog import boards, images, pins
from bowerbird.feed import topics
from bowerbird.feed.candidates.walk import NEAR_STEPS, POPULARITY
from bowerbird.feed.graph import SaveGraph
from bowerbird.feed.walk import BIAS, walk
from bowerbird.model import Look
from bowerbird.ports import Engines, Ints
from bowerbird.settings import Settings

LEAST, HELD, QUERY, K = 8, 0.25, 20, 25
BIASES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


class Saves(NamedTuple):
    """A row each."""

    pins: Ints
    boards: Ints
    images: Ints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".cache/bench-replay"))
    parser.add_argument("--splits", type=int, default=6)
    options = parser.parse_args()
    engines = wiring.connect(Settings(data=demo(options.folder)))
    with engines.database.read() as conn:
        saves = Saves(*boards.edges(conn))
    table = Table("topics", "bias", "recall@25", "less none", "recall@25, others", "less none")
    for name, about in kinds(engines, saves).items():
        found = np.stack([recalls(saves, about, seed) for seed in range(options.splits)]).mean(axis=0)
        tuned = np.arange(len(found)) % 2 == 0
        for column, bias in enumerate(BIASES):
            parts = ((found[part, column], found[part, 0]) for part in (tuned, ~tuned))
            cells = [cell for ours, none in parts for cell in (figure(ours), difference(ours, none))]
            table.add_row(name, f"{bias:.2f}{' *' if bias == BIAS and name == USED else ''}", *cells)
    Console(width=110).print(table)
    engines.close()


USED = "looks"


def kinds(engines: Engines, saves: Saves) -> dict[str, topics.Topics]:
    """Of each save's pin: topics as they are used, fewer, more, of chance, and the tag that the model is surest of."""
    found = {USED: topics.topics(engines.looks, saves.images)}
    fewest, most = topics.FEWEST, topics.MOST
    for count in (8, 16, 64):
        topics.FEWEST = topics.MOST = count
        found[f"looks, {count}"] = topics.topics(engines.looks, saves.images)
    topics.FEWEST, topics.MOST = fewest, most
    _, pin_at = np.unique(saves.pins, return_inverse=True)
    found["chance"] = np.random.default_rng(1).integers(0, 32, pin_at.max() + 1).astype(np.uint8)[pin_at]
    return found | {"tags": tagged(engines, saves)}


def tagged(engines: Engines, saves: Saves) -> topics.Topics:
    with engines.database.read() as conn:
        media = images.media_of(conn, set(pins.images_of(conn, set(saves.pins.tolist())).values()))
    looks = engines.metadata.get_many([f"look:{each}" for each in media.values()])
    numbers: dict[str, int] = {}
    of = {}
    for image, each in media.items():
        tags = msgspec.json.decode(looks[f"look:{each}"], type=Look).tags
        of[image] = numbers.setdefault(tags[0].name, len(numbers)) if tags else topics.NONE
    return np.array([of[image] for image in saves.images.tolist()], np.uint8)


def recalls(saves: Saves, about: topics.Topics, seed: int) -> Any:
    """(boards, biases)"""
    dice = np.random.default_rng(seed)
    asked = [rows for board in np.unique(saves.boards) if len(rows := np.flatnonzero(saves.boards == board)) >= LEAST]
    out = [dice.permutation(rows)[: max(2, int(HELD * len(rows)))] for rows in asked]
    kept = np.ones(len(saves.pins), bool)
    kept[np.concatenate(out)] = False
    found = []
    with tempfile.TemporaryDirectory() as name:
        SaveGraph.build(saves.pins[kept], saves.boards[kept], 0, Path(name) / "1", about[kept])
        graph = SaveGraph.open(Path(name) / "1")
        for rows, held in zip(asked, out, strict=True):
            on = saves.pins[rows[kept[rows]]]
            query = dict.fromkeys(dice.permutation(on)[:QUERY].tolist(), 1.0)
            found.append([recall(graph, query, set(on.tolist()), saves.pins[held], bias, seed) for bias in BIASES])
    return np.array(found)


def recall(graph: SaveGraph, query: dict[int, float], on: set[int], held: Ints, bias: float, seed: int) -> float:
    met = walk(graph, query, K + len(on), NEAR_STEPS, seed, popularity=POPULARITY, bias=bias)
    best = [pin for pin, _ in met if pin not in on][:K]
    return float(np.isin(held, best).mean())


if __name__ == "__main__":
    main()
