"""What the pipeline learned of pictures, kept in the cache for a while: a page asks for the same ones twice."""

from __future__ import annotations

from collections.abc import Iterable

from bowerbird.ports import Engines

KEEP = 60.0
"""Seconds; so long may a page show what a picture was before it went through the pipeline again."""


def looks(engines: Engines, media: Iterable[str]) -> dict[str, bytes]:
    """`model.Look` as JSON by media name, in one round-trip at most; unknown ones are left out."""
    found: dict[str, bytes] = {}
    missing: list[str] = []
    for name in media:
        kept = engines.cache.get(f"look:{name}")
        if kept is None:
            missing.append(name)
        else:
            found[name] = kept
    if missing:
        for key, look in engines.metadata.get_many([f"look:{name}" for name in missing]).items():
            found[key.removeprefix("look:")] = look
            engines.cache.put(key, look, KEEP)
    return found
