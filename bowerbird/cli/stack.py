"""The commands that run the service on real engines on one machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from bowerbird.cli.pictures import finish_queue
from bowerbird.cli.terminal import (
    Data,
    Host,
    Port,
    Stopped,
    app,
    opened,
    out,
    progress,
    reporter,
    settings_for,
    stop_on_signal,
)
from bowerbird.fleet.autoscale import Scale
from bowerbird.fleet.supervisor import Supervisor, command
from bowerbird.settings import BadSetting, load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bowerbird.fleet.stack import Row, Stack

stack_app = typer.Typer(
    no_args_is_help=True, help="The service on real engines on this machine: up, status, logs, env, down."
)
app.add_typer(stack_app, name="stack")


def _stack(data: Data, host: Host = None, port: Port = None) -> Stack:
    from bowerbird.fleet.stack import Stack

    settings = settings_for(data=data, host=host)
    stack = Stack(settings.data, port, settings.host, settings.max_upload_mb)
    stack.plan.ports.setdefault("nginx", settings.port)
    return stack


@stack_app.command(epilog="Example: `bowerbird stack up --demo` or `bowerbird stack up --data /srv/pins`")
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Fill it with the painted gallery.")] = False,
    data: Data = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Start PostgreSQL with a replica, SeaweedFS, Redis, the broker, nginx and the service.

    Returns when each of them answers; they go on in the background, and keep their data between runs. What runs already
    is left alone.
    """
    stack = _stack(data, host, port)
    with progress() as bar:
        task = bar.add_task("Starting", total=len(stack.parts))
        stack.up(lambda name, done, of: bar.update(task, description=name or "Started", completed=done, total=of))
    if demo:
        _fill(stack)
    out.print(_table(stack.rows()))
    out.print(f"Data and logs are in {stack.folder}; `bowerbird stack down` stops all of it.", soft_wrap=True)
    out.print(f"Bowerbird is at [bold]http://{stack.host}:{stack.plan.ports['nginx']}[/bold]", soft_wrap=True)


def _fill(stack: Stack) -> None:
    from bowerbird.demo import seed

    stop = stop_on_signal()
    with opened(load({**os.environ, **stack.environ()})) as engines, progress() as bar, contextlib.suppress(Stopped):
        login = seed.seed(engines, reporter(bar, stop))
        finish_queue(engines, bar, stop)
        out.print(f"Log in as [bold]{login.username}[/bold] with [bold]{login.password}[/bold].")


@stack_app.command(epilog="Example: `bowerbird stack status`")
def status(data: Data = None) -> None:
    """What runs where, asked now. Ends with 1 if a part does not answer."""
    rows = list(_stack(data).rows())
    out.print(_table(rows))
    raise typer.Exit(0 if all(row.state == "runs" for row in rows) else 1)


def _table(rows: Iterable[Row]) -> Table:
    table = Table("part", "what it is", "address", "process", "state")
    for row in rows:
        colour = "green" if row.state == "runs" else "red"
        state = f"[{colour}]{escape(row.state)}[/{colour}]"
        table.add_row(row.name, row.what, row.address, str(row.pid or ""), state)
    return table


@stack_app.command(epilog="Example: `bowerbird stack down`")
def down(data: Data = None) -> None:
    """Stop all of it, the edge first. Its data stays."""
    stack = _stack(data)
    with progress() as bar:
        task = bar.add_task("Stopping", total=len(stack.parts))
        stack.down(lambda name, done, of: bar.update(task, description=name or "Stopped", completed=done, total=of))


@stack_app.command(epilog="Example: `bowerbird stack logs postgres` or `bowerbird stack logs web-1 --follow`")
def logs(
    name: Annotated[str, typer.Argument(help="A part, as `bowerbird stack status` calls it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more is written.")] = False,
    data: Data = None,
) -> None:
    """The last lines of a part's log."""
    stack = _stack(data)
    try:
        log = stack.log(name)
    except KeyError as error:
        names = ", ".join(part.name for part in stack.parts)
        raise BadSetting(f"There is no part {name!r}; there are {names}.") from error
    if not log.exists():
        raise BadSetting(f"{name} has written nothing yet. Start it: `bowerbird stack up`.")
    with contextlib.suppress(KeyboardInterrupt):
        subprocess.run(["tail", "-n", "50", *(["-F"] if follow else []), str(log)])


@stack_app.command(epilog='Example: `bowerbird stack env`; `eval "$(bowerbird stack env)"`, then any other command')
def env(data: Data = None) -> None:
    """The settings of the service on these engines, for a shell. They hold passwords."""
    from bowerbird.fleet.stack import exports

    print(exports(_stack(data).environ()), end="")  # noqa: T201


@stack_app.command(hidden=True, epilog="Example: `bowerbird stack fleet`; `bowerbird stack up` runs it")
def fleet(
    web: Annotated[int, typer.Option(help="One web process at this port, and nothing else.", show_default=False)] = 0,
) -> None:
    """Workers and the event processor, started again when they die."""
    from bowerbird import wiring
    from bowerbird.fleet.stack import WORKERS

    stop = stop_on_signal()
    if web:
        always = [("web", command("web", "--host", "127.0.0.1", "--port", str(web)))]
        Supervisor(lambda: 0, Scale(0, 0), (), always).run(stop)
    else:
        depth = wiring.queue(load()).depth
        Supervisor(depth, Scale(WORKERS, WORKERS), command("work"), [("events", command("events"))]).run(stop)
