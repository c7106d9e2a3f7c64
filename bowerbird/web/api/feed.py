"""One's own feed, why a picture is in it, hiding, and choosing the first pictures."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, post
from litestar.params import QueryParameter

from bowerbird.web import choosing, feeds, finding, limits
from bowerbird.web.api.shapes import Choices, FeedMark, FeedWall, Hide, Limit, PathId, Wall
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import Card
from bowerbird.web.feeds import TAG
from bowerbird.web.site import Site, in_turn


@get("/feed", guards=[logged_in])
@in_turn
def get_feed(site: Site, viewer: Viewer, bookmark: FeedMark = None, limit: Limit = 25) -> FeedWall:
    """Your feed: each picture with what proposed it and why. The same bookmark gives the same pictures again."""
    return FeedWall(*feeds.home(site, viewer.known().id, bookmark, limit))


@get("/popular")
@in_turn
def list_popular(
    site: Site,
    viewer: Viewer,
    tag: Annotated[str, QueryParameter(pattern=TAG, description="A tag as pictures have it; empty for all.")] = "",
    bookmark: Annotated[int, QueryParameter(ge=0, le=1000)] = 0,
    limit: Limit = 25,
) -> Wall:
    """What many people like right now, overall or of a tag."""
    found, following = feeds.popular(site, viewer.id, bookmark, limit, tag)
    return Wall(found, str(following) if following else None)


@get("/boards/{board_id:int}/more", guards=[logged_in])
@in_turn
def list_more_ideas(
    site: Site, viewer: Viewer, board_id: PathId, bookmark: FeedMark = None, limit: Limit = 25
) -> FeedWall:
    """Pictures that would fit on a board and are not on it."""
    me = viewer.known().id
    finding.board(site, me, board_id)
    return FeedWall(*feeds.more(site, me, board_id, bookmark, limit))


@post("/pins/{pin_id:int}/hide", guards=[logged_in, limits.acting], status_code=204, sync_to_thread=True)
def hide_pin(site: Site, viewer: Viewer, pin_id: PathId, data: Hide) -> None:
    """Hide a picture from your feed, and what is like it."""
    choosing.hide(site, viewer.known().id, finding.pin(site, viewer.id, pin_id), data.reason, data.via)


@delete("/pins/{pin_id:int}/hide", guards=[logged_in, limits.acting], sync_to_thread=True)
def unhide_pin(site: Site, viewer: Viewer, pin_id: PathId) -> None:
    """Take back that a picture was hidden."""
    choosing.unhide(site, viewer.known().id, finding.pin(site, viewer.id, pin_id))


@get("/starters", guards=[logged_in])
@in_turn
def list_starters(site: Site, viewer: Viewer, limit: Limit = 24) -> list[Card]:
    """Pictures for someone new to choose from, as unlike each other as there are."""
    return choosing.starters(site, viewer.known().id, (), limit)


@post("/me/choices", guards=[logged_in, limits.acting], status_code=204, sync_to_thread=True)
def choose_pins(site: Site, viewer: Viewer, data: Choices) -> None:
    """Say which pictures you like, for a first feed."""
    choosing.choose(site, viewer.known().id, [int(pin_id) for pin_id in data.pins])
