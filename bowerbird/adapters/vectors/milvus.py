"""`Vectors` in Milvus 2.5 or later, or in a file of Milvus Lite: a collection an index."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import grpc
import numpy as np
import structlog
from pymilvus import DataType, MilvusClient, MilvusException

from bowerbird.adapters.gate import Away, Gate
from bowerbird.adapters.vectors.rows import PAGE, known_ids, known_k, new_rows, table_name, unit_rows
from bowerbird.adapters.vectors.tally import Tally
from bowerbird.ports import Found, Unavailable
from bowerbird.turns import Turns

if TYPE_CHECKING:
    from bowerbird.ports import Floats, Ints

T = TypeVar("T")

log = structlog.get_logger("bowerbird.vectors")
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs each try of each call; what matters is raised
logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)

CONNECT = 3.0
ANSWER = 4.0
"""Seconds that a call may take."""
WRITE = 15.0
"""Seconds that adding `BATCH` rows may take."""
BATCH = 2000
"""Rows sent at a time; 4,000 numbers each are half of what a server takes by default."""
QUERIES = 16
"""Queries sent at a time."""
LINES = 6
"""Calls of one process to one index that may be under way."""
LOOSE = 2000
"""Rows that Milvus Lite may hold outside its index files: it compares with each of them, slowly."""
NOT_LOADED = 101
"""What Milvus says of a collection that is not in memory, as after a restart of Milvus Lite."""
MANY = 60.0
"""Seconds that moving them into an index may take."""


class MilvusVectors:
    """See `ports.Vectors`. `milvus://user:password@host:19530/database`, with `?token=` in place of a user and `?tls=1`
    where wanted; or `milvus:///folder/file.db`, which one process at a time may open. Milvus itself decides from how
    many rows on it searches a graph. `effort` is how many rows a query considers closely. `index` is Milvus's name for
    a kind of index, of a collection that is not there yet. `pages`: no question takes longer than a page waits.

    Raises `ValueError` for a URL or a size of rows that cannot be used.
    """

    def __init__(self, url: str, name: str, dim: int, effort: int = 96, index: str = "", pages: bool = False) -> None:
        self.dim = dim
        self._index = index
        self.effort = effort
        self._name = table_name(name)
        self._answer = PAGE if pages else ANSWER
        self._place = _parsed(url)
        self._gate = Gate()
        self._turns = Turns(LINES)
        self._callers = ThreadPoolExecutor(LINES, thread_name_prefix=f"milvus {self._name}")
        self._tally = Tally(self._count)
        self._loose = 0
        self._closed = False
        try:
            self._client = _opened(self._place)
            self._lite = self._ask(partial(self._client.get_server_version, timeout=ANSWER)).startswith("milvus_lite")
            self._ask(self._create_if_missing, WRITE)
        except BaseException:
            self.close()
            raise

    def add(self, ids: Ints, vectors: Floats) -> None:
        """Raises `ValueError` for ids that are not positive int64 and rows that are not unit float32."""
        ids, vectors = new_rows(ids, vectors, self.dim)
        for start in range(0, len(ids), BATCH):
            part = slice(start, start + BATCH)
            pairs = zip(ids[part].tolist(), vectors[part], strict=True)
            rows = [{"id": each, "embedding": row} for each, row in pairs]
            with self._writing():
                self._ask(partial(self._client.upsert, self._name, rows, timeout=WRITE), WRITE)
                self._loose += len(rows)
                if self._lite and self._loose >= LOOSE:
                    self._flush()

    def remove(self, ids: Ints) -> None:
        """Ids that are not there are no error."""
        ids = np.unique(known_ids(ids))
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH].tolist()
            with self._writing():
                self._ask(partial(self._client.delete, self._name, ids=part, timeout=WRITE), WRITE)

    def search(self, queries: Floats, k: int) -> Found:
        """Raises `ValueError` for queries that are not unit float32 and a `k` outside 1..`rows.MOST`."""
        queries, k = unit_rows(queries, self.dim), known_k(k)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for start in range(0, len(queries), QUERIES):
            part = list(queries[start : start + QUERIES])
            for row, hits in enumerate(self._ask(partial(self._near, part, k)), start):
                ids[row, : len(hits.ids)] = hits.ids
                scores[row, : len(hits.ids)] = hits.distances
        return Found(ids, scores)

    def get(self, ids: Ints) -> Floats:
        ids = known_ids(ids)
        rows = np.zeros((len(ids), self.dim), np.float32)
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH].tolist()
            found = {each["id"]: each["embedding"] for each in self._ask(partial(self._rows, part))}
            for place, identity in enumerate(part, start):
                if identity in found:
                    rows[place] = found[identity]
        return rows

    def as_searched(self, vectors: Floats) -> Floats:
        return vectors

    def settle(self) -> None:
        with self._writing():
            self._flush()
        look = partial(self._client.describe_index, self._name, "embedding", timeout=ANSWER)
        while self._ask(look).get("pending_index_rows"):
            time.sleep(0.2)

    def __len__(self) -> int:
        return self._tally.rows()

    def drop(self) -> None:
        with self._writing():
            self._ask(partial(self._client.drop_collection, self._name, timeout=WRITE), WRITE)
        self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._callers.shutdown(wait=False, cancel_futures=True)
        if hasattr(self, "_client"):
            self._client.close()
            _released(self._place)

    def _near(self, queries: list[Floats], k: int) -> Any:
        return self._client.search(
            self._name,
            data=queries,
            anns_field="embedding",
            limit=k,
            search_params={"metric_type": "IP", "params": {"ef": max(self.effort, k)}},
            output_fields=["id"],
            consistency_level="Session",
            timeout=self._answer,
        )

    def _rows(self, ids: list[int]) -> Any:
        return self._client.query(
            self._name, ids=ids, output_fields=["embedding"], consistency_level="Session", timeout=self._answer
        )

    def _count(self) -> int:
        words = {"filter": "", "output_fields": ["count(*)"], "consistency_level": "Session", "timeout": self._answer}
        return int(self._ask(partial(self._client.query, self._name, **words))[0]["count(*)"])

    def _flush(self) -> None:
        """What was added goes under the index."""
        self._ask(partial(self._client.flush, self._name, timeout=MANY), MANY)
        self._loose = 0

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time, where the engine is not made for several."""
        try:
            with _LITE_WRITES if self._lite else contextlib.nullcontext():
                yield
        finally:
            self._tally.forget()

    def _create_if_missing(self) -> None:
        if not self._client.has_collection(self._name, timeout=ANSWER):
            schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=self.dim)
            index = MilvusClient.prepare_index_params()
            graph = {"M": 16, "efConstruction": 200}
            # Milvus Lite reads each row anyway, and its graph may lose the living among many dead.
            kind = self._index or ("FLAT" if self._lite else "HNSW")
            index.add_index("embedding", index_type=kind, metric_type="IP", params=graph if kind == "HNSW" else {})
            # Another process may be quicker; what it made is looked at below.
            with contextlib.suppress(MilvusException):
                self._client.create_collection(self._name, schema=schema, index_params=index, timeout=WRITE)
        fields = self._client.describe_collection(self._name, timeout=ANSWER)["fields"]
        (dim,) = [each["params"]["dim"] for each in fields if each["name"] == "embedding"]
        if int(dim) != self.dim:
            raise ValueError(f"{self._name} holds vectors of {dim} numbers, not {self.dim}")
        self._client.load_collection(self._name, timeout=WRITE)

    def _ask(self, call: Callable[[], T], seconds: float = 0.0) -> T:
        """On a thread of ours: the client, when it connects again, keeps no time limit. Raises `Unavailable`."""
        seconds = seconds or self._answer
        where, deadline = self._place.where, time.monotonic() + seconds
        if not self._turns.take(seconds):
            raise Unavailable(f"{where}: all {LINES} calls of this process are busy")
        try:
            with self._gate.passing():
                asked = self._callers.submit(self._call, call)
                try:
                    return asked.result(max(deadline - time.monotonic(), 0))
                except Late as error:
                    asked.cancel()
                    raise Away(f"{where}: it does not answer in time") from error
                except (MilvusException, grpc.RpcError) as error:
                    raise Away(f"{where}: {_said(error)}") from error
        finally:
            self._turns.give()

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except MilvusException as error:
            if error.code != NOT_LOADED:
                raise
            self._client.load_collection(self._name, timeout=WRITE)
            return call()


class _Place(NamedTuple):
    where: str
    uri: str
    token: str = ""
    database: str = ""
    file: str = ""


def _parsed(url: str) -> _Place:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    path = unquote(parts.path)
    if not parts.netloc and path.endswith(".db") and not options:
        return _Place(f"Milvus Lite in {path}", path, file=path)
    try:
        port = parts.port or 19530
        if not parts.hostname or options.keys() - {"token", "tls"}:
            raise ValueError
    except ValueError:  # its words may hold a part of a password
        raise ValueError(
            "it is to be milvus://host:19530/database, with ?token= and ?tls=1 where wanted, or milvus:///folder/file.db"
        ) from None
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    scheme = "https" if options.get("tls") == "1" else "http"
    where = f"{parts.hostname}:{port}"
    return _Place(f"Milvus at {where}", f"{scheme}://{where}", options.get("token", user), path.strip("/"))


_LITE_WRITES = threading.Lock()
_FILES: Counter[str] = Counter()
"""How many indexes of this process each file of Milvus Lite is open for."""
_FILES_LOCK = threading.Lock()


def _opened(place: _Place) -> MilvusClient:
    if not place.file:
        return _client(place)
    if find_spec("milvus_lite") is None:
        raise ValueError("a file takes Milvus Lite; `pip install milvus-lite`, or name a server")
    Path(place.file).parent.mkdir(parents=True, exist_ok=True)
    with _FILES_LOCK:
        client = _client(place)
        _FILES[place.file] += 1
    return client


def _client(place: _Place) -> MilvusClient:
    try:
        return MilvusClient(
            place.uri,
            token=place.token,
            db_name=place.database,
            timeout=CONNECT,
            dedicated=True,  # else it stays open for the life of the process
            grpc_options={"grpc.keepalive_permit_without_calls": 0},  # Milvus Lite hangs up on who pings too often
        )
    except MilvusException as error:
        why = _said(error)
        if place.file:
            why = (
                f"{why}. If another process has it open: a file serves one process only, a Milvus server "
                "(milvus://host:19530) any number"
            )
        raise Away(f"{place.where}: {why}") from error


def _said(error: Exception) -> str:
    if isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "it does not answer in time"
    return " ".join(str(getattr(error, "message", error)).split())


def _released(place: _Place) -> None:
    """The file may be opened by another process once none of ours has it open."""
    if not place.file:
        return
    from milvus_lite.server_manager import server_manager_instance

    with _FILES_LOCK:
        _FILES[place.file] -= 1
        if not _FILES[place.file]:
            server_manager_instance.release_server(place.file)
