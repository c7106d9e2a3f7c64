"""One order out of scores: unlike pictures next to each other, and room for what nobody knows yet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from bowerbird.ports import Floats, Ints

WINDOW = 12
"""How far back a person still sees what came before: two or three rows of a wall."""
GAMMA = 0.9
"""What being unlike the window counts, beside scores with a spread of 1."""
NUMBERS = 48
"""Directions in which looks are told apart: a random projection keeps their cosines within 0.1 or so."""
NAMED = 8
DUE = 12.0
"""What it counts that an interest has not had its share of the list yet, beside scores with a spread of 1."""
SHARES = {"look": 0.6, "creator": 0.25, "board": 0.15}
"""Of each in how unlike two pins are."""
EVERY = 8
"""One place in so many is for a fresh pin."""

_DIRECTIONS = np.random.default_rng(11).standard_normal((1009, NAMED)).astype(np.float32) / np.sqrt(NAMED)


def traits(looks: Floats, creators: Ints, boards: Ints) -> Floats:
    """(n, numbers): what tells pins apart, of length about 1. `looks` (n, dim), `boards` 0 for none."""
    # What all candidates share tells none of them apart.
    own = looks - looks.mean(axis=0) if len(looks) else looks
    look = own @ _basis(looks.shape[1])
    look /= np.maximum(np.linalg.norm(look, axis=1, keepdims=True), 1e-6)
    creator = _DIRECTIONS[creators % len(_DIRECTIONS)]
    board = _DIRECTIONS[boards % len(_DIRECTIONS)] * (boards > 0)[:, None]
    parts = zip((look, creator, board), SHARES.values(), strict=True)
    return np.concatenate([part * np.sqrt(share) for part, share in parts], axis=1, dtype=np.float32)


@cache
def _basis(dim: int) -> Floats:
    return np.random.default_rng(7).standard_normal((dim, NUMBERS)).astype(np.float32)


class Interests(NamedTuple):
    """What a list is to be shared among."""

    of: Ints
    """(n,): the interest that each row belongs to; -1 for none."""
    dues: Floats
    """(interests,): the share of each."""


def diversify(scores: Floats, traits: Floats, most: int, interests: Interests | None = None) -> Ints:
    """(at most `most`,) rows in the order in which to show them.

    Sliding spectrum decomposition (Huang et al., KDD 2021, algorithm 1): each place goes to the pin with the best
    sum of its score and of how much of it is not in the span of the last `WINDOW` pins. What is spanned is taken
    off all candidates as each pin is placed, and given back when that pin leaves the window.

    With `interests` the list is calibrated as well (Steck, RecSys 2018): someone who likes three things is shown all
    three, and not only the one for which there are the strongest candidates. Each is owed the difference between its
    due and its share so far.
    """
    from bowerbird.feed import compiled

    dues = np.append(interests.dues, 0).astype(np.float32) if interests else np.zeros(1, np.float32)
    of = interests.of if interests else np.full(len(scores), -1)
    placed = np.empty(min(most, len(scores)), np.int64)
    compiled.diversify(scores.astype(np.float32), traits.copy(), dues, of, placed, WINDOW, GAMMA, DUE)
    return placed


def with_fresh(order: Sequence[int], fresh: Sequence[int], every: int = EVERY) -> list[int]:
    """`order` with one of `fresh` at every `every`-th place, as far as they go; nothing comes twice."""
    mixed: dict[int, None] = {}
    exploring = iter(fresh)
    for row in order:
        if len(mixed) % every == every // 2:
            mixed.update(dict.fromkeys(next(([new] for new in exploring if new not in mixed), [])))
        mixed.setdefault(row)
    return list(mixed)
