"""What a wall shows of pins, kept in the cache for a while.

Who may see a pin is asked of the database each time (`pins.shown`), and never of the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection

from bowerbird.catalog import cached, pins
from bowerbird.model import Look, Pin, State
from bowerbird.ports import Engines, Unavailable


class Face(msgspec.Struct, frozen=True, array_like=True):
    """A pin and what the pipeline learned of its image, as far as a wall needs it."""

    id: int
    image_id: int
    media: str
    state: State
    secret: bool
    username: str
    title: str
    alt: str
    width: int
    height: int
    """Size of the upright original in pixels; 0 while it is not known."""
    widths: tuple[int, ...]
    """Of its renditions in pixels, in the order of `model.WIDTHS`."""
    thumbhash: str
    colour: str
    """Its first dominant colour, `#rrggbb`; empty for none."""
    tags: tuple[str, ...]
    animated: bool
    phash: str
    phash_flip: str


_face = msgspec.msgpack.Decoder(Face)
_encode = msgspec.msgpack.Encoder().encode
_look = msgspec.json.Decoder(Look)


def faces(engines: Engines, conn: Connection, chosen: Mapping[int, bool]) -> dict[int, Face]:
    """By pin id, for pins that the viewer sees (`chosen`: pin id to whether it is secret); those gone are left out."""
    kept = cached.kept(engines, "face", [_name(pin_id, secret) for pin_id, secret in chosen.items()])
    found = {face.id: face for face in map(_face.decode, kept.values())}
    missing = [pin_id for pin_id in chosen if pin_id not in found]
    if missing:
        read = of_pins(engines, pins.by_ids(conn, missing))
        whole = [face for face in read if face.state is State.READY and face.phash]
        cached.keep(engines, "face", {_name(face.id, face.secret): _encode(face) for face in whole})
        found |= {face.id: face for face in read}
    return found


def of_pins(engines: Engines, shown: Iterable[Pin]) -> list[Face]:
    """Faces of these pins in their order; metadata is asked once for all."""
    shown = list(shown)
    try:
        known = engines.metadata.get_many(list({f"look:{pin.image.media}" for pin in shown}))
    except Unavailable:
        known = {}  # their words at least
    return [_of(pin, known.get(f"look:{pin.image.media}")) for pin in shown]


def forget(engines: Engines, pin_id: int) -> None:
    """Its words have changed: who shares this cache shows the new ones at once, others within a minute."""
    cached.drop(engines, "face", [_name(pin_id, False), _name(pin_id, True)])


def _name(pin_id: int, secret: bool) -> str:
    return f"{pin_id}:{secret:d}"


def _of(pin: Pin, known: bytes | None) -> Face:
    look = _look.decode(known) if known else None
    return Face(
        id=pin.id,
        image_id=pin.image.id,
        media=pin.image.media,
        state=pin.image.state,
        secret=pin.secret,
        username=pin.username,
        title=pin.title,
        alt=pin.alt,
        width=look.width if look else 0,
        height=look.height if look else 0,
        widths=tuple(one.width for one in look.renditions) if look else (),
        thumbhash=look.thumbhash if look else "",
        colour=look.palette[0].hex if look and look.palette else "",
        tags=tuple(tag.name for tag in look.tags) if look else (),
        animated=bool(look and look.animated),
        phash=look.phash if look else "",
        phash_flip=look.phash_flip if look else "",
    )
