"""Which keys there may be, the same in every store."""

from __future__ import annotations

import re

_KEY = re.compile(r"[a-z0-9._-]{1,255}(/[a-z0-9._-]{1,255})*")


def checked(key: str) -> str:
    """The key itself. Raises ValueError for what is none."""
    if len(key) > 1024 or not _KEY.fullmatch(key) or not {".", ".."}.isdisjoint(key.split("/")):
        raise ValueError(f"{key[:100]!r} is no key: relative paths of [a-z0-9._-/] up to 1,024 characters are")
    return key


def folders_of(prefix: str) -> str:
    """All of `prefix` that is whole folders; `""` for none. Raises ValueError where no key begins so."""
    if prefix:
        checked(prefix.removesuffix("/"))
    return prefix.rpartition("/")[0]
