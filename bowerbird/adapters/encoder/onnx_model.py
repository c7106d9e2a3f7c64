"""Any image model in ONNX as the encoder: `model.onnx` with a `model.toml` beside it.

```toml
size = 224                         # side of its square input in pixels
mean = [0.48145, 0.45783, 0.40821] # of the scale 0 to 1, one a colour
std = [0.26863, 0.26130, 0.27578]
output = "image_embeds"            # (n, width); or a map or tokens, with `pool`
layout = "nchw"                    # or "nhwc"
pool = "none"                      # "mean" over positions, or "first" token
dim = 512                          # keep only the first so many numbers (Matryoshka models)
```

`layout`, `pool` and `dim` may be left out.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from bowerbird.adapters.encoder.runtime import session
from bowerbird.ports import Seen

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Pixels

BATCH = 8
"""Pictures in one run: a large model's memory grows with it."""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the TOML may say."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output: str
    layout: str = "nchw"
    pool: str = "none"
    dim: int = 0


class OnnxModel:
    """Implements `ports.Encoder` without tags."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Raises `ValueError`, naming the file and what is missing or wrong in it."""
        beside = path.with_suffix(".toml")
        for file in (path, beside):
            if not file.is_file():
                raise ValueError(f"{file} is not there; an ONNX encoder needs a model and a TOML beside it")
        self._recipe = recipe = _recipe(beside)
        self.size = recipe.size
        content = path.read_bytes() + b"\0" + beside.read_bytes()
        self.version = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:12]}"
        try:
            self._session = session(path, threads)
        except Exception as error:  # onnxruntime has no common class for what it raises
            raise ValueError(f"{path} cannot be opened as an ONNX model: {error}") from error
        outputs = [node.name for node in self._session.get_outputs()]
        if recipe.output not in outputs:
            raise ValueError(f"{beside}: output = {recipe.output!r}, but the model gives {', '.join(outputs)}")
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in _TYPES:
            raise ValueError(f"{path} must take one input of floats, pictures; export the image half of a model alone")
        self._input, self._type = inputs[0].name, _TYPES[inputs[0].type]
        # A model exported for a fixed batch takes no other.
        self._fixed = inputs[0].shape[0] if inputs[0].shape and isinstance(inputs[0].shape[0], int) else 0
        self.dim = self._try(beside)

    def encode(self, pixels: Pixels) -> Seen:
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"pixels are {pixels.dtype} {pixels.shape}, not uint8 (n, {self.size}, {self.size}, 3)")
        vectors: Floats = np.empty((len(pixels), self.dim), np.float32)
        step = self._fixed or BATCH
        for start in range(0, len(pixels), step):
            vectors[start : start + step] = self._run(pixels[start : start + step])[:, : self.dim]
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(length, 1e-12)
        return Seen(vectors, [()] * len(pixels))

    def _run(self, pixels: Pixels) -> Floats:
        short = max(self._fixed - len(pixels), 0)
        filled = np.concatenate([pixels, np.zeros((short, *pixels.shape[1:]), np.uint8)])
        mean, std = (np.array(three, np.float32) for three in (self._recipe.mean, self._recipe.std))
        values = (filled.astype(np.float32) / 255 - mean) / std
        if self._recipe.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        feed = {self._input: np.ascontiguousarray(values, dtype=self._type)}
        found: Any = self._session.run([self._recipe.output], feed)[0]
        pooled: Floats = _pooled(found.astype(np.float32), self._recipe)[: len(pixels)]
        return pooled

    def _try(self, beside: Path) -> int:
        """The width of the output, learnt from a run."""
        blank = np.zeros((1, self.size, self.size, 3), np.uint8)
        try:
            found = self._run(blank)
        except Exception as error:  # whatever onnxruntime says of a wrong size or layout
            raise ValueError(f"{beside}: the model does not run with this size and layout: {error}") from error
        if found.ndim != 2:
            raise ValueError(
                f"{beside}: the output {self._recipe.output!r} has the shape {found.shape}, not (n, width); "
                'say pool = "mean" or "first", or name another output'
            )
        if self._recipe.dim > found.shape[1]:
            raise ValueError(f"{beside}: dim = {self._recipe.dim}, but the output is only {found.shape[1]} wide")
        return self._recipe.dim or int(found.shape[1])


_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def _recipe(file: Path) -> Recipe:
    try:
        recipe = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Recipe, strict=False)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"{file}: {error}") from error
    if recipe.layout not in ("nchw", "nhwc"):
        raise ValueError(f'{file}: layout = {recipe.layout!r}; it may be "nchw" or "nhwc"')
    if recipe.pool not in ("none", "mean", "first"):
        raise ValueError(f'{file}: pool = {recipe.pool!r}; it may be "none", "mean" or "first"')
    if recipe.size < 1 or recipe.dim < 0 or min(recipe.std) <= 0:
        raise ValueError(f"{file}: size and std must be above 0, and dim not below it")
    return recipe


def _pooled(found: Floats, recipe: Recipe) -> Floats:
    """(n, width) from (n, width), from tokens (n, positions, width), or from a map in the model's layout."""
    pooled = found
    if recipe.pool == "first" and found.ndim == 3:
        pooled = found[:, 0]
    elif recipe.pool == "mean" and found.ndim >= 3:
        channels_last = found.ndim == 3 or recipe.layout == "nhwc"
        positions = tuple(range(1, found.ndim - 1)) if channels_last else tuple(range(2, found.ndim))
        pooled = found.mean(axis=positions)
    return pooled
