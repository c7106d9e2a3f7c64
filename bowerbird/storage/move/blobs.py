"""Originals, renditions and archives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bowerbird.ports import Blobs
from bowerbird.storage.move import Differs, Digest, Moved, Report, agreed

AT_ONCE = 16
"""Blobs on their way: a store over a network answers many as fast as one."""


def empty(target: Blobs) -> bool:
    return next(iter(target.keys()), None) is None


def move(source: Blobs, target: Blobs, report: Report) -> list[Moved]:
    """Each blob is read back and compared; what the target holds beside them is removed."""
    keys = list(source.keys())
    there = set(target.keys())
    here, copied = Digest(), Digest()

    def one(key: str) -> tuple[str, bytes, bytes]:
        data = source.get(key)
        found = target.get(key) if key in there else b""
        if key not in there or found != data:
            target.put(key, data)
            found = target.get(key)
        if found != data:
            raise Differs(f"{key}: read back, it is another. The target damages what it keeps.")
        return key, data, found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done, start in enumerate(range(0, len(keys), AT_ONCE), 1):
            for key, data, found in pool.map(one, keys[start : start + AT_ONCE]):
                here.add(key.encode(), data)
                copied.add(key.encode(), found)
            report("Blobs", min(done * AT_ONCE, len(keys)), len(keys))
    target.delete(there - set(keys))
    return [agreed("blobs", here, copied)]
