"""What every key-value store here takes, whatever it could take."""

from __future__ import annotations

MAX_VALUE = 400_000
MAX_KEY = 1024
"""In bytes."""


def checked(key: str) -> str:
    """The key. Raises `ValueError` for one that not every engine could keep."""
    if not 0 < len(key.encode()) <= MAX_KEY:
        raise ValueError(f"a key has 1 to {MAX_KEY} bytes, not {len(key.encode())}")
    if "\0" in key:
        raise ValueError("a key has no NUL")
    return key


def sized(value: bytes) -> bytes:
    """The document. Raises `ValueError` for one that is too large."""
    if len(value) > MAX_VALUE:
        raise ValueError(f"a document has at most {MAX_VALUE} bytes, not {len(value)}")
    return value
