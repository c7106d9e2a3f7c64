"""Commands that bring pictures in: import, demo, reindex."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from bowerbird.cli.people import add_user
from bowerbird.cli.service import address, await_web, check_port, running
from bowerbird.cli.terminal import (
    Data,
    Port,
    Stopped,
    app,
    err,
    opened,
    out,
    progress,
    reporter,
    settings_for,
    stop_on_signal,
)
from bowerbird.model import Role, State
from bowerbird.settings import BadSetting

if TYPE_CHECKING:
    from bowerbird.ingest.importer import Imported
    from bowerbird.ports import Engines

Pictures = Annotated[Path, typer.Argument(help="A sub-folder becomes a board.", exists=True, file_okay=False)]


@app.command(name="import", epilog="Example: `bowerbird import ~/Pictures --user ada`")
def import_(
    folder: Pictures,
    user: Annotated[str | None, typer.Option(help="Whose pins they become.", show_default="the first admin")] = None,
    secret: Annotated[bool, typer.Option("--secret", help="Make the boards secret.")] = False,
    data: Data = None,
) -> None:
    """Import a folder of pictures. What is already there is passed over, so it may be run again.

    Ends with 1 if a file was not taken or could not be developed; each is named.
    """
    from bowerbird.ingest import importer

    settings = settings_for(data=data)
    stop = stop_on_signal()
    with opened(settings) as engines:
        owner = importing_user(engines, user)
        try:
            with progress() as bar, running(settings, web=False):
                report = reporter(bar, stop)
                done = importer.walk(
                    engines,
                    owner,
                    folder,
                    secret=secret,
                    progress=lambda n, of: report("Storing", n, of),
                    max_bytes=settings.max_upload_mb << 20,
                )
                finish_queue(engines, bar, stop)
        except Stopped:
            err.print("Stopped. What is stored is kept; the same command goes on where this one ended.")
            raise typer.Exit(130) from None
        if not tell_outcome(engines, done):
            raise typer.Exit(1)


def tell_outcome(engines: Engines, done: Imported) -> bool:
    """Print what came of a folder, once no job waits; whether all of it was taken and came through."""
    from bowerbird.ingest import importer

    failed = importer.failed(engines, done)
    out.print(done.summary())
    tell_files(done.refused)
    if failed:
        out.print(f"{len(failed):,} of these could not be developed:")
        tell_files(failed)
    return not (done.refused or failed)


def tell_files(files: list[tuple[Path, str]]) -> None:
    for path, why in files:
        name = os.fsencode(path).decode("utf-8", "replace")  # it may hold bytes that are no text
        out.print(f"  [yellow]{escape(name)}[/yellow]: {escape(why)}", highlight=False, soft_wrap=True)


def importing_user(engines: Engines, name: str | None) -> int:
    """The id of the account that imports. With no account at all, one is made and its password shown once."""
    from bowerbird.catalog import users

    with engines.database.read() as conn:
        everyone = users.every(conn)
    if name is not None:
        for user in everyone:
            if user.username == name.lower():
                return user.id
        raise BadSetting(f"There is no user {name!r}. Make one: `bowerbird users add {name}`.")
    for user in everyone:
        if user.role is Role.ADMIN:
            return user.id
    password = secrets.token_urlsafe(12)
    first = add_user(engines, "admin", password, admin=True)
    out.print(f"Made the first account: user [bold]admin[/bold], password [bold]{password}[/bold]")
    return first


def finish_queue(engines: Engines, bar: Progress, stop: threading.Event) -> None:
    """Show how far the workers are, until no job waits and no picture is pending, or `stop` is set."""
    from bowerbird.catalog import images

    task = bar.add_task("Developing", total=None, visible=False)
    most = 0
    while not stop.wait(0.3):
        with engines.database.read() as conn:
            left = max(images.counts(conn).get(State.PENDING, 0), engines.queue.depth())
        most = max(most, left)
        bar.update(task, total=most, completed=most - left, visible=most > 0)
        if left == 0:
            return
    raise Stopped


@app.command(epilog="Example: `bowerbird demo` or `bowerbird demo --photos ~/Pictures`")
def demo(
    photos: Annotated[
        Path | None, typer.Option(help="Your own folder instead of the painted gallery.", exists=True, file_okay=False)
    ] = None,
    data: Data = None,
    port: Port = None,
) -> None:
    """Start a service with something to look at. A second start reuses its data."""
    from bowerbird.demo import seed

    folder = data or os.environ.get("BOWERBIRD_DATA") or ("demo-photos" if photos else "demo-data")
    settings = settings_for(data=folder, port=port, log_level=os.environ.get("BOWERBIRD_LOG_LEVEL", "warning"))
    check_port(settings)
    came: list[Imported] = []
    stop = stop_on_signal()
    with opened(settings) as engines, running(settings, web=True), contextlib.suppress(Stopped):
        if not await_web(settings, stop):
            return
        err.print(f"Bowerbird is at [bold]{address(settings)}[/bold] and fills up as you watch.", soft_wrap=True)
        with progress() as bar:
            report = reporter(bar, stop)
            if photos:
                most = settings.max_upload_mb << 20
                login = seed.from_photos(engines, photos, report, max_bytes=most, tell=came.append)
            else:
                login = seed.seed(engines, report)
            finish_queue(engines, bar, stop)
        for done in came:
            tell_outcome(engines, done)
        err.print(f"\n  Bowerbird is at [bold]{address(settings)}[/bold]", soft_wrap=True)
        err.print(
            f"  Log in as [bold]{login.username}[/bold] with [bold]{login.password}[/bold]. Ctrl-C stops it.\n",
            soft_wrap=True,
        )
        stop.wait()


@app.command(epilog="Example: `bowerbird reindex` after changing BOWERBIRD_ENCODER")
def reindex(data: Data = None) -> None:
    """Send every picture through the pipeline again, with today's encoder and recipe."""
    from bowerbird.ingest import lifecycle

    settings = settings_for(data=data)
    stop = stop_on_signal()
    with opened(settings) as engines, progress() as bar, running(settings, web=False), contextlib.suppress(Stopped):
        report = reporter(bar, stop)
        lifecycle.reindex(engines, lambda n, of: report("Sending", n, of))
        finish_queue(engines, bar, stop)
