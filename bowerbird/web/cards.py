"""Pins made ready to show: one Card a pin, with its addresses and reserved size."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bowerbird.catalog.faces import Face, of_pins
from bowerbird.model import WIDTHS, Board, Look, Pin, State
from bowerbird.ports import Engines
from bowerbird.web import media
from bowerbird.web.media import Signer

_look = msgspec.json.Decoder(Look)
NAMES = tuple(f"{width}x" for width in WIDTHS)
"""Of the renditions."""
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
    source: str = ""
    """On a wall made for someone: what proposed it."""
    position: int = 0
    """There: its place from the top, from 0."""
    reason: str = ""
    """There: why it is shown, a sentence."""


def looks(engines: Engines, names: Sequence[str]) -> dict[str, Look]:
    """What is known of each image by media name, in one round-trip; unknown ones are left out."""
    found = engines.metadata.get_many([f"look:{name}" for name in names])
    return {key.removeprefix("look:"): _look.decode(value) for key, value in found.items()}


def cards(engines: Engines, pins: Sequence[Pin], signer: Signer) -> list[Card]:
    """Cards in the order of `pins`, which hold only what the viewer may see."""
    return [card(face, signer) for face in of_pins(engines, pins)]


def card(face: Face, signer: Signer, source: str = "", position: int = 0, reason: str = "") -> Card:
    sources = _sources(face, signer)
    return Card(
        id=str(face.id),
        title=face.title,
        alt=face.alt or face.title or ", ".join(face.tags[:2]) or "Picture",
        href=f"/pin/{face.id}",
        src=sources[0][0] if sources else "",
        srcset=", ".join([f"{address} {width}w" for address, width in sources]),
        width=face.width or SQUARE,
        height=face.height or SQUARE,
        thumbhash=face.thumbhash,
        colour=face.colour or "#888888",
        username=face.username,
        animated=face.animated,
        state=face.state,
        secret=face.secret,
        source=source,
        position=position,
        reason=reason,
    )


def _sources(face: Face, signer: Signer) -> list[tuple[str, int]]:
    """(address, width) of each rendition, narrowest first; signed for a secret pin."""
    if face.state is not State.READY:
        return []
    addresses = media.urls(NAMES[: len(face.widths)], face.media, signer if face.secret else None)
    return list(zip(addresses, face.widths, strict=False))


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
