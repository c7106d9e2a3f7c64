"""What pictures are about, as far as their looks tell: groups of them, found anew each time the save graph is.

Tags would do as well where a model has them and is sure of them; most pictures have none (of the demo's gallery nine
in ten), and every picture has a look. Walks keep to the topic that they began at now and then (`feed.walk`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bowerbird.ports import Floats, Ints, Vectors

Topics = NDArray[np.uint8]

NONE = 255
"""The topic of what is not known."""
FEWEST, MOST = 8, 250
"""Topics, in between as many as the root of twice the pictures. `bench/topics.py`: half or twice as many make little
difference."""
SAMPLE = 20_000
"""Pictures that topics are found in; the others go to the nearest."""
ROUNDS = 20
"""Of Lloyd's algorithm."""
BLOCK = 10_000


def topics(looks: Vectors, image_ids: Ints) -> Topics:
    """(n,): of each image. The same for the same pictures. Raises `Unavailable`."""
    images, at = np.unique(image_ids, return_inverse=True)
    sample = looks.get(np.random.default_rng(0).permutation(images)[:SAMPLE])
    sample = sample[sample.any(axis=1)]
    found = np.full(len(images), NONE, np.uint8)
    count = int(np.clip((2 * len(images)) ** 0.5, FEWEST, MOST))
    if len(sample) >= 2 * count:
        centres = _centres(sample, count)
        for start in range(0, len(images), BLOCK):
            rows = looks.get(images[start : start + BLOCK])
            found[start : start + BLOCK] = np.where(rows.any(axis=1), _nearest(rows, centres), NONE)
    return found[at]


def _centres(rows: Floats, count: int) -> Floats:
    """k-means, begun at rows that are far apart (k-means++, Arthur and Vassilvitskii, SODA 2007)."""
    from scipy.sparse import csr_matrix

    dice = np.random.default_rng(0)
    centres = np.empty((count, rows.shape[1]), np.float32)
    squares, away = (rows**2).sum(axis=1), np.ones(len(rows), np.float32)
    for number in range(count):
        ends = np.cumsum(away, dtype=np.float64)
        at = min(int(np.searchsorted(ends, dice.random() * ends[-1])), len(rows) - 1)
        centres[number] = rows[at]
        apart = np.maximum(squares + squares[at] - 2 * (rows @ rows[at]), 0)
        away = np.minimum(away, apart) if number else apart
    for _ in range(ROUNDS):
        of = _nearest(rows, centres)
        members = csr_matrix((np.ones(len(rows), np.float32), (of, np.arange(len(rows)))), (count, len(rows)))
        sizes = np.bincount(of, minlength=count)[:, None]
        centres = np.where(sizes > 0, members @ rows / np.maximum(sizes, 1), centres).astype(np.float32)
    return centres


def _nearest(rows: Floats, centres: Floats) -> Ints:
    return np.asarray((rows @ centres.T - (centres**2).sum(axis=1) / 2).argmax(axis=1), np.int64)
