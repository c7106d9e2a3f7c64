"""Pins made ready to show: one Card a pin, with its addresses and reserved size."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bowerbird.model import WIDTHS, Board, Look, Pin, State
from bowerbird.ports import Engines
from bowerbird.search.looks import looks as known_looks
from bowerbird.web import media
from bowerbird.web.media import Signer

_look = msgspec.json.Decoder(Look)
SQUARE = 236
"""The size in pixels reserved for a picture whose own is not known yet."""


class Card(msgspec.Struct, frozen=True):
    """A pin on a wall. Sizes are those of the upright original in pixels."""

    id: str
    title: str
    alt: str
    href: str
    src: str
    """Address of the smallest rendition; empty while the picture is not ready."""
    srcset: str
    width: int
    height: int
    thumbhash: str
    """Base64 of the placeholder to show until the picture comes; see https://evanw.github.io/thumbhash/."""
    colour: str
    """The picture's first dominant colour, `#rrggbb`."""
    username: str
    animated: bool
    state: State
    secret: bool


def looks(engines: Engines, names: Sequence[str]) -> dict[str, Look]:
    """What is known of each image by media name, in one round-trip; unknown ones are left out."""
    return {name: _look.decode(value) for name, value in known_looks(engines, names).items()}


def cards(engines: Engines, pins: Sequence[Pin], viewer: int | None, signer: Signer) -> list[Card]:
    """Cards in the order of `pins`, which hold only what `viewer` (a user id) may see."""
    known = looks(engines, list({pin.image.media for pin in pins}))
    return [card(pin, known.get(pin.image.media), signer) for pin in pins]


def card(pin: Pin, look: Look | None, signer: Signer) -> Card:
    sources = renditions(pin, look, signer)
    return Card(
        id=str(pin.id),
        title=pin.title,
        alt=pin.alt or pin.title or _described(look),
        href=f"/pin/{pin.id}",
        src=sources[0][0] if sources else "",
        srcset=", ".join(f"{address} {width}w" for address, width, _ in sources),
        width=look.width if look else SQUARE,
        height=look.height if look else SQUARE,
        thumbhash=look.thumbhash if look else "",
        colour=look.palette[0].hex if look and look.palette else "#888888",
        username=pin.username,
        animated=bool(look and look.animated),
        state=pin.image.state,
        secret=pin.secret,
    )


def renditions(pin: Pin, look: Look | None, signer: Signer) -> list[tuple[str, int, int]]:
    """(address, width, height) of each rendition, narrowest first; signed for a secret pin."""
    if look is None or pin.image.state is not State.READY:
        return []
    secret = signer if pin.secret else None
    return [
        (media.url(f"{width}x", pin.image.media, secret), rendition.width, rendition.height)
        for width, rendition in zip(WIDTHS, look.renditions, strict=False)
    ]


def animation(pin: Pin, look: Look | None, signer: Signer) -> str:
    """Address of the moving rendition; empty for a still picture."""
    if look is None or not look.animated:
        return ""
    return media.url("animated", pin.image.media, signer if pin.secret else None)


def covers(board: Board, viewer: int | None, signer: Signer) -> list[str]:
    """Addresses of a board's covers; signed for those who may see secret pins among them."""
    secret = signer if board.secret or viewer is not None else None
    return [media.url("236x", name, secret) for name in board.covers]


def _described(look: Look | None) -> str:
    """Words for those who cannot see a picture that nobody described."""
    if look and look.tags:
        return ", ".join(tag.name for tag in look.tags[:2])
    return "Picture"
