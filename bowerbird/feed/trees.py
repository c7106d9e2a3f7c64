"""A boosted ensemble of decision trees as a few arrays, and the folder that it is kept in.

What learns it (`feed.learn`) is a library; what ranks with it needs none: web processes do not load one, and a file
that is broken is found so when it is opened, in Python.
"""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bowerbird.feed.features import NAMES
from bowerbird.feed.generations import whole
from bowerbird.ports import Floats


class Nodes(NamedTuple):
    """Of all trees, one after the other; the second child of a node follows the first."""

    roots: NDArray[np.int32]
    """(trees,)"""
    feature: NDArray[np.int32]
    """(nodes,): the column that is compared; -1 for a leaf."""
    value: NDArray[np.float64]
    """(nodes,): the second child is for what is greater. Of a leaf what it adds to the score."""
    child: NDArray[np.int32]
    """(nodes,): the first of the two, which comes after its parent."""


class Trees:
    """A `rank.Model`."""

    def __init__(self, nodes: Nodes, version: str = "", names: Sequence[str] = NAMES) -> None:
        """Raises `ValueError` for nodes that are no trees over columns of these names."""
        self.version = version
        self.names = tuple(names)
        self._nodes = Nodes(*(np.ascontiguousarray(part, kind) for part, kind in zip(nodes, _KINDS, strict=True)))
        _check(self._nodes, len(self.names))

    def predict(self, features: Floats) -> Floats:
        """(n, features) to (n,). In the caller's thread, without the interpreter's lock."""
        if features.ndim != 2 or features.shape[1] != len(self.names):
            raise ValueError(f"{len(self.names)} columns are needed, not {features.shape[1:]}")
        return _compiled()(*self._nodes, np.ascontiguousarray(features, np.float32))

    def save(self, folder: Path, **about: Any) -> None:
        """Whole or not at all; `about` is kept beside it as JSON."""
        with whole(folder) as made:
            np.savez(made / "trees.npz", **self._nodes._asdict())
            (made / "about.json").write_text(json.dumps({"names": self.names, **about}, indent=1))

    @classmethod
    def load(cls, folder: Path, names: Sequence[str] = NAMES) -> Trees:
        """Ready to rank at once. Raises `ValueError` for what cannot be read, or was learned from other columns."""
        try:
            learned = json.loads((folder / "about.json").read_text())["names"]
            with np.load(folder / "trees.npz") as kept:
                nodes = Nodes(*(kept[name] for name in Nodes._fields))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{folder} cannot be read: {error!r}") from error
        if learned != list(names):
            raise ValueError(f"{folder} was learned from other columns than those of today")
        trees = cls(nodes, folder.name, names)
        trees.predict(np.zeros((1, len(names)), np.float32))
        return trees


_KINDS = (np.int32, np.int32, np.float64, np.int32)


def _check(nodes: Nodes, columns: int) -> None:
    count = len(nodes.feature)
    inner = nodes.feature >= 0
    first = nodes.child[inner] if nodes.child.shape == nodes.feature.shape else np.zeros(1)
    sound = (
        all(part.ndim == 1 for part in nodes)
        and nodes.value.shape == nodes.child.shape == nodes.feature.shape
        and bool(np.isfinite(nodes.value).all())
        and bool((nodes.feature < columns).all())
        and bool(((nodes.roots >= 0) & (nodes.roots < count)).all())
        # Children come after their parents, so that every way down ends.
        and bool(((first > np.flatnonzero(inner)) & (first + 1 < count)).all())
    )
    if not sound:
        raise ValueError("these nodes are no trees")


@functools.cache
def _compiled() -> Callable[..., Floats]:
    """Compiled when first used: to load the compiler costs memory that a process without a model need not have."""
    import numba

    @numba.njit(nogil=True, cache=True)
    def run(roots, feature, value, child, rows):  # type: ignore[no-untyped-def]
        scores = np.empty(len(rows), np.float32)
        for i in range(len(rows)):
            score = 0.0
            for root in roots:
                node = root
                while feature[node] >= 0:
                    node = child[node] + (rows[i, feature[node]] > value[node])
                score += value[node]
            scores[i] = score
        return scores

    compiled: Callable[..., Floats] = run
    return compiled
