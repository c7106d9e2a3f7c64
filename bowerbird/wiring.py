"""Settings to engines: the only place that chooses one, and the only importer of adapters.

An engine's SDK is imported in its branch, so that nobody pays for what they do not use.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bowerbird.ports import Blobs, Cache, Database, Encoder, Engines, EventLog, Metadata, Queue, Vectors
from bowerbird.settings import BadSetting, Settings, secret_key

if TYPE_CHECKING:
    from bowerbird.adapters.vectors.learned import LearnedVectors
    from bowerbird.darkroom.process import Darkroom

BUILT_IN = {"efficientnet-lite2": "lite2", "efficientnet-lite0": "lite0"}
"""Encoders that need no file of one's own."""


def connect(settings: Settings) -> Engines:
    """Open every engine and bring the catalog's schema up to date. Raises `BadSetting`, `Unavailable`."""
    from bowerbird.darkroom.colour import DIM as COLOUR_DIM

    return Engines(
        database=catalog(settings),
        blobs=blobs(settings),
        queue=queue(settings),
        metadata=metadata(settings),
        cache=cache(settings),
        events=events(settings),
        looks=looks(settings),
        colours=vectors(settings, "colours", COLOUR_DIM),
    )


def catalog(settings: Settings) -> Database:
    """The database alone, with its schema up to date; the data folder and the secret key are there then."""
    from bowerbird.catalog import schema

    prepare(settings.data)
    secret_key(settings)
    data = database(settings)
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


def database(settings: Settings) -> Database:
    match _scheme(settings.database):
        case "":
            from bowerbird.adapters.database.sqlite import SqliteDatabase

            return SqliteDatabase(settings.data / "catalog.db")
        case other:
            raise _unknown("DATABASE", other)


def blobs(settings: Settings) -> Blobs:
    match _scheme(settings.blobs):
        case "":
            from bowerbird.adapters.blobs.folder import Folder

            return Folder(settings.data / "blobs")
        case other:
            raise _unknown("BLOBS", other)


def queue(settings: Settings) -> Queue:
    match _scheme(settings.queue):
        case "":
            from bowerbird.adapters.queue.sqlite import SqliteQueue

            return SqliteQueue(settings.data / "queue.db")
        case other:
            raise _unknown("QUEUE", other)


def metadata(settings: Settings) -> Metadata:
    match _scheme(settings.metadata):
        case "":
            from bowerbird.adapters.metadata.sqlite import SqliteMetadata

            return SqliteMetadata(settings.data / "metadata.db")
        case other:
            raise _unknown("METADATA", other)


def cache(settings: Settings) -> Cache:
    match _scheme(settings.cache):
        case "":
            from bowerbird.adapters.cache.memory import MemoryCache

            return MemoryCache(max_bytes=settings.cache_mb * 2**20)
        case other:
            raise _unknown("CACHE", other)


def events(settings: Settings) -> EventLog:
    match _scheme(settings.events):
        case "":
            from bowerbird.adapters.events.sqlite import SqliteEvents

            return SqliteEvents(settings.data / "events.db")
        case other:
            raise _unknown("EVENTS", other)


def vectors(settings: Settings, name: str, dim: int) -> Vectors:
    match _scheme(settings.vectors):
        case "":
            from bowerbird.adapters.vectors.faiss import FaissVectors

            return FaissVectors(settings.data / "vectors" / name, dim, settings.exact_below)
        case other:
            raise _unknown("VECTORS", other)


def looks(settings: Settings) -> LearnedVectors:
    """The index of what pictures look like; each model version has its own, for they cannot be compared."""
    variant = BUILT_IN.get(settings.encoder)
    if variant is None:
        model = encoder(settings)
        return learned(settings, f"looks-{model.version}", model.dim)

    from bowerbird.adapters.encoder.efficientnet import EfficientNet, version

    return learned(settings, f"looks-{version(variant)}", EfficientNet.dim)


def learned(settings: Settings, name: str, dim: int) -> LearnedVectors:
    """The index `name`, searched through what `bowerbird train` learned, if there is anything."""
    from bowerbird.adapters.vectors.learned import LearnedVectors

    plain = vectors(settings, name, dim)
    folder = settings.data / "vectors" / f"{name}-learned"
    return LearnedVectors(plain, folder, lambda version: vectors(settings, f"{name}-w{version}", dim))


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


def darkroom(settings: Settings) -> Darkroom:
    """A child process in which foreign bytes are opened."""
    from bowerbird.darkroom.process import Darkroom

    make: Callable[[], Encoder] = functools.partial(encoder, settings)
    return Darkroom(make, memory_mb=settings.darkroom_mb, timeout=settings.step_timeout)


def _scheme(url: str) -> str:
    return urlsplit(url).scheme


def _unknown(name: str, scheme: str) -> BadSetting:
    return BadSetting(f"BOWERBIRD_{name} has the scheme {scheme!r}, for which there is no engine. Leave it empty.")
