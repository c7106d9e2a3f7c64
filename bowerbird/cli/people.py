"""Commands about people: users."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from bowerbird.cli.terminal import Data, app, opened, out, settings_for
from bowerbird.model import Role
from bowerbird.settings import BadSetting

if TYPE_CHECKING:
    from bowerbird.ports import Engines

users_app = typer.Typer(no_args_is_help=True, help="Accounts: list, add, password, role, disable, enable.")
app.add_typer(users_app, name="users")


@users_app.command("list", epilog="Example: `bowerbird users list`")
def users_list(data: Data = None) -> None:
    """Every account."""
    from bowerbird.catalog import users

    table = Table("user", "name", "role", "since", "state")
    with opened(settings_for(data=data)) as engines, engines.database.read() as conn:
        for user in users.every(conn):
            since = time.strftime("%Y-%m-%d", time.gmtime(user.created_at))
            table.add_row(user.username, user.name, user.role, since, "disabled" if user.disabled else "active")
    out.print(table)


@users_app.command("add", epilog="Example: `bowerbird users add ada --admin`")
def users_add(
    username: str,
    admin: Annotated[bool, typer.Option("--admin", help="Make an administrator.")] = False,
    data: Data = None,
) -> None:
    """Make an account; asks for its password."""
    with opened(settings_for(data=data)) as engines:
        add_user(engines, username, ask_password(), admin=admin)
    out.print(f"Made {username}.")


@users_app.command("password", epilog="Example: `bowerbird users password ada`")
def users_password(username: str, data: Data = None) -> None:
    """Set a password, and end every session of the account."""
    from bowerbird.catalog import sessions, users
    from bowerbird.web import auth

    with opened(settings_for(data=data)) as engines:
        hashed = auth.Passwords().hash(ask_password())
        with engines.database.write() as conn:
            user = existing(conn, username)
            users.set_password(conn, user, hashed)
            sessions.delete_all(conn, user)
    out.print(f"Set the password of {username}; every session of it has ended.")


@users_app.command("role", epilog="Example: `bowerbird users role ada admin`")
def users_role(username: str, role: Role, data: Data = None) -> None:
    """Make a user an administrator, or the other way round."""
    change_user(data, username, role=role)


@users_app.command("disable", epilog="Example: `bowerbird users disable ada`")
def users_disable(username: str, data: Data = None) -> None:
    """Lock an account out; its pins stay."""
    change_user(data, username, disabled=True)


@users_app.command("enable", epilog="Example: `bowerbird users enable ada`")
def users_enable(username: str, data: Data = None) -> None:
    """Let a disabled account in again."""
    change_user(data, username, disabled=False)


def add_user(engines: Engines, username: str, password: str, *, admin: bool) -> int:
    from bowerbird.catalog import users
    from bowerbird.web import auth

    hashed = auth.Passwords().hash(password)
    try:
        with engines.database.write() as conn:
            return users.create(conn, username, hashed, role=Role.ADMIN if admin else None).id
    except ValueError as error:  # a name that is taken or cannot be
        raise BadSetting(str(error)) from error


def change_user(data: Path | None, username: str, **change: Any) -> None:
    from bowerbird.catalog import users

    with opened(settings_for(data=data)) as engines, engines.database.write() as conn:
        users.update(conn, existing(conn, username), **change)
    out.print(f"Changed {username}.")


def existing(conn: Any, username: str) -> int:
    from bowerbird.catalog import users

    user = users.by_name(conn, username)
    if user is None:
        raise BadSetting(f"There is no user {username!r}. `bowerbird users list` shows those there are.")
    return user.id


def ask_password() -> str:
    """From the terminal, hidden and twice; from standard input where that is a pipe."""
    from bowerbird.web import auth

    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        auth.check_password(password)
    except ValueError as error:
        raise BadSetting(str(error)) from error
    return password
