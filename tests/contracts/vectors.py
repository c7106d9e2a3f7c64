"""The `Vectors` engines that the suites run on, and what the suites share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest

from bowerbird.adapters.vectors.build import rebuild
from bowerbird.adapters.vectors.faiss import FaissVectors
from bowerbird.adapters.vectors.learned import LearnedVectors
from bowerbird.ports import Floats, Ints, Projection, Vectors
from tests.conftest import engine_missing
from tests.servers import namespace, need

DIM = 32
NEVER = 1 << 40


class Kind(NamedTuple):
    open: Callable[[Path], Vectors]
    index: Callable[[Vectors, Path], None] | None = None
    """Brings all that was added under an index; without one every answer is exact."""
    learned: bool = False
    """It is searched through a projection."""
    buried: bool = True
    """Its index finds the living behind any number of dead rows."""
    writers: bool = True
    """Several processes may write at once."""
    processes: bool = True
    """Several processes may have it open."""
    package: str = ""
    """What it is made of, where that may not be installed."""
    server: str = ""
    """What `servers.need` knows it by; empty where it is no server."""
    behind: Callable[..., Vectors] | None = None
    """The same by another port of this machine, or `pages`."""
    password: bool = False
    """It asks for one."""

    @property
    def alone(self) -> bool:
        """One process at a time."""
        return not self.processes


def _faiss(folder: Path) -> Vectors:
    return FaissVectors(folder / "vectors", DIM, exact_below=NEVER)


def _rebuilt(_: Vectors, folder: Path) -> None:
    assert rebuild(folder / "vectors", DIM, 1)


def on_postgres(folder: Path, port: int = 0, password: str = "", name: str = "", pages: bool = False) -> Vectors:
    from bowerbird.adapters.vectors.pgvector import PgVectors

    url = urlsplit(os.environ["BOWERBIRD_TEST_POSTGRES"])
    host = f"{url.username}:{password or url.password}@127.0.0.1:{port or url.port}"
    return PgVectors(url._replace(netloc=host).geturl(), namespace(folder) + name, DIM, exact_below=NEVER, pages=pages)


def _graphed(vectors: Any, _: Path) -> None:
    vectors.exact_below = 1
    vectors.settle()
    vectors.exact_below = NEVER


def _milvus_file(folder: Path) -> Vectors:
    from bowerbird.adapters.vectors.milvus import MilvusVectors

    return MilvusVectors(f"milvus://{folder}/milvus.db", "looks", DIM)


def _milvus(folder: Path, port: int = 0, pages: bool = False) -> Vectors:
    from bowerbird.adapters.vectors.milvus import MilvusVectors

    url = f"milvus://127.0.0.1:{port}" if port else os.environ["BOWERBIRD_TEST_MILVUS"]
    return MilvusVectors(url, namespace(folder), DIM, index="HNSW", pages=pages)


def _flushed(vectors: Any, _: Path) -> None:
    vectors.settle()


def _turned(open_index: Callable[[Path, str], Vectors], folder: Path) -> LearnedVectors:
    """Searched through a projection that changes no inner product: a rotation."""
    opened = LearnedVectors(open_index(folder, ""), folder, lambda version: open_index(folder, f"-w{version}"))
    if not opened.version:
        rotation = np.linalg.qr(np.random.default_rng(9).standard_normal((DIM, DIM)))[0].astype(np.float32)
        projection = Projection(np.zeros(DIM, np.float32), rotation)
        opened.adopt(opened.prepare(projection, np.empty(0, np.int64), lambda *_: None))
    return opened


ENGINES = {
    "faiss exact": Kind(_faiss),
    "faiss graph": Kind(_faiss, index=_rebuilt),
    "faiss learned": Kind(
        partial(_turned, lambda folder, name: FaissVectors(folder / f"vectors{name}", DIM, NEVER)), learned=True
    ),
    "pgvector exact": Kind(on_postgres, server="postgres", behind=on_postgres, password=True),
    "pgvector graph": Kind(on_postgres, index=_graphed, server="postgres", behind=on_postgres),
    "pgvector learned": Kind(
        partial(_turned, lambda folder, name: on_postgres(folder, name=name)), learned=True, server="postgres"
    ),
    "milvus lite": Kind(_milvus_file, package="milvus_lite", writers=False, processes=False),
    "milvus": Kind(_milvus, index=_flushed, buried=False, writers=False, server="milvus", behind=_milvus),
}


class Engine:
    """One place that can be opened many times; `settle` brings all that was added under the index."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.kind, self.folder = name, ENGINES[name], folder
        self._opened: list[Vectors] = []

    def open(self) -> Vectors:
        return self.also(self.kind.open(self.folder))

    def also(self, vectors: Vectors) -> Vectors:
        self._opened.append(vectors)
        return vectors

    def settle(self) -> None:
        if self.kind.index:
            self.kind.index(self._opened[-1], self.folder)
        else:
            self._opened[-1].settle()

    def close(self) -> None:
        for vectors in self._opened:
            vectors.close()

    def process(self, code: str, *words: object, stderr: bool = False) -> subprocess.Popen[str]:
        """A process of its own that runs `code` with `vectors` open."""
        start = f"""
import sys, numpy as np
from pathlib import Path
from tests.contracts.vectors import ENGINES, unit
vectors = ENGINES[sys.argv[1]].open(Path(sys.argv[2]))
{code}"""
        command = [sys.executable, "-c", start, self.name, str(self.folder), *map(str, words)]
        told = subprocess.PIPE if stderr else None
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, cwd=Path(__file__).parents[2])


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if ENGINES[request.param].server:
        need(ENGINES[request.param].server)
    if ENGINES[request.param].package and not find_spec(ENGINES[request.param].package):
        engine_missing(ENGINES[request.param].package)
    engine = Engine(request.param, tmp_path)
    yield engine
    engine.close()


def unit(n: int, seed: int = 0, dim: int = DIM) -> Floats:
    rows: Floats = np.random.default_rng(seed).standard_normal((n, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def clustered(n: int, seed: int, dim: int = DIM) -> Floats:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((max(1, n // 50), dim), dtype=np.float32)[rng.integers(0, max(1, n // 50), n)]
    rows += 0.5 * rng.standard_normal((n, dim), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def ids(*numbers: int) -> Ints:
    return np.array(numbers, np.int64)


def up_to(n: int) -> Ints:
    return np.arange(1, n + 1)


def eventually(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)
