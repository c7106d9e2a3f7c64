"""What goes in and comes out of the API. Ids are strings, because JavaScript cannot hold 64 bits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from litestar.datastructures import UploadFile
from litestar.params import PathParameter, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from bowerbird.catalog.fetches import Fetch
from bowerbird.model import Board, Look, Pin, Role, Scope, State, Swatch, Tag, Token, User
from bowerbird.search.duplicates import Kind
from bowerbird.web import cards
from bowerbird.web.auth import LONGEST, SHORTEST, Viewer
from bowerbird.web.cards import Card
from bowerbird.web.media import Signer

LARGEST = 10**18 - 1

Id = Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$", description="A whole number as a string.", examples=["42"])]
PathId = Annotated[int, PathParameter(ge=1, le=LARGEST, description="An id.")]
Bookmark = Annotated[
    str | None,
    QueryParameter(pattern="^[0-9]{1,18}$", description="The `bookmark` of the page before; none for the first page."),
]
FeedMark = Annotated[
    str | None,
    QueryParameter(
        pattern="^([0-9A-Za-z_-]{1,60}[.])?[0-9]{1,18}$",
        description="The `bookmark` of the page before; none for the first page.",
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=100, description="The most items of a page.")]
Title = Annotated[str, Meta(max_length=200, examples=["Satin bowerbird at his bower"])]
Description = Annotated[str, Meta(max_length=2000)]
Link = Annotated[
    str, Meta(max_length=2000, description="Where the picture is from.", examples=["https://example.org/"])
]
Alt = Annotated[str, Meta(max_length=500, description="What the picture shows, for those who cannot see it.")]
BoardName = Annotated[str, Meta(min_length=1, max_length=80, examples=["Blue things"])]
About = Annotated[str, Meta(max_length=500)]
Username = Annotated[str, Meta(min_length=1, max_length=64, examples=["satin"])]
Password = Annotated[str, Meta(min_length=SHORTEST, max_length=LONGEST, examples=["correct horse battery"])]
Secret = Annotated[str, Meta(max_length=1000)]


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)


class Wall(msgspec.Struct, frozen=True):
    """One page of pins."""

    items: list[Card]
    bookmark: str | None
    """Asks for the next page; null on the last."""


class FeedWall(msgspec.Struct, frozen=True):
    """One page of pins that were chosen for someone; each has a `source`, a `position` and a `reason`."""

    items: list[Card]
    bookmark: str | None
    """Asks for the next page; null on the last."""
    request: str
    """Names the list that this is a page of; events carry it."""


class Hide(msgspec.Struct, frozen=True):
    """Why a picture is hidden, and where it was found."""

    reason: Literal["dislike", "seen", "off-topic"] = "dislike"
    via: Annotated[str, Meta(max_length=200, description="`page:request:position:source`")] = ""


class Choices(msgspec.Struct, frozen=True):
    """Pictures that someone new likes."""

    pins: Annotated[list[Id], Meta(min_length=1, max_length=100)]


class Picture(msgspec.Struct, frozen=True):
    url: str
    width: int
    height: int


class PinOut(msgspec.Struct, frozen=True):
    id: Id
    username: str
    title: str
    description: str
    link: str
    alt: str
    secret: bool
    mine: bool
    saves: int
    created_at: datetime
    state: State
    step: str
    """The step that failed; empty unless `state` is `failed`."""
    error: str
    width: int
    height: int
    format: str
    pictures: list[Picture]
    """Renditions, narrowest first."""
    animation: str
    """Address of the moving rendition; empty for a still picture."""
    thumbhash: str
    palette: list[Swatch]
    tags: list[Tag]
    taken_at: str
    camera: str


def pin_out(pin: Pin, look: Look | None, viewer: Viewer, signer: Signer) -> PinOut:
    return PinOut(
        id=str(pin.id),
        username=pin.username,
        title=pin.title,
        description=pin.description,
        link=pin.link,
        alt=pin.alt,
        secret=pin.secret,
        mine=pin.user_id == viewer.id,
        saves=pin.saves,
        created_at=when(pin.created_at),
        state=pin.image.state,
        step=pin.image.step,
        error=pin.image.error,
        width=look.width if look else 0,
        height=look.height if look else 0,
        format=look.format if look else "",
        pictures=[Picture(*each) for each in cards.renditions(pin, look, signer)],
        animation=cards.animation(pin, look, signer),
        thumbhash=look.thumbhash if look else "",
        palette=list(look.palette) if look else [],
        tags=list(look.tags) if look else [],
        taken_at=look.taken_at if look else "",
        camera=look.camera if look else "",
    )


class PinForm(msgspec.Struct):
    """`multipart/form-data` of an upload."""

    picture: UploadFile
    title: Title = ""
    description: Description = ""
    link: Link = ""
    alt: Alt = ""
    board_id: Annotated[str, Meta(pattern="^([1-9][0-9]{0,17})?$", description="A board to save it to.")] = ""


class FromUrl(msgspec.Struct, frozen=True):
    url: Annotated[str, Meta(max_length=2000, pattern="^https?://", examples=["https://example.org/bower.jpg"])]
    title: Title = ""
    description: Description = ""
    link: Link = ""
    alt: Alt = ""
    board_id: Id | None = None


class PinChange(msgspec.Struct, frozen=True):
    """What is left out stays."""

    title: Title | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    link: Link | UnsetType = UNSET
    alt: Alt | UnsetType = UNSET


class Progress(msgspec.Struct, frozen=True):
    """Where an upload stands."""

    id: Id
    state: State
    step: str = ""
    error: str = ""
    created: bool = True
    """False for a picture that this user has uploaded before: then this is the pin from then."""


class Fetched(msgspec.Struct, frozen=True):
    """Where an upload by URL stands."""

    id: Id
    url: str
    state: State
    error: str
    pin_id: Id | None
    """The pin, once the picture is here."""


def fetched(fetch: Fetch) -> Fetched:
    pin_id = str(fetch.pin_id) if fetch.pin_id else None
    return Fetched(str(fetch.id), fetch.url, fetch.state, fetch.error, pin_id)


class Duplicate(msgspec.Struct, frozen=True):
    kind: Kind
    """How the other picture differs from this one."""
    pin: Card


class BoardOut(msgspec.Struct, frozen=True):
    id: Id
    username: str
    name: str
    slug: str
    href: str
    description: str
    secret: bool
    created_at: datetime
    pin_count: int
    covers: list[str]
    """Addresses of up to five pictures."""


def board_out(board: Board, viewer: Viewer, signer: Signer) -> BoardOut:
    return BoardOut(
        id=str(board.id),
        username=board.username,
        name=board.name,
        slug=board.slug,
        href=f"/u/{board.username}/{board.slug}",
        description=board.description,
        secret=board.secret,
        created_at=when(board.created_at),
        pin_count=board.pin_count,
        covers=cards.covers(board, viewer.id, signer),
    )


class BoardForm(msgspec.Struct, frozen=True):
    name: BoardName
    description: About = ""
    secret: bool = False


class BoardChange(msgspec.Struct, frozen=True):
    """What is left out stays."""

    name: BoardName | UnsetType = UNSET
    description: About | UnsetType = UNSET
    secret: bool | UnsetType = UNSET


class UserOut(msgspec.Struct, frozen=True):
    username: str
    name: str
    about: str
    created_at: datetime


def user_out(user: User) -> UserOut:
    return UserOut(user.username, user.name, user.about, when(user.created_at))


class Account(msgspec.Struct, frozen=True):
    """Oneself, or anyone for an administrator."""

    id: Id
    username: str
    name: str
    about: str
    role: Role
    disabled: bool
    created_at: datetime
    csrf: str = ""
    """To be sent as `X-CSRF-Token` with unsafe requests of this session; empty for tokens."""


def account(user: User, csrf: str = "") -> Account:
    return Account(
        str(user.id), user.username, user.name, user.about, user.role, user.disabled, when(user.created_at), csrf
    )


class SignUp(msgspec.Struct, frozen=True):
    username: Annotated[
        str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]{1,29}$", examples=["satin"], description="Kept in lower case.")
    ]
    password: Password
    name: Annotated[str, Meta(max_length=80)] = ""


class LogIn(msgspec.Struct, frozen=True):
    username: Username
    password: Secret


class AccountChange(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(max_length=80)] | UnsetType = UNSET
    about: About | UnsetType = UNSET


class Farewell(msgspec.Struct, frozen=True):
    password: Secret


class PasswordChange(msgspec.Struct, frozen=True):
    old: Secret
    new: Password


class Standing(msgspec.Struct, frozen=True):
    """What an administrator changes of an account."""

    role: Role | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    password: Password | UnsetType = UNSET
    """A new one; ends every login of that account."""


class TokenForm(msgspec.Struct, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=80, examples=["Holiday import"])]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=3)]
    days: Annotated[int, Meta(ge=1, le=3650, description="Until it expires.")] = 90


class TokenOut(msgspec.Struct, frozen=True):
    id: Id
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    secret: str = ""
    """The token itself, told only when it is made."""


def token_out(token: Token, secret: str = "") -> TokenOut:
    used = when(token.used_at) if token.used_at else None
    return TokenOut(
        str(token.id), token.name, list(token.scopes), when(token.created_at), when(token.expires_at), used, secret
    )


class ParkedOut(msgspec.Struct, frozen=True):
    """A job that failed too often."""

    id: str
    kind: str
    payload: str
    """JSON."""
    error: str
    tries: int
    parked_at: datetime


class Retry(msgspec.Struct, frozen=True):
    ids: Annotated[list[str], Meta(max_length=1000)] | None = None
    """Which jobs; all of them if left out."""


class Retried(msgspec.Struct, frozen=True):
    count: int


class PictureQuery(msgspec.Struct):
    """`multipart/form-data` of a search by picture; the picture is not kept."""

    picture: UploadFile
    box: Annotated[str, Meta(max_length=100, examples=["0.1,0.2,0.5,0.5"])] = ""
    q: Annotated[str, Meta(max_length=200, description="Words; the last may be a beginning.")] = ""
    colour: Annotated[str, Meta(pattern="^(#?[0-9A-Fa-f]{6})?$", description="A colour as `rrggbb`.")] = ""
