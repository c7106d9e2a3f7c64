"""Settings to engines: the only place that chooses one, and the only importer of adapters.

An engine's SDK is imported in its branch, so that nobody pays for what they do not use.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bowerbird.ports import Blobs, Cache, Database, Encoder, Engines, EventLog, Metadata, Queue, Unavailable, Vectors
from bowerbird.settings import BadSetting, Settings, secret_key

if TYPE_CHECKING:
    from bowerbird.adapters.vectors.learned import LearnedVectors
    from bowerbird.darkroom.process import Darkroom

BUILT_IN = {"efficientnet-lite2": "lite2", "efficientnet-lite0": "lite0"}
"""Encoders that need no file of one's own."""


def connect(settings: Settings, *, pages: bool = False) -> Engines:
    """Open every engine and bring the catalog's schema up to date. Raises `BadSetting`, `Unavailable`.

    `pages`: they are for pages. Nothing that these read may take long, and they read from replicas too, where there are
    some (a worker that a job had reached before the replica had its row would take the picture for gone).
    """
    from bowerbird.darkroom.colour import DIM as COLOUR_DIM

    return Engines(
        database=catalog(settings, pages=pages),
        blobs=blobs(settings),
        queue=queue(settings),
        metadata=metadata(settings),
        cache=cache(settings),
        events=events(settings),
        looks=looks(settings, pages=pages),
        colours=vectors(settings, "colours", COLOUR_DIM, pages=pages),
    )


def catalog(settings: Settings, *, pages: bool = False) -> Database:
    """The database alone, with its schema up to date; the data folder and the secret key are there then."""
    from bowerbird.catalog import schema

    prepare(settings.data)
    secret_key(settings)
    data = database(settings, pages=pages)
    schema.upgrade(data)
    return data


def prepare(folder: Path) -> None:
    """Make the data folder, readable by its owner only."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror
        raise BadSetting(f"BOWERBIRD_DATA is {str(folder)!r}, which cannot be made ({why}). Choose another.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadSetting(f"BOWERBIRD_DATA is {str(folder)!r}, which this user may not write to. Choose another.")


def database(settings: Settings, *, pages: bool = False) -> Database:
    replicas = settings.database_readers if pages else ""
    match _scheme(settings.database):
        case "":
            from bowerbird.adapters.database.sqlite import SqliteDatabase

            if replicas:
                raise BadSetting("BOWERBIRD_DATABASE_READERS is set, but SQLite has none. Set BOWERBIRD_DATABASE too.")
            return SqliteDatabase(settings.data / "catalog.db")
        case "postgresql" | "postgres":
            with _chosen("DATABASE", extra="postgres"):
                from bowerbird.adapters.database import postgres

                hosts = postgres.addresses(settings.database)
            readers = _readers(replicas, postgres.addresses)
            with _chosen("DATABASE", extra="postgres"):
                return postgres.PostgresDatabase(hosts, readers, pages)
        case "mysql" | "mariadb":
            with _chosen("DATABASE", extra="mysql"):
                from bowerbird.adapters.database import mysql

                hosts = mysql.addresses(settings.database)
            readers = _readers(replicas, mysql.addresses)
            with _chosen("DATABASE", extra="mysql"):
                return mysql.MysqlDatabase(hosts, readers, pages)
        case other:
            raise _unknown("DATABASE", other)


def blobs(settings: Settings) -> Blobs:
    match _scheme(settings.blobs):
        case "":
            from bowerbird.adapters.blobs.folder import Folder

            return Folder(settings.data / "blobs")
        case "s3" | "gs" | "az":
            with _chosen("BLOBS", extra=""):
                from bowerbird.adapters.blobs.store import Store

                return Store(settings.blobs)
        case other:
            raise _unknown("BLOBS", other)


def queue(settings: Settings) -> Queue:
    match _scheme(settings.queue):
        case "":
            from bowerbird.adapters.queue.sqlite import SqliteQueue

            return SqliteQueue(settings.data / "queue.db")
        case "sqs":
            with _chosen("QUEUE", extra="aws"):
                from bowerbird.adapters.queue.sqs import SqsQueue

                return SqsQueue(settings.queue)
        case "kafka":
            with _chosen("QUEUE", extra="kafka"):
                from bowerbird.adapters.queue.kafka import KafkaQueue

                return KafkaQueue(settings.queue)
        case "postgresql" | "postgres":
            with _chosen("QUEUE", extra="postgres"):
                from bowerbird.adapters.queue.postgres import PostgresQueue

                return PostgresQueue(settings.queue)
        case other:
            raise _unknown("QUEUE", other)


def metadata(settings: Settings) -> Metadata:
    match _scheme(settings.metadata):
        case "":
            from bowerbird.adapters.metadata.sqlite import SqliteMetadata

            return SqliteMetadata(settings.data / "metadata.db")
        case "dynamodb":
            with _chosen("METADATA", extra="aws"):
                from bowerbird.adapters.metadata.dynamodb import DynamoMetadata

                return DynamoMetadata(settings.metadata)
        case other:
            raise _unknown("METADATA", other)


def cache(settings: Settings) -> Cache:
    match _scheme(settings.cache):
        case "":
            from bowerbird.adapters.cache.memory import MemoryCache

            return MemoryCache(max_bytes=settings.cache_mb * 2**20)
        case "redis" | "rediss":
            with _chosen("CACHE", extra="redis"):
                from bowerbird.adapters.cache.redis import RedisCache

                return RedisCache(settings.cache)
        case "memcached":
            with _chosen("CACHE", extra="memcached"):
                from bowerbird.adapters.cache.memcached import MemcachedCache

                return MemcachedCache(settings.cache)
        case other:
            raise _unknown("CACHE", other)


def events(settings: Settings) -> EventLog:
    match _scheme(settings.events):
        case "":
            from bowerbird.adapters.events.sqlite import SqliteEvents

            return SqliteEvents(settings.data / "events.db")
        case "kafka":
            with _chosen("EVENTS", extra="kafka"):
                from bowerbird.adapters.events.kafka import KafkaEvents

                return KafkaEvents(settings.events)
        case other:
            raise _unknown("EVENTS", other)


def vectors(settings: Settings, name: str, dim: int, *, pages: bool = False) -> Vectors:
    match _scheme(settings.vectors):
        case "":
            from bowerbird.adapters.vectors.faiss import FaissVectors

            return FaissVectors(settings.data / "vectors" / name, dim, settings.exact_below)
        case "postgresql" | "postgres":
            with _chosen("VECTORS", extra="postgres"):
                from bowerbird.adapters.vectors.pgvector import PgVectors

                return PgVectors(settings.vectors, name, dim, settings.exact_below, pages=pages)
        case "milvus":
            with _chosen("VECTORS", extra="milvus"):
                from bowerbird.adapters.vectors.milvus import MilvusVectors

                return MilvusVectors(settings.vectors, name, dim, pages=pages)
        case other:
            raise _unknown("VECTORS", other)


def indexes(settings: Settings) -> dict[str, int]:
    """The name of each vector index, and how many numbers a row has: looks first, then colours. Each model version has
    looks of its own, for they cannot be compared."""
    from bowerbird.darkroom.colour import DIM as COLOUR_DIM

    variant = BUILT_IN.get(settings.encoder)
    if variant is None:
        model = encoder(settings)
        return {f"looks-{model.version}": model.dim, "colours": COLOUR_DIM}

    from bowerbird.adapters.encoder.efficientnet import EfficientNet, version

    return {f"looks-{version(variant)}": EfficientNet.dim, "colours": COLOUR_DIM}


def check_shared(settings: Settings) -> None:
    """Raises `BadSetting` for an engine that one process at a time may open: the service is several."""
    if settings.vectors.startswith("milvus:///"):
        raise BadSetting(
            "BOWERBIRD_VECTORS is a file of Milvus Lite: one process may have it open, and a service is several. "
            "Name a Milvus server (milvus://host:19530), or leave it empty."
        )


def check(settings: Settings) -> None:
    """Open and close what a URL names, except the database: what is wrong is told once, at the start, not by processes
    that keep dying. Raises `BadSetting`, `Unavailable`."""
    from bowerbird.darkroom.colour import DIM as COLOUR_DIM

    check_shared(settings)
    named: list[tuple[str, Callable[[], Any]]] = [
        (settings.blobs, lambda: blobs(settings)),
        (settings.queue, lambda: queue(settings)),
        (settings.metadata, lambda: metadata(settings)),
        (settings.cache, lambda: cache(settings)),
        (settings.events, lambda: events(settings)),
        (settings.vectors, lambda: vectors(settings, "colours", COLOUR_DIM)),
    ]
    for url, opening in named:
        engine: Any = opening() if url else None
        if hasattr(engine, "close"):
            engine.close()


def looks(settings: Settings, *, pages: bool = False) -> LearnedVectors:
    """The index of what pictures look like."""
    return learned(settings, *next(iter(indexes(settings).items())), pages=pages)


def learned(settings: Settings, name: str, dim: int, *, pages: bool = False) -> LearnedVectors:
    """The index `name`, searched through what `bowerbird train` learned, if there is anything."""
    from bowerbird.adapters.vectors.learned import LearnedVectors

    plain = vectors(settings, name, dim, pages=pages)
    folder = settings.data / "vectors" / f"{name}-learned"
    return LearnedVectors(plain, folder, lambda version: vectors(settings, f"{name}-w{version}", dim, pages=pages))


def learnable(engines: Engines) -> LearnedVectors:
    """The index of looks, as something that can be searched through a learned projection."""
    from bowerbird.adapters.vectors.learned import LearnedVectors

    if not isinstance(engines.looks, LearnedVectors):
        raise BadSetting("This vector index cannot be searched through a projection.")
    return engines.looks


def encoder(settings: Settings, threads: int = 1) -> Encoder:
    """The model itself; heavy, so a darkroom's child makes it, not the web process."""
    variant = BUILT_IN.get(settings.encoder)
    if variant is not None:
        from bowerbird.adapters.encoder.efficientnet import EfficientNet

        return EfficientNet(settings.data / "models", variant, threads)

    from bowerbird.adapters.encoder.onnx_model import OnnxModel

    path = Path(settings.encoder)
    if not path.is_file():
        raise BadSetting(
            f"BOWERBIRD_ENCODER is {str(path)!r}, which is neither {', '.join(BUILT_IN)} nor an ONNX file."
        )
    try:
        return OnnxModel(path, threads)
    except ValueError as error:
        raise BadSetting(f"BOWERBIRD_ENCODER: {error}") from error


def darkroom(settings: Settings, *, patience: float | None = None) -> Darkroom:
    """A child process in which foreign bytes are opened; `patience` in seconds."""
    from bowerbird.darkroom.process import Darkroom

    make: Callable[[], Encoder] = functools.partial(encoder, settings)
    return Darkroom(make, memory_mb=settings.darkroom_mb, timeout=settings.step_timeout, patience=patience)


def _readers(text: str, addresses: Callable[[str], list[Any]]) -> list[Any]:
    with _chosen("DATABASE_READERS", extra=""):
        urls = [url for url in re.split(r",\s*(?=\w+://)", text) if url]
        return [address for url in urls for address in addresses(url)]


def _scheme(url: str) -> str:
    return urlsplit(url).scheme


@contextmanager
def _chosen(name: str, extra: str) -> Iterator[None]:
    """Around the opening of the engine that a setting names: what is wrong is told by the setting's name. An adapter
    raises ValueError for a URL that it cannot use, with words that show no password."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise BadSetting(
            f"BOWERBIRD_{name} names an engine whose client is not installed ({error.name}). "
            f"`pip install bowerbird[{extra}]`, or leave it empty."
        ) from error
    except ValueError as error:
        raise BadSetting(f"BOWERBIRD_{name} cannot be used: {error}.") from error
    except Unavailable as error:
        raise Unavailable(f"BOWERBIRD_{name}: {error}") from error


def _unknown(name: str, scheme: str) -> BadSetting:
    return BadSetting(f"BOWERBIRD_{name} has the scheme {scheme!r}, for which there is no engine. Leave it empty.")
