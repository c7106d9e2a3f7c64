"""Recommending saves: ours beside popularity, neighbours, walks in closed form, ALS, EASE and GF-CF, on one split.

    python -m bench.recommend [--saves ../shared/saves/train.txt] [--seed 1]

A fifth of each person's saves is held out; every method ranks all pins that the person has not kept. recall@20 is of
the held-out saves, NDCG@20 with binary gains. The interval is a paired bootstrap over people of the difference to the
best peer. Parameters, ours and theirs, are those that did best on other splits of the same saves.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp
from rich.console import Console
from rich.table import Table

from bowerbird.feed.affinity import fit

K = 20
BLOCK = 1000
Score = Callable[[Any], Any]
"""Rows of the save matrix to dense scores."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saves", type=Path, default=Path(__file__).parents[2] / "shared" / "saves" / "train.txt")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    saves, held = split(options.saves, options.seed)
    table = Table("method", "recall@20", "NDCG@20", "fit s", "ms a person")
    results: dict[str, Any] = {}
    for name, make in METHODS.items():
        start = time.perf_counter()
        score = make(saves)
        fitted = time.perf_counter() - start
        start = time.perf_counter()
        results[name] = judged(score, saves, held)
        took = (time.perf_counter() - start) / saves.shape[0] * 1000
        recall, ndcg = results[name].mean(axis=0)
        table.add_row(name, f"{recall:.4f}", f"{ndcg:.4f}", f"{fitted:.1f}", f"{took:.2f}")
        print(name, f"{recall:.4f} {ndcg:.4f} {fitted:.1f} s", flush=True)
    console = Console(width=110)
    console.print(table)
    console.print(f"ms a person is for {BLOCK} at a time, ranking and judging included; one alone takes:")
    console.print(f"ours, one person a call: {alone(saves):.2f} ms (median of 1,000)")
    for column, measure in enumerate(("recall@20", "NDCG@20")):
        best = max((name for name in results if name != "ours"), key=lambda name: results[name][:, column].mean())
        low, high = interval(results["ours"][:, column] - results[best][:, column])
        ratio = results["ours"][:, column].mean() / results[best][:, column].mean()
        console.print(f"{measure}: ours is {ratio:.3f} x {best}; the difference is {low:+.4f} to {high:+.4f} (95 %)")


def split(path: Path, seed: int) -> tuple[Any, list[Any]]:
    """(people, pins) of ones, and what was held out of each person's saves."""
    dice = np.random.default_rng(seed)
    rows, columns, held = [], [], []
    for person, line in enumerate(path.read_text().splitlines()):
        kept = dice.permutation(np.unique(np.array(line.split()[1:], np.int64)))
        out = max(1, round(0.2 * len(kept)))
        held.append(kept[:out])
        rows += [person] * (len(kept) - out)
        columns += kept[out:].tolist()
    pins = 1 + max(int(max(columns)), max(int(out.max()) for out in held))
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (len(held), pins)), held


def judged(score: Score, saves: Any, held: list[Any]) -> Any:
    """(people, 2): recall and NDCG of each."""
    discount = 1 / np.log2(np.arange(2, K + 2))
    found = []
    for start in range(0, saves.shape[0], BLOCK):
        rows = saves[start : start + BLOCK]
        scores = np.asarray(score(rows), np.float32)
        scores[rows.nonzero()] = -np.inf
        top = np.argpartition(-scores, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1)
        top = np.take_along_axis(top, order, axis=1)
        for best, out in zip(top, held[start : start + BLOCK], strict=True):
            hit = np.isin(best, out)
            found.append((hit.sum() / len(out), (hit * discount).sum() / discount[: min(K, len(out))].sum()))
    return np.array(found)


def interval(difference: Any) -> tuple[float, float]:
    dice = np.random.default_rng(0)
    means = [difference[dice.integers(0, len(difference), len(difference))].mean() for _ in range(1000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def alone(saves: Any) -> float:
    learned, times = fit(saves), []
    for person in range(1000):
        columns = learned.columns(saves[person].indices.astype(np.int64))
        start = time.perf_counter()
        learned.top_k(columns, K)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1000


def ours(saves: Any) -> Score:
    learned = fit(saves)
    spread = sp.csr_matrix(
        (np.ones(len(learned), np.float32), (np.arange(len(learned)), learned.pin_ids)), (len(learned), saves.shape[1])
    )
    matrix = (spread.T @ learned.matrix @ spread).tocsr()
    return lambda rows: (rows @ matrix).toarray()


def popularity(saves: Any) -> Score:
    counts = np.asarray(saves.sum(axis=0))
    return lambda rows: np.repeat(counts, rows.shape[0], axis=0)


def degrees(saves: Any) -> tuple[Any, Any]:
    return np.maximum(np.asarray(saves.sum(1)).ravel(), 1), np.maximum(np.asarray(saves.sum(0)).ravel(), 1)


def cosine(saves: Any) -> Score:
    _, of_pin = degrees(saves)
    near = (saves.T @ saves).toarray() / np.sqrt(of_pin[:, None] * of_pin[None, :])
    np.fill_diagonal(near, 0)
    least = np.partition(near, -1000, axis=1)[:, -1000][:, None]
    near = sp.csr_matrix(np.where(near >= least, near, 0))
    return lambda rows: (rows @ near).toarray()


def p3(alpha: float, beta: float) -> Callable[[Any], Score]:
    def make(saves: Any) -> Score:
        of_person, of_pin = degrees(saves)
        there = (sp.diags(1 / of_person) @ saves).power(alpha)
        back = (sp.diags(1 / of_pin) @ saves.T).power(alpha)
        matrix = (back @ there).toarray() / of_pin[None, :] ** beta
        np.fill_diagonal(matrix, 0)
        return lambda rows: rows @ matrix

    return make


def als(saves: Any) -> Score:
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(128, regularization=10.0, alpha=20.0, iterations=15, num_threads=2, random_state=0)
    model.fit(saves, show_progress=False)
    pins = model.item_factors
    start = iter(range(0, saves.shape[0], BLOCK))

    def score(rows: Any) -> Any:
        first = next(start)
        return model.user_factors[first : first + rows.shape[0]] @ pins.T

    return score


def ridge(gram: Any, strength: float) -> Any:
    gram[np.diag_indices(len(gram))] += strength
    factor, _ = la.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    inverse, _ = la.lapack.spotri(factor, lower=True, overwrite_c=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(weights, 0)
    return weights


def ease(saves: Any) -> Score:
    weights = ridge((saves.T @ saves).toarray().astype(np.float32), 500.0)
    return lambda rows: rows @ weights


def low_pass(saves: Any, rank: int = 512, share: float = 0.3) -> Any:
    of_person, of_pin = degrees(saves)
    even = (sp.diags(of_person**-0.5) @ saves @ sp.diags(of_pin**-0.5)).tocsr().astype(np.float32)
    basis = np.random.default_rng(0).standard_normal((even.shape[1], rank + 32)).astype(np.float32)
    for _ in range(4):
        basis = np.linalg.qr(even.T @ (even @ basis))[0]
    inside = even @ basis
    values, axes = np.linalg.eigh(inside.T @ inside)
    directions = basis @ axes[:, np.argsort(-values)[:rank]]
    root = np.sqrt(of_pin)
    return (even.T @ even).toarray() + share * (directions / root[:, None]) @ (directions * root[:, None]).T


def gf_cf(saves: Any) -> Score:
    matrix = low_pass(saves).astype(np.float32)
    return lambda rows: rows @ matrix


def both(saves: Any) -> Score:
    """EASE on saves with people weighed down by their degree, and GF-CF, half and half."""
    of_person, _ = degrees(saves)
    even = sp.diags(of_person**-0.5) @ saves
    weights = ridge((even.T @ even).toarray().astype(np.float32), 35.0)
    smooth = low_pass(saves).astype(np.float32)
    some = saves[:BLOCK]
    matrix = weights / np.asarray(some @ weights).std() + smooth / np.asarray(some @ smooth).std()
    return lambda rows: rows @ matrix


METHODS: dict[str, Callable[[Any], Score]] = {
    "popularity": popularity,
    "item-kNN cosine, K 1000": cosine,
    "P3alpha": p3(1.0, 0.0),
    "RP3beta .6 .4": p3(0.6, 0.4),
    "implicit ALS, 128": als,
    "EASE, 500": ease,
    "GF-CF, 512": gf_cf,
    "EASE by degree + GF-CF": both,
    "ours": ours,
}

if __name__ == "__main__":
    main()
