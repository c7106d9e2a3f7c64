"""Ranking by what was learned: what a page pays for it, and what simulated people get of it.

    python -m bench.ranking [--worlds 5]

Time: 600 candidates by fixed weights, by our arrays, and by the library that learned them, one thread each, on one
model of the most trees that learning may make. Quality: people whose liking and whose eyes are known
(`tests/feed/viewers.py`) use feeds of an old ranking; other people's candidates are then put in order by what was
learned, and compared with what they truly like (NDCG). Beside what Bowerbird does: nothing learned, places left in,
inverse weights of the estimated chances (Joachims et al., WSDM 2017), and the limit, the true chances known.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from bowerbird.feed import learn, rank
from bowerbird.feed.lesson import Lesson
from bowerbird.feed.trees import Trees
from tests.feed.viewers import Old, looked_at, world

CANDIDATES, TIMES = 600, 500
SIZES = {"20 people, 10 days": (20, 10), "60 people, 10 days": (60, 10), "150 people, 14 days": (150, 14)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=5)
    console = Console(width=110)
    console.print(speed())
    console.print(quality(parser.parse_args().worlds))


def speed() -> Table:
    told = world(seed=0)
    given, features = told.lesson(), told.features[:CANDIDATES]
    booster = learn._chosen(given, learn.examined(given), max(learn.ROUNDS))
    model = Trees(learn._nodes(booster))
    np.testing.assert_allclose(model.predict(features), booster.predict(features), rtol=1e-4, atol=1e-5)
    ways: dict[str, Callable[[], object]] = {
        "fixed weights": lambda: rank.scores(features),
        "trees as arrays": lambda: rank.scores(features, model),
        "LightGBM's own predict": lambda: booster.predict(features, num_threads=1),
    }
    table = Table(f"{CANDIDATES} candidates, {max(learn.ROUNDS)} trees", "p50 ms", "p99 ms", "of LightGBM's")
    times = {name: [timed(way) for _ in range(TIMES)] for name, way in ways.items()}
    peer = float(np.median(times["LightGBM's own predict"]))
    for name, taken in times.items():
        half, most = np.quantile(taken, [0.5, 0.99]) * 1000
        table.add_row(name, f"{half:.3f}", f"{most:.3f}", f"{np.median(taken) / peer:.2f}")
    return table


def timed(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def quality(worlds: int) -> Table:
    table = Table("NDCG with what people like", *SIZES)
    others = world(seed=999, people=40, days=2)
    found: dict[str, list[str]] = {}
    acts, took = [], []
    for people, days in SIZES.values():
        scores: dict[str, list[float]] = {"as it was shown": [others.rightly(Old().predict(others.features))]}
        for seed in range(worlds):
            given = world(seed, people, days).lesson()
            acts.append(given.acts)
            start = time.perf_counter()
            ours = learn.fit(given, learn.examined(given))
            took.append(time.perf_counter() - start)
            for name, model in {"places taken off (Bowerbird)": ours, **peers(given)}.items():
                scores.setdefault(name, []).append(others.rightly(model.predict(others.features)))
        for name, each in scores.items():
            found.setdefault(name, []).append(f"{np.mean(each):.4f}")
    for name, cells in found.items():
        table.add_row(name, *cells)
    table.add_row("pins acted on", *(f"{np.mean(some):,.0f}" for some in np.split(np.array(acts), len(SIZES))))
    table.add_row("seconds to learn", *(f"{np.mean(some):.1f}" for some in np.split(np.array(took), len(SIZES))))
    return table


def peers(given: Lesson) -> dict[str, Trees]:
    deepest = int(given.depths.max())
    steps = learn.step(np.arange(deepest + 1))
    true = np.array(
        [looked_at(np.flatnonzero(steps == n)).mean() if (steps == n).any() else 1 for n in range(steps[-1] + 1)]
    )
    by = learn.weights(given, learn.examined(given))
    weighed = [learn._boosted(given, given.worth * by, n, learn.RATE, np.zeros_like) for n in learn.ROUNDS]
    return {
        "places left in": learn.fit(given, np.ones(len(true))),
        "inverse weights, best number of trees": best([Trees(learn._nodes(one)) for one in weighed]),
        "true chances (limit)": learn.fit(given, true),
    }


def best(models: list[Trees]) -> Trees:
    """By what is true, which only a simulation knows: in favour of the peer."""
    judge = world(seed=998, people=20, days=2)
    return max(models, key=lambda model: judge.rightly(model.predict(judge.features)))


if __name__ == "__main__":
    main()
