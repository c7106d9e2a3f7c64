"""Which 256 directions of the features to keep, from the weights alone: no picture of anyone chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import ndtr

Doubles = NDArray[np.float64]


def directions(weights: Mapping[str, NDArray[Any]], last: str, dim: int) -> Doubles:
    """(features, dim), orthonormal: the span in which pictures as they come differ most, as much by the features
    themselves as by what tells the classes apart.

    Those are principal components, and they need the covariance of the features. Batch normalisation has kept the
    moments of what goes into the last two layers, so it follows without data. `last` names the block before the head.
    """
    classifier = weights["_fc.weight"].astype(np.float64)
    classifier -= classifier.mean(0)
    telling = classifier.T @ classifier
    metric = np.eye(len(telling)) + telling * (len(telling) / np.trace(telling))  # equal shares
    variances, axes = eigh(_covariance(weights, last))
    root = axes * np.sqrt(np.maximum(variances, 0))
    _, main = eigh(root.T @ metric @ root, subset_by_index=[len(root) - dim, len(root) - 1])
    basis, _ = np.linalg.qr(root @ main[:, ::-1])
    # LAPACKs differ in the signs they give, and vectors made on two machines must be comparable.
    signs = np.sign(basis[np.abs(basis).argmax(0), np.arange(dim)])
    chosen: Doubles = basis * signs
    return chosen


def _covariance(weights: Mapping[str, NDArray[Any]], last: str) -> Doubles:
    """(features, features), of max(0, min(6, u)) for jointly normal u, to the second order in their correlation.

    A function g of normal u, v with correlation r has cov(g(u), g(v)) = sum over n of r^n E[g(n)(u)] E[g(n)(v)] / n!
    (Price's theorem; derivatives g(n) with respect to standardised arguments).
    """
    deviation, mean = np.abs(weights["_bn1.weight"].astype(np.float64)) + 1e-9, weights["_bn1.bias"].astype(np.float64)
    low, high = -mean / deviation, (6 - mean) / deviation
    first = deviation * (ndtr(high) - ndtr(low))
    second = deviation * (_density(low) - _density(high))
    mixing = weights["_conv_head.weight"][:, :, 0, 0].astype(np.float64) * weights[f"{last}._bn2.weight"]
    joint = mixing @ mixing.T
    spread = np.sqrt(np.diag(joint))
    correlation = joint / np.outer(spread, spread)
    covariance: Doubles = np.outer(first, first) * correlation + np.outer(second, second) * correlation**2 / 2
    return covariance


def _density(x: Doubles) -> Doubles:
    value: Doubles = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    return value
