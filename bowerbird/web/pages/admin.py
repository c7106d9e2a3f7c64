"""For administrators: people, the state of the pictures, and jobs that failed too often."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from bowerbird.catalog import images, pins, sessions, users
from bowerbird.model import Role, State
from bowerbird.web import live as pictured
from bowerbird.web.auth import Viewer, admin, in_person
from bowerbird.web.ops import Meters
from bowerbird.web.pages.walls import PathId, day
from bowerbird.web.plots import short
from bowerbird.web.site import Site

GUARDS = [in_person, admin]


class Retry(msgspec.Struct):
    job: str = ""


class Change(msgspec.Struct):
    set: Literal["admin", "user", "enabled", "disabled"]


@get("/admin", sync_to_thread=True, guards=GUARDS, include_in_schema=False)
def overview(site: Site, viewer: Viewer) -> Response[str]:
    with site.engines.database.read() as conn:
        people = users.every(conn)
        counts = images.counts(conn)
        pinned = pins.count(conn)
    tally = [("pins", pinned), *((state.value, counts.get(state, 0)) for state in State)]
    tally.append(("jobs waiting", site.engines.queue.depth()))
    parked = site.engines.queue.parked()
    return site.page(viewer, "admin.html", users=people, tally=tally, parked=parked, day=day)


@get("/admin/live", sync_to_thread=True, guards=GUARDS, include_in_schema=False)
def live(site: Site, viewer: Viewer, meters: Meters, part: Literal["", "live"] = "") -> Response[str]:
    """What goes on right now; `part=live` is what changes of it."""
    shown = pictured.picture(site, viewer.known().id, meters.known_recall())
    return site.page(viewer, "live_part.html" if part else "live.html", live=shown, short=short)


@post("/admin/retry", sync_to_thread=True, guards=GUARDS, include_in_schema=False)
def retry(site: Site, data: Annotated[Retry, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Redirect:
    site.engines.queue.retry([data.job] if data.job else None)
    return Redirect("/admin", status_code=303)


@post("/admin/users/{user_id:int}", sync_to_thread=True, guards=GUARDS, include_in_schema=False)
def change(
    site: Site, user_id: PathId, data: Annotated[Change, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    with site.engines.database.write() as conn:
        match data.set:
            case "admin" | "user":
                users.update(conn, user_id, role=Role(data.set))
            case "enabled" | "disabled":
                users.update(conn, user_id, disabled=data.set == "disabled")
        if data.set == "disabled":
            sessions.delete_all(conn, user_id)
    return Redirect("/admin", status_code=303)


ROUTES = [overview, live, retry, change]
