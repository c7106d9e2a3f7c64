"""For administrators: accounts, and jobs that were given up."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, patch, post
from litestar.params import QueryParameter
from msgspec import UNSET

from bowerbird.catalog import NotFound, sessions, users
from bowerbird.model import Scope
from bowerbird.web import auth
from bowerbird.web.api.shapes import Account, ParkedOut, Retried, Retry, Standing, account, when
from bowerbird.web.errors import told
from bowerbird.web.site import Site

ADMIN = {"scope": Scope.ADMIN}


@get("/admin/users", guards=[auth.admin], opt=ADMIN, sync_to_thread=True)
def list_users(site: Site) -> list[Account]:
    with site.engines.database.read() as conn:
        return [account(user) for user in users.every(conn)]


@patch("/admin/users/{username:str}", guards=[auth.admin], opt=ADMIN, sync_to_thread=True)
def change_user(site: Site, username: str, data: Standing) -> Account:
    """Change someone's role or password, or disable the account. The last administrator stays one."""
    hashed = auth.PASSWORDS.hash(data.password) if isinstance(data.password, str) else ""
    fields = {name: value for name in ("role", "disabled") if (value := getattr(data, name)) is not UNSET}
    with told(), site.engines.database.write() as conn:
        user = users.by_name(conn, username)
        if user is None:
            raise NotFound("There is no such user.")
        user = users.update(conn, user.id, **fields)
        if hashed:
            users.set_password(conn, user.id, hashed)
        if hashed or user.disabled:
            sessions.delete_all(conn, user.id)
    return account(user)


@get("/admin/parked", guards=[auth.admin], opt=ADMIN, sync_to_thread=True)
def list_parked(site: Site, limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100) -> list[ParkedOut]:
    """Jobs that failed too often, with their last error."""
    return [
        ParkedOut(
            parked.job.id,
            parked.job.kind,
            msgspec.json.encode(parked.job.payload).decode(),
            parked.error,
            parked.tries,
            when(parked.parked_at),
        )
        for parked in site.engines.queue.parked(limit)
    ]


@post("/admin/parked/retry", guards=[auth.admin], opt=ADMIN, status_code=200, sync_to_thread=True)
def retry_parked(site: Site, data: Retry) -> Retried:
    """Send parked jobs again, with all their tries."""
    return Retried(site.engines.queue.retry(data.ids))
