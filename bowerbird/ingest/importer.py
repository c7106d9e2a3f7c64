"""A folder of pictures becomes pins, each sub-folder a board."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bowerbird.catalog import boards, images
from bowerbird.ingest import upload
from bowerbird.model import State
from bowerbird.ports import Engines

_CAMERA_NAME = re.compile(
    r"(?i)^(img|dsc[fn]?|pxl|mvimg|p|gopr|image|photo|screenshot|wp)?[\s_-]*[\d\s_-]*((e|wa)\d+)?$"
)
_HASH_NAME = re.compile(r"(?i)^[0-9a-f]{8,}(-[0-9a-f]{4,})*$")

_NOT_PICTURES = {".csv", ".db", ".ds_store", ".html", ".ini", ".json", ".md", ".txt", ".xml", ".yaml", ".yml"}
"""Passed over without a word; any other file that is no picture is reported."""

AT_ONCE = 500
"""Images asked for in one statement."""


@dataclass
class Imported:
    """What came of a folder."""

    created: int = 0
    known: int = 0
    """Pictures that this user had pinned already."""
    refused: list[tuple[Path, str]] = field(default_factory=list)
    """Files that were not taken and folders that could not be read, and why."""
    taken: dict[int, Path] = field(default_factory=dict)
    """By image id the file it came from, the first of several."""

    def summary(self) -> str:
        parts = [f"{self.created:,} new pictures", f"{self.known:,} already there"]
        return ", ".join(parts) + (f", {len(self.refused):,} not taken:" if self.refused else ".")


def walk(
    engines: Engines,
    user_id: int,
    folder: Path,
    *,
    secret: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
    max_bytes: int = upload.MAX_BYTES,
) -> Imported:
    """Import every picture below `folder` for one user; what is there already, by content, stays one pin.

    The board of `folder/a/b` is called "a / b"; pictures in `folder` itself go on none, or, if `secret`, on one
    of the folder's own name. Raises `Unavailable`; run again, it goes on where it stopped.
    """
    done = Imported()
    files = sorted(_files(folder, lambda error: done.refused.append(_unread(error, folder))))
    top = _words(folder.resolve().name) if secret else ""
    on_board: dict[str, int | None] = {"": None}
    for number, path in enumerate(files):
        progress(number, len(files))
        name = board_name(path.parent.relative_to(folder)) or top
        try:
            if path.stat().st_size > max_bytes:
                raise upload.Refused(f"It has more than {max_bytes / 2**20:g} MB.")
            data = path.read_bytes()
            upload.check(data, max_bytes)
            if name not in on_board:
                on_board[name] = _board(engines, user_id, name, secret)
            taken = upload.accept(
                engines, user_id, data, title=title(path.stem), board_id=on_board[name], max_bytes=max_bytes
            )
        except upload.Refused as refused:
            done.refused.append((path.relative_to(folder), str(refused)))
        except OSError as error:
            done.refused.append((path.relative_to(folder), error.strerror or str(error)))
        else:
            done.created += taken.created
            done.known += not taken.created
            done.taken.setdefault(taken.pin.image.id, path.relative_to(folder))
    progress(len(files), len(files))
    return done


def failed(engines: Engines, done: Imported) -> list[tuple[Path, str]]:
    """Files of an import that the pipeline could not use, each with the step and the reason. Ask once it is through."""
    ids = list(done.taken)
    found: list[tuple[Path, str]] = []
    with engines.database.read() as conn:
        for start in range(0, len(ids), AT_ONCE):
            some = images.by_ids(conn, ids[start : start + AT_ONCE]).values()
            bad = [image for image in some if image.state is State.FAILED]
            found += [(done.taken[image.id], f"{image.step}: {image.error}") for image in bad]
    return sorted(found)


def title(stem: str) -> str:
    """Words from a file's name; none from a camera's counter or a hash."""
    words = _words(re.sub(r"(?<=\w)-(?=\w)", " ", stem))
    if _CAMERA_NAME.match(stem) or _HASH_NAME.match(stem) or not re.search(r"[^\W\d]{2}", words):
        return ""
    return (words[0].upper() + words[1:])[:200]


def board_name(folder: Path) -> str:
    """Up to 80 characters, the end of a longer path; empty for the top."""
    return " / ".join(filter(None, map(_words, folder.parts)))[-80:].strip(" /")


def _words(name: str) -> str:
    """As the catalog keeps them, so that they are found again. File names may hold bytes that are no text."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return re.sub(r"[\s_\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def _board(engines: Engines, user_id: int, name: str, secret: bool) -> int:
    """The user's oldest board of this name, or a new one; a secret import never lands on an open board."""
    with engines.database.write() as conn:
        own = [board for board in boards.of_user(conn, user_id, user_id) if board.user_id == user_id]
        fit = [board.id for board in own if board.name == name and (board.secret or not secret)]
        return min(fit) if fit else boards.create(conn, user_id, name, secret=secret).id


def _unread(error: OSError, folder: Path) -> tuple[Path, str]:
    return Path(error.filename or folder).relative_to(folder), error.strerror or str(error)


def _files(folder: Path, unread: Callable[[OSError], None]) -> Iterator[Path]:
    """Regular files that may be pictures; hidden ones and links to folders are left out. `unread` is told of what
    could not be looked at."""
    for where, folders, names in os.walk(folder, onerror=unread):
        folders[:] = [name for name in folders if not name.startswith((".", "@", "__MACOSX"))]
        for name in names:
            path = Path(where, name)
            if name.startswith(".") or path.suffix.lower() in _NOT_PICTURES:
                continue
            try:
                if path.is_file():
                    yield path
            except OSError as error:  # a folder may show its names and yet let nobody in
                unread(error)
