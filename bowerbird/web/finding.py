"""Search as the web asks for it: boxes as text, uploads that are not kept, pages by bookmark."""

from __future__ import annotations

import re
from typing import Annotated

from litestar.exceptions import ClientException
from litestar.params import QueryParameter
from sqlalchemy import Connection

from bowerbird.catalog import NotFound, boards, pins
from bowerbird.ingest import compare
from bowerbird.model import Board, Box, Pin
from bowerbird.ports import Floats, Missing
from bowerbird.search import ask, duplicates, similar
from bowerbird.search.ask import Query
from bowerbird.web.cards import Card, card
from bowerbird.web.site import Site, after_turn

NUMBER = r"(?:0|1|0?\.[0-9]{1,6}|[01]\.[0-9]{1,6})"
BOX = re.compile(rf"{NUMBER}(?:,{NUMBER}){{3}}")
SMALLEST = 0.01
"""Of a picture's width or height; less holds nothing that could be recognised."""

BoxText = Annotated[
    str | None,
    QueryParameter(
        max_length=40,
        description="A part of the picture as `x,y,w,h` in fractions of its width and height, from the top left.",
    ),
]


def box_of(text: str | None) -> Box | None:
    """None for no text and for the whole picture. Raises 422 for what is no box."""
    if not text:
        return None
    if not BOX.fullmatch(text):
        raise ClientException("A box is four numbers from 0 to 1: `x,y,w,h`.", status_code=422)
    x, y, w, h = map(float, text.split(","))
    w, h = min(w, 1 - x), min(h, 1 - y)
    if w < SMALLEST or h < SMALLEST:
        raise ClientException("This box is too small or outside of the picture.", status_code=422)
    return None if w * h > 0.999 else Box(x, y, w, h)


def pin(site: Site, viewer: int | None, pin_id: int) -> Pin:
    """Raises 404 for a pin that is not there, or not for this viewer."""
    with site.engines.database.read() as conn:
        return seen(conn, viewer, pin_id)


def seen(conn: Connection, viewer: int | None, pin_id: int) -> Pin:
    """As `pin`, in a transaction that is open already."""
    found = pins.get(conn, pin_id, viewer)
    if found is None:
        raise NotFound("There is no such pin.")
    return found


def board(site: Site, viewer: int | None, board_id: int) -> Board:
    """Raises 404 for a board that is not there, or not for this viewer."""
    with site.engines.database.read() as conn:
        found = boards.get(conn, board_id, viewer)
    if found is None:
        raise NotFound("There is no such board.")
    return found


def near_duplicates(site: Site, viewer: int | None, image_id: int) -> duplicates.Near:
    """What is known by now; where something is still to be found out, a worker is asked to."""
    near = duplicates.near_duplicates(site.engines, image_id, viewer)
    if not near.whole:
        after_turn(lambda: compare.ask(site.engines, image_id))
    return near


def related(
    site: Site, viewer: int | None, pin_id: int, box: str | None, bookmark: str | None, limit: int
) -> tuple[list[Card], str | None]:
    """A page of what belongs with a pin or with a part of it, and the bookmark of the next page."""
    return found(site, viewer, of_pin(site, viewer, pin_id, box), bookmark, limit)


def of_pin(site: Site, viewer: int | None, pin_id: int, box: str | None, words: str = "", colour: str = "") -> Query:
    """A query by a pin the viewer sees, or by a part of it. Raises 404, 422, `Spoiled`."""
    image = pin(site, viewer, pin_id).image
    part = box_of(box)
    try:
        vector = similar.part(site.engines, site.darkroom, image, part, site.rules.max_pixels) if part else None
    except Missing as error:
        raise NotFound("The original is gone.") from error
    return Query(words=words, colour=colour, image_id=image.id, vector=vector)


def of_picture(site: Site, data: bytes, box: str | None) -> Floats:
    """The vector of an upload that is not kept, or of a part of it. Raises 422, `Spoiled`."""
    return site.darkroom.run(similar.glance, data, box_of(box), site.rules.max_pixels)


def found(
    site: Site, viewer: int | None, query: Query, bookmark: str | None, limit: int
) -> tuple[list[Card], str | None]:
    """A page of an answer, and the bookmark of the next page."""
    skip = int(bookmark or 0)
    if skip > ask.DEEPEST:
        return [], None
    with site.engines.database.read() as conn:
        page = ask.answer(site.engines, conn, query, viewer, limit, skip)
        shown = [card(face, site.signer) for face in page]
    return shown, str(skip + len(page)) if len(page) == limit else None
