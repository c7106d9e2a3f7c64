"""The nouns of the field: frozen, no I/O.

Times are UTC seconds since the epoch (float). Ids are positive integers given by the catalog;
JSON carries them as strings, because JavaScript cannot hold 64 bits.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import msgspec

RECIPE = 1
"""Version of the rendition recipe. A new recipe gives new media names, so an edge never serves a stale one."""

WIDTHS = (236, 474, 736, 1200)
"""Widths of the renditions in pixels; none is ever wider than its original."""

MAX_TRIES = 5
"""Deliveries of one job before it is parked."""


class State(StrEnum):
    """Where a picture stands on its route."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"


class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a personal token may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class User(msgspec.Struct, frozen=True):
    id: int
    username: str
    name: str
    role: Role
    about: str
    created_at: float
    disabled: bool = False


class Board(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    username: str
    name: str
    slug: str
    description: str
    secret: bool
    created_at: float
    pin_count: int = 0
    covers: tuple[str, ...] = ()
    """Media names of up to five of its newest ready pins that the viewer may see."""


class Image(msgspec.Struct, frozen=True):
    """One original, known by its content. Many pins may show the same image."""

    id: int
    sha256: str
    media: str
    state: State
    bytes: int
    step: str = ""
    """The step that failed, empty unless `state` is failed."""
    error: str = ""
    created_at: float = 0.0
    original: str = ""
    """The blob key of the original."""


class Rendition(msgspec.Struct, frozen=True):
    width: int
    height: int
    bytes: int


class Swatch(msgspec.Struct, frozen=True):
    """One dominant colour: `#rrggbb`, and its share of the picture from 0 to 1."""

    hex: str
    share: float


class Tag(msgspec.Struct, frozen=True):
    name: str
    confidence: float


class Look(msgspec.Struct, frozen=True):
    """What the pipeline learned of one image; kept in metadata under `look:<media>`."""

    width: int
    height: int
    """Size of the upright original in pixels."""
    format: str
    renditions: tuple[Rendition, ...]
    """In the order of `WIDTHS`, the first being `236x`; as many as it takes to hold the original's width.
    The last may be narrower than its name says, for nothing is enlarged."""
    thumbhash: str
    """Base64 of the 32-pixel placeholder."""
    palette: tuple[Swatch, ...]
    phash: str
    """64-bit perceptual hash in hex."""
    phash_flip: str
    """The same of the mirrored picture."""
    tags: tuple[Tag, ...] = ()
    animated: bool = False
    taken_at: str = ""
    """ISO 8601 local time of the camera, empty if unknown."""
    camera: str = ""


class Pin(msgspec.Struct, frozen=True):
    """One person's picture: an image with words."""

    id: int
    user_id: int
    username: str
    title: str
    description: str
    link: str
    alt: str
    secret: bool
    created_at: float
    image: Image
    saves: int = 0
    """On how many open boards it is."""


class Session(msgspec.Struct, frozen=True):
    id: str
    """SHA-256 of the cookie; the cookie itself is nowhere stored."""
    user_id: int
    csrf: str
    expires_at: float


class Token(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float
    used_at: float = 0.0


class Job(msgspec.Struct, frozen=True):
    """A hint that there is work. The row is the truth: a job lost or doubled does no harm."""

    kind: str
    """`process` (payload: image_id), `fetch` (url, user_id, ...), `purge` (image_id), `compare` (image_id)."""
    payload: dict[str, Any]
    id: str = ""


class Delivery(msgspec.Struct, frozen=True):
    job: Job
    receipt: str
    tries: int
    """Deliveries of this job up to and with this one; the first is 1."""


class Parked(msgspec.Struct, frozen=True):
    job: Job
    error: str
    tries: int
    parked_at: float


class EventKind(StrEnum):
    """What may happen."""

    IMPRESSION = "impression"
    """A second in someone's viewport."""
    CLOSEUP = "closeup"
    """Its page was opened."""
    CLICK = "click"
    """Its link to elsewhere was followed."""
    SAVE = "save"
    UNSAVE = "unsave"
    HIDE = "hide"
    UNHIDE = "unhide"
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    BOARD = "board"
    """A board was opened, or turned secret (`secret`), or is gone (likewise); without `board_id` all of someone's."""
    SEARCH = "search"
    UPLOAD = "upload"
    READY = "ready"
    """The pipeline is done with an image."""
    FAILED = "failed"


class Event(msgspec.Struct, frozen=True):
    """Something that happened, in the order of its log."""

    kind: str
    """An `EventKind`; a reader passes over what it does not know."""
    at: float
    user_id: int = 0
    pin_id: int = 0
    data: dict[str, Any] = {}
    """Where and what else: `page` (`home`, `related`, `search`, `board`, `more`, `pin`), `request` (id of the feed
    request), `position` on the page from 0, `source` that proposed the pin, `board_id`, `image_id`, `words`, `reason`,
    `followed_id`."""
    offset: int = 0
    """Given by the log; 0 before it is appended."""
    id: str = ""
    """Given by whoever saw it, so that one sent twice counts once; empty where that cannot happen."""


SOURCES = frozenset(["followed", "interests", "walk", "affinity", "trending", "fresh", "words", "newest", "visual"])
"""What may propose a pin."""
CHOICE = "choice"
"""The source of what someone new said that they like; it is told as a save, and is on no board."""


class Action(msgspec.Struct, frozen=True, array_like=True):
    """One thing that a person did with a picture."""

    kind: str
    pin_id: int
    image_id: int
    at: float
    source: str = ""
    reason: str = ""
    """Why it was hidden: `seen`, `dislike`, `off-topic`."""


class Interest(msgspec.Struct, frozen=True, array_like=True):
    """One cluster of a person's actions (PinnerSage, Pal et al., KDD 2020)."""

    image_id: int
    """Its medoid."""
    importance: float
    """Of its actions, decayed by their age; the importances of one person sum to 1."""
    pins: tuple[int, ...] = ()
    """Pins of its actions, latest first."""


class Taste(msgspec.Struct, frozen=True):
    """What the event processors know of one person; kept in metadata under `taste:<user_id>`."""

    offset: int = 0
    """Of the last event folded into it; an event at or below it changes nothing."""
    actions: tuple[Action, ...] = ()
    """Saves, closeups, clicks, uploads and choices, latest first, at most 200."""
    hidden: tuple[Action, ...] = ()
    """Latest first, at most 500."""
    searches: tuple[tuple[str, float], ...] = ()
    """Words and when, latest first, at most 20."""
    interests: tuple[Interest, ...] = ()
    """By importance, falling."""


class Shown(msgspec.Struct, frozen=True):
    """What a person has been shown; kept in metadata under `shown:<user_id>`."""

    offset: int = 0
    pins: dict[int, tuple[int, float]] = {}
    """By pin id: how often it was really seen, and when last; the latest 2,000 pins."""


class Counts(msgspec.Struct, frozen=True):
    """What happened to one pin (metadata `counts:<pin_id>`), or to all that one source proposed at one position
    (`counts:<source>:<position>`, positions in steps as `events.counters` says)."""

    offset: int = 0
    impressions: int = 0
    closeups: int = 0
    clicks: int = 0
    saves: int = 0
    hides: int = 0


class Trend(msgspec.Struct, frozen=True):
    """What is liked by many right now: metadata `trend:` overall, `trend:<tag>` by tag."""

    offset: int = 0
    at: float = 0.0
    """The time that the scores are decayed to."""
    pins: tuple[tuple[int, float], ...] = ()
    """Pin id and score, best first, at most 200."""


class Hit(msgspec.Struct, frozen=True):
    """A picture found, best first; `score` falls and is comparable within one answer only."""

    image_id: int
    score: float


class Box(msgspec.Struct, frozen=True):
    """A part of a picture in fractions of its upright width and height, from the top left."""

    x: float
    y: float
    w: float
    h: float


def media_name(sha256: str) -> str:
    """The name under which an image's renditions are served: 40 hex digits.

    It is not the original's own hash, so that a URL neither tells nor confirms who holds which file.
    """
    return hashlib.sha256(f"{sha256}:{RECIPE}".encode()).hexdigest()[:40]


def media_key(rendition: str, media: str) -> str:
    """The blob key and URL path of a rendition: `236x/ab/cd/ef/<media>.webp`."""
    return f"{rendition}/{media[:2]}/{media[2:4]}/{media[4:6]}/{media}.webp"


def original_key(sha256: str, mark: str = "") -> str:
    """A blob key for an original. With a new `mark` nobody else ever used it, or will."""
    return f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}{mark and '-'}{mark}"
