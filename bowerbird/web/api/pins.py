"""Pins: uploading, seeing, changing, and what belongs with them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body
from msgspec import UNSET

from bowerbird.catalog import Forbidden, NotFound, faces, pins
from bowerbird.ingest import fetch, lifecycle, upload
from bowerbird.model import Pin
from bowerbird.ports import Missing
from bowerbird.web import feeds, finding, limits
from bowerbird.web.api.shapes import (
    Bookmark,
    Duplicate,
    FeedMark,
    FeedWall,
    Fetched,
    FromUrl,
    Limit,
    PathId,
    PinChange,
    PinForm,
    PinOut,
    Progress,
    Wall,
    fetched,
    pin_out,
)
from bowerbird.web.auth import Viewer, logged_in
from bowerbird.web.cards import cards, looks
from bowerbird.web.errors import told
from bowerbird.web.finding import BoxText
from bowerbird.web.site import Site, in_turn

UPLOAD = Body(media_type=RequestEncodingType.MULTI_PART)
WORDS = ("title", "description", "link", "alt")


@post("/pins", guards=[logged_in], opt={"upload": True, "also": [429]}, status_code=202, sync_to_thread=True)
def upload_pin(site: Site, viewer: Viewer, data: Annotated[PinForm, UPLOAD]) -> Progress:
    """Upload a picture: JPEG, PNG, WebP, AVIF, HEIC, GIF, TIFF or BMP.

    The answer comes once the original is safe; `state` then goes from `pending` to `ready` or `failed`,
    to be polled at `/pins/{pin_id}/state` or heard from `/uploads/stream`.
    """
    user = viewer.known()
    limits.allow(site.engines.cache, f"upload:{user.id}", site.rules.uploads_per_hour, limits.HOUR)
    content = data.picture.file.read(site.rules.max_upload + 1)
    if len(content) > site.rules.max_upload:
        raise ClientException(
            f"The file is larger than {site.rules.max_upload >> 20} MiB.",
            status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )
    words = {name: getattr(data, name) for name in WORDS}
    board_id = int(data.board_id) if data.board_id else None
    with told():
        accepted = upload.accept(
            site.engines, user.id, content, board_id=board_id, max_bytes=site.rules.max_upload, **words
        )
    return _progress(accepted.pin, accepted.created)


@post("/pins/from-url", guards=[logged_in], opt={"also": [429]}, status_code=202, sync_to_thread=True)
def fetch_pin(site: Site, viewer: Viewer, data: FromUrl) -> Fetched:
    """Have a picture fetched in the background; poll `/fetches/{fetch_id}` for the pin."""
    user = viewer.known()
    limits.allow(site.engines.cache, f"upload:{user.id}", site.rules.uploads_per_hour, limits.HOUR)
    words = {name: getattr(data, name) for name in WORDS}
    board_id = int(data.board_id) if data.board_id else None
    with told():
        return fetched(fetch.request(site.engines, user.id, data.url, board_id=board_id, **words))


@get("/pins")
@in_turn
def list_pins(site: Site, viewer: Viewer, bookmark: Bookmark = None, limit: Limit = 25) -> Wall:
    """The wall: everything you may see, newest first."""
    with site.engines.database.read() as conn:
        found = pins.newest(conn, viewer.id, int(bookmark) if bookmark else None, limit)
    following = str(found[-1].id) if len(found) == limit else None
    return Wall(cards(site.engines, found, site.signer), following)


@get("/pins/{pin_id:int}", sync_to_thread=True)
def get_pin(site: Site, viewer: Viewer, pin_id: PathId) -> PinOut:
    return _out(site, viewer, finding.pin(site, viewer.id, pin_id))


@patch("/pins/{pin_id:int}", guards=[logged_in], sync_to_thread=True)
def change_pin(site: Site, viewer: Viewer, pin_id: PathId, data: PinChange) -> PinOut:
    """Change the words of your own pin."""
    fields = {name: value for name in WORDS if (value := getattr(data, name)) is not UNSET}
    with told(), site.engines.database.write() as conn:
        changed = pins.update(conn, pin_id, viewer.known().id, **fields)
    faces.forget(site.engines, pin_id)
    return _out(site, viewer, changed)


@delete("/pins/{pin_id:int}", guards=[logged_in], sync_to_thread=True)
def delete_pin(site: Site, viewer: Viewer, pin_id: PathId) -> None:
    """Delete your pin; its picture goes too, unless someone else has it. An administrator may delete any."""
    lifecycle.delete_pin(site.engines, pin_id, viewer.known().id, admin=viewer.is_admin)


@get("/pins/{pin_id:int}/state", sync_to_thread=True)
def get_pin_state(site: Site, viewer: Viewer, pin_id: PathId) -> Progress:
    """Where an upload stands."""
    return _progress(finding.pin(site, viewer.id, pin_id))


@get("/pins/{pin_id:int}/related", guards=[limits.part_looked_at])
@in_turn
def list_related(
    site: Site, viewer: Viewer, pin_id: PathId, box: BoxText = None, bookmark: FeedMark = None, limit: Limit = 25
) -> FeedWall:
    """Pictures that belong with this one: like it, kept with it, about the same. With `box`, like that part of it."""
    if box:
        plain = bookmark if bookmark and bookmark.isdecimal() else None
        return FeedWall(*finding.related(site, viewer.id, pin_id, box, plain, limit), "")
    return FeedWall(*feeds.related(site, viewer.id, pin_id, bookmark, limit))


@get("/pins/{pin_id:int}/duplicates", guards=[logged_in], sync_to_thread=True)
def list_duplicates(site: Site, viewer: Viewer, pin_id: PathId) -> Response[list[Duplicate]]:
    """Other pins with nearly the same picture: cropped, resized, recompressed or mirrored. An answer with a
    `Retry-After` may lack crops that are still looked for, as the first one of a new picture does."""
    near = finding.near_duplicates(site, viewer.id, finding.pin(site, viewer.id, pin_id).image.id)
    drawn = cards(site.engines, [pin for pin, _ in near.pins], site.signer)
    body = [Duplicate(kind, card) for (_, kind), card in zip(near.pins, drawn, strict=True)]
    return Response(body, headers={} if near.whole else {"Retry-After": "1"})


@get("/pins/{pin_id:int}/original", guards=[logged_in], media_type="application/octet-stream", sync_to_thread=True)
def get_original(site: Site, viewer: Viewer, pin_id: PathId) -> Response[bytes]:
    """The file as it was uploaded, with all its metadata: for the owner of the pin and administrators."""
    pin = finding.pin(site, viewer.id, pin_id)
    if pin.user_id != viewer.id and not viewer.is_admin:
        raise Forbidden("Only its owner may have the original.")
    try:
        data = site.engines.blobs.get(pin.image.original)
    except Missing as error:
        raise NotFound("The original is gone.") from error
    known = looks(site.engines, [pin.image.media]).get(pin.image.media)
    name = f"{pin.image.sha256[:16]}.{known.format if known else 'bin'}"
    # Never shown in place: a stranger's file must not run as ours.
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(data, headers=headers, media_type="application/octet-stream")


def _out(site: Site, viewer: Viewer, pin: Pin) -> PinOut:
    return pin_out(pin, looks(site.engines, [pin.image.media]).get(pin.image.media), viewer, site.signer)


def _progress(pin: Pin, created: bool = True) -> Progress:
    return Progress(str(pin.id), pin.image.state, pin.image.step, pin.image.error, created)
