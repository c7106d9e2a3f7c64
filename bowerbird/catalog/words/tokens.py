"""Text into the words that the index holds: stemmed, without diacritics, the same for every engine."""

from __future__ import annotations

import re
import sqlite3
import threading
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

TOKENIZER = "porter unicode61 remove_diacritics 2"

TERMS = 16
"""Words of a query that count; nobody types more, and each costs."""

# FTS5 splits at spaces, which Chinese and Japanese do not write: there each character is a word.
UNSPACED = re.compile(r"([぀-ヿ㐀-䶿一-鿿豈-﫿\U00020000-\U0003ffff])")


class Text(NamedTuple):
    """A pin's words by field."""

    title: str
    description: str
    boards: str
    tags: str


WEIGHTS = (8, 2, 4, 3)
"""Of title, description, boards and tags."""


class Query(NamedTuple):
    words: list[str]
    """At most `TERMS`; one that is written without spaces has its characters spaced."""
    unfinished: bool
    """The last may be the beginning of a word."""


def spaced(text: str) -> str:
    return UNSPACED.sub(r" \1 ", unicodedata.normalize("NFKC", text))


def query(text: str) -> Query:
    # Composed first, as macOS writes an accent on its own, which is no letter; some have no composed form.
    typed = unicodedata.normalize("NFKC", text[:1000]).replace("_", " ")
    found = [spaced(word).split() for word in re.findall(r"\w[\w\u0300-\u036f]*", typed)]
    return Query([" ".join(word)[:80] for word in found][:TERMS], len(found) <= TERMS)


def completed(word: str) -> str:
    """The stemmer cuts `running` to `run`, of which `runni` is no beginning; completed to -ing it is cut alike."""
    return re.sub(r"(ing|in|i|)$", "ing", word, count=1)


def tokens(texts: Sequence[str]) -> list[list[str]]:
    """The stemmed words of each text, in its order.

    SQLite splits and stems for every engine, in memory: its tokenizers know more of Unicode than anything in the
    standard library, and so the same words mean the same wherever the catalog is kept.
    """
    with _memory() as memory:
        memory.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts))
        rows = memory.execute("SELECT doc, term FROM instances ORDER BY doc, offset").fetchall()
        memory.rollback()
    found: list[list[str]] = [[] for _ in texts]
    for doc, term in rows:
        found[doc].append(term)
    return found


def paired(words: Sequence[str]) -> list[str]:
    """Neighbours among words that are written without spaces, as words of their own."""
    return [one + other for one, other in pairwise(words) if UNSPACED.fullmatch(one) and UNSPACED.fullmatch(other)]


def needed(words: Sequence[str]) -> list[str]:
    """What a pin that has these words next to each other has: their pairs, and those of them that are in none."""
    pairs = paired(words)
    return [word for word in words if word not in "".join(pairs)] + pairs


_thread = threading.local()


def _memory() -> sqlite3.Connection:
    memory: sqlite3.Connection | None = getattr(_thread, "memory", None)
    if memory is None:
        memory = _thread.memory = sqlite3.connect(":memory:")
        memory.execute(f"CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = '{TOKENIZER}')")
        memory.execute("CREATE VIRTUAL TABLE instances USING fts5vocab(texts, instance)")
    return memory
