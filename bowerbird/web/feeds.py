"""Walls made for someone, as the web shows them: the feed, what belongs with a pin or on a board, what is popular."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from bowerbird.catalog import pins
from bowerbird.feed import page as pages
from bowerbird.feed import related as kin
from bowerbird.feed.reasons import sentence
from bowerbird.feed.request import Page
from bowerbird.model import Pin, State, Trend
from bowerbird.web import finding
from bowerbird.web.cards import Card, card, cards
from bowerbird.web.errors import told
from bowerbird.web.site import Site

TAG = "^[^\\x00-\\x1f\\x7f]{0,80}$"
"""What may be the name of a tag."""
ANY = "Chosen for you, from what you save and open and from what many like"

_trend = msgspec.json.Decoder(Trend)


class Made(NamedTuple):
    cards: list[Card]
    bookmark: str | None
    request: str


def home(site: Site, viewer: int, bookmark: str | None, limit: int) -> Made:
    """A page of someone's own feed. Raises 422 for what is no bookmark."""
    return _made(site, lambda conn: pages.home(site.feed, conn, viewer, bookmark or None, limit))


def related(site: Site, viewer: int | None, pin_id: int, bookmark: str | None, limit: int) -> Made:
    """What belongs with a pin. Raises 404 for a pin that is not there for the viewer, 422 for what is no bookmark."""

    def compose(conn: Connection) -> Page:
        pin = finding.seen(conn, viewer, pin_id)
        return kin.related(site.feed, conn, viewer, pin, bookmark or None, limit)

    return _made(site, compose)


def more(site: Site, viewer: int, board_id: int, bookmark: str | None, limit: int) -> Made:
    """What would fit on a board. Raises 422 for what is no bookmark."""
    return _made(site, lambda conn: kin.more_for_board(site.feed, conn, viewer, board_id, bookmark or None, limit))


def _made(site: Site, compose: Callable[[Connection], Page]) -> Made:
    with told(), site.engines.database.read() as conn:
        page = compose(conn)
    told_why = [card(one.pin, site.signer, one.source, one.position, sentence(one.reason)) for one in page.placed]
    return Made(told_why, page.bookmark, page.request)


def popular(site: Site, viewer: int | None, skip: int, limit: int, tag: str = "") -> tuple[list[Card], int]:
    """What many people like right now, overall or of a tag, from place `skip` on, and the place from which the next
    page goes on; 0 at the end."""
    known = site.engines.metadata.get(f"trend:{tag}")
    ids = [pin_id for pin_id, _ in _trend.decode(known).pins] if known else []
    with site.engines.database.read() as conn:
        found = pins.get_many(conn, ids[skip : skip + limit], viewer)
    shown = [found[pin_id] for pin_id in ids[skip : skip + limit] if pin_id in found]
    drawn = cards(site.engines, [pin for pin in shown if pin.image.state is State.READY], site.signer)
    following = skip + limit if skip + limit < len(ids) else 0
    return [replace(card, source="trending", position=skip + n) for n, card in enumerate(drawn)], following


def reason(site: Site, viewer: int, pin: Pin, bookmark: str) -> str:
    """Why this pin stands at the place of someone's feed that `bookmark` names; what is true of any if it is gone."""
    page = Page("", [], None)
    if bookmark:
        quiet = dataclasses.replace(site.feed, logged=0.0)
        with suppress(ValueError), site.engines.database.read() as conn:
            page = pages.home(quiet, conn, viewer, bookmark, 1)
    there = [one for one in page.placed if one.pin.id == pin.id]
    return sentence(there[0].reason) if there else ANY
