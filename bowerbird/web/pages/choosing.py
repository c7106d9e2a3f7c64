"""The first choices of someone new, and why a picture is shown, with hiding it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from bowerbird.web import choosing, feeds, finding, limits
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import cards
from bowerbird.web.pages.walls import PathId, address
from bowerbird.web.site import Site, in_turn

URL = Body(media_type=RequestEncodingType.URL_ENCODED)
ROUND = 24
"""Pictures to choose from at a time."""
MOST = 2000
"""Pictures of all rounds, and characters of a form's list of them."""

Listed = Annotated[str, QueryParameter(name="of", pattern="^([0-9A-Za-z]{1,40}[.][0-9]{1,6})?$")]


class Chosen(msgspec.Struct):
    pin: list[str] | str = []
    """Ids of the pictures chosen."""
    seen: str = ""
    """Ids of those shown so far, comma-separated."""
    go: str = ""
    """`others` for other pictures, else it is done."""


class Verdict(msgspec.Struct):
    reason: str = "dislike"
    of: str = ""
    """The list and the place on it where the picture was found."""
    off: str = ""
    """Whether to take it back."""


def ids(texts: list[str]) -> list[int]:
    """The ids among what a form holds, each once, at most `MOST`."""
    return list(dict.fromkeys(int(text) for text in texts[:MOST] if text.isdecimal() and len(text) < 19))


def id_of(text: str, what: str) -> int | None:
    """The id in a form's field, None for an empty one. Raises ValueError for what is no id, and so of no `what`."""
    found = ids([text.strip()])
    if text.strip() and not found:
        raise ValueError(f"There is no such {what}.")
    return found[0] if found else None


@get("/welcome", guards=[logged_in], include_in_schema=False)
@in_turn
def welcome(site: Site, viewer: Viewer) -> Response[Any]:
    return _round(site, viewer, [], [])


@post("/welcome", sync_to_thread=True, guards=[logged_in, limits.acting], include_in_schema=False)
def choose(site: Site, viewer: Viewer, data: Annotated[Chosen, URL]) -> Response[Any]:
    chosen = ids([data.pin] if isinstance(data.pin, str) else data.pin)
    if data.go == "others":
        return _round(site, viewer, chosen, ids(data.seen.split(",")))
    if len(chosen) < choosing.FEWEST:
        return _round(site, viewer, chosen, [], wrong=f"Choose at least {choosing.FEWEST}, or skip this.")
    choosing.choose(site, viewer.known().id, chosen)
    return Redirect("/", status_code=303)


def _round(site: Site, viewer: Viewer, chosen: list[int], seen: list[int], wrong: str = "") -> Response[Any]:
    """Pictures to choose from: those chosen so far, and others than those seen."""
    me = viewer.known().id
    kept = choosing.shown(site, me, chosen)
    offered = choosing.starters(site, me, {*seen, *chosen}, ROUND)
    if not kept and not offered:
        return Redirect("/", status_code=303)
    return site.page(
        viewer,
        "welcome.html",
        status=422 if wrong else 200,
        kept=kept,
        offered=offered,
        seen=",".join(map(str, [*seen, *(card.id for card in offered)][-MOST // 20 :])),
        fewest=choosing.FEWEST,
        wrong=wrong,
    )


@get("/pin/{pin_id:int}/why", guards=[logged_in], include_in_schema=False)
@in_turn
def why(
    site: Site,
    viewer: Viewer,
    pin_id: PathId,
    listed: Listed = "",
    hidden: Annotated[str, QueryParameter(max_length=1)] = "",
) -> Response[str]:
    shown = finding.pin(site, viewer.id, pin_id)
    reason = feeds.reason(site, viewer.known().id, shown, listed)
    card = cards(site.engines, [shown], site.signer)[0]
    return site.page(viewer, "why.html", card=card, reason=reason, of=listed, hidden=bool(hidden))


@post("/pin/{pin_id:int}/why", sync_to_thread=True, guards=[logged_in, limits.acting], include_in_schema=False)
def hide(site: Site, viewer: Viewer, pin_id: PathId, data: Annotated[Verdict, URL]) -> Redirect:
    me, shown = viewer.known().id, finding.pin(site, viewer.id, pin_id)
    known = dict(choosing.HIDING)
    if data.off:
        choosing.unhide(site, me, shown)
    else:
        reason = data.reason if data.reason in known else "dislike"
        choosing.hide(site, me, shown, reason, f"home:{data.of.replace('.', ':')}:")
    hidden = "" if data.off else "1"
    return Redirect(address(f"/pin/{pin_id}/why", of=data.of[:50], hidden=hidden), status_code=303)


ROUTES = [welcome, choose, why, hide]
