"""Reading a PyTorch state dict without PyTorch.

A `.pth` file of the format that PyTorch wrote before 1.6 is four pickles (a magic number, a protocol
number, facts on the machine, the object) and a list of storage keys, then each storage as a 64-bit
count and raw little-endian values. A pickle can run any code, so only what a state dict needs is let in.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class BadWeights(ValueError):
    """The file is not a plain state dict; the message says why."""


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(stride))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise BadWeights(f"the weights ask for {module}.{name}, which a state dict does not need") from None

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", np.dtype() as dtype, str() as key, str(), int() as length, None):
                return _Storage(key, dtype, length)
        raise BadWeights(f"the weights hold a reference of an unknown kind: {str(pid)[:80]}")


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name. Raises `BadWeights`, or `OSError` where the file cannot be read."""
    with path.open("rb") as file:
        try:
            state = _state(file)
            storages = _storages(file, state)
        except (pickle.UnpicklingError, EOFError, TypeError, AttributeError, IndexError, KeyError) as error:
            raise BadWeights(f"{path.name} is no PyTorch state dict of the legacy format: {error}") from error
    return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in state.items()}


def _state(file: IO[bytes]) -> dict[str, _Tensor]:
    if _Unpickler(file).load() != MAGIC or _Unpickler(file).load() != PROTOCOL:
        raise BadWeights("the magic or protocol number is not that of a legacy PyTorch file")
    _Unpickler(file).load()
    state = _Unpickler(file).load()
    if not isinstance(state, dict):
        raise BadWeights("the file does not hold a state dict")
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise BadWeights(f"the entry {str(name)[:80]!r} is not a tensor")
    return state


def _storages(file: IO[bytes], state: dict[str, _Tensor]) -> dict[str, NDArray[Any]]:
    wanted = {tensor.storage.key: tensor.storage for tensor in state.values()}
    found = {}
    for key in _Unpickler(file).load():
        storage = wanted[key]
        length = int.from_bytes(file.read(8), "little")
        data = file.read(length * storage.dtype.itemsize)
        if length != storage.length or len(data) != length * storage.dtype.itemsize:
            raise BadWeights(f"storage {key} is cut short")
        found[key] = np.frombuffer(data, storage.dtype)
    return found


def _array(tensor: _Tensor, storage: NDArray[Any]) -> NDArray[Any]:
    if len(tensor.shape) != len(tensor.stride) or min((tensor.offset, *tensor.shape, *tensor.stride)) < 0:
        raise BadWeights("a tensor has a shape that cannot be")
    last = tensor.offset + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True))
    if 0 not in tensor.shape and last >= len(storage):
        raise BadWeights("a tensor lies outside its storage")
    steps = tuple(step * storage.itemsize for step in tensor.stride)
    # Converted weights are transposed views, so strides matter; the copy makes them plain.
    return as_strided(storage[tensor.offset :], tensor.shape, steps).copy()
