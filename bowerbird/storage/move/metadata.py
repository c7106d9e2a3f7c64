"""Documents and counters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from bowerbird.ports import Metadata
from bowerbird.storage.move import Digest, Moved, Report, agreed

BATCH = 200


def empty(target: Metadata) -> bool:
    return next(iter(target.documents()), None) is None and next(iter(target.counters()), None) is None


def move(source: Metadata, target: Metadata, report: Report) -> list[Moved]:
    """What the target holds beside them is removed. Times to live go on; they are not part of the hash."""
    return [_documents(source, target, report), _counters(source, target)]


def _documents(source: Metadata, target: Metadata, report: Report) -> Moved:
    here, copied = Digest(), Digest()
    keys: set[str] = set()
    of = sum(1 for _ in source.documents())
    going = iter(source.documents())
    while some := list(itertools.islice(going, BATCH)):
        for ttl, group in itertools.groupby(sorted(some, key=_ttl), key=_ttl):
            target.put_many({key: value for key, value, _ in group}, ttl if ttl >= 0 else None)
        found = target.get_many([key for key, _, _ in some])
        for key, value, _ in some:
            here.add(key.encode(), value)
            if key in found:
                copied.add(key.encode(), found[key])
            keys.add(key)
        report("Documents", here.count, max(of, here.count))
    target.delete([key for key, _, _ in target.documents() if key not in keys])
    return agreed("documents", here, copied)


def _counters(source: Metadata, target: Metadata) -> Moved:
    here, copied = Digest(), Digest()
    wanted = dict(source.counters())
    target.delete([key for key, _ in target.counters() if key not in wanted])
    known = dict(target.counters())
    for key, fields in wanted.items():
        has = known.get(key, {})
        steps = {field: n - has.get(field, 0) for field, n in fields.items()}
        found = target.add(key, steps)
        here.add(key.encode(), _plain(fields))
        copied.add(key.encode(), _plain(found))
    return agreed("counters", here, copied)


def _ttl(document: tuple[str, bytes, float | None]) -> float:
    """-1 for one that stays."""
    return -1.0 if document[2] is None else document[2]


def _plain(fields: Mapping[str, int]) -> bytes:
    return repr(sorted(fields.items())).encode()
