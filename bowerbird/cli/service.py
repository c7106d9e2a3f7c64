"""Commands that run: serve, web, work."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from bowerbird.cli.terminal import Data, Host, Parent, Port, app, err, opened, settings_for, stop_on_signal
from bowerbird.fleet.autoscale import Scale
from bowerbird.fleet.server import port_answers
from bowerbird.fleet.supervisor import Supervisor, command
from bowerbird.fleet.tether import tether
from bowerbird.settings import BadSetting, Settings


def supervisor(settings: Settings, *, web: bool, least: int = 1) -> Supervisor:
    from bowerbird import wiring

    wiring.check_shared(settings)
    most = settings.workers or os.cpu_count() or 1
    return Supervisor(
        depth=wiring.queue(settings).depth,
        scale=Scale(min(least, most), most),
        worker=command("work"),
        always=[("web", command("web")), ("events", command("events"))] if web else [],
    )


@contextmanager
def running(settings: Settings, *, web: bool) -> Iterator[None]:
    """Processes for as long as a command lasts; workers share the queue with any that run already."""
    stop = threading.Event()
    thread = threading.Thread(target=supervisor(settings, web=web).run, args=(stop,), name="supervisor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def check_port(settings: Settings) -> None:
    """Say at once that the port is taken, rather than from a process that keeps dying."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            raise BadSetting(
                f"Port {settings.port} on {settings.host} cannot be used: {error}. Choose another with --port."
            ) from error


def address(settings: Settings) -> str:
    """Where a person finds the service."""
    everywhere = ("127.0.0.1", "0.0.0.0", "::", "::1")  # noqa: S104
    host = "localhost" if settings.host in everywhere else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


def await_web(settings: Settings, stop: threading.Event) -> bool:
    """Returns when a browser finds somebody there; False when `stop` is set before."""
    while not stop.wait(0.05):
        with suppress(OSError):
            port_answers(settings.port, settings.host)
            return True
    return False


@app.command(epilog="Example: `bowerbird serve --host 0.0.0.0 --port 8080 --data /srv/pins`")
def serve(data: Data = None, host: Host = None, port: Port = None) -> None:
    """Run the whole service: the web process, and workers as the queue deserves."""
    from bowerbird import wiring
    from bowerbird.catalog import users

    settings = settings_for(data=data, host=host, port=port)
    check_port(settings)
    wiring.check(settings)
    # The other engines are for the processes below: what this one loads, it holds for as long as they run.
    with closing(wiring.catalog(settings, pages=True)) as database, database.read() as conn:
        fresh = users.count(conn) == 0
    words = f"Bowerbird is at [bold]{address(settings)}[/bold], its data in {settings.data}. Ctrl-C stops it."
    if fresh:
        words += "\nNobody has an account yet: the first to sign up is the administrator."
    crew, stop = supervisor(settings, web=True), stop_on_signal()

    def tell() -> None:
        if await_web(settings, stop):
            err.print(words, soft_wrap=True)

    threading.Thread(target=tell, name="tell", daemon=True).start()
    crew.run(stop)


@app.command(epilog="Example: `bowerbird web --port 8080` on each of several hosts behind a load balancer")
def web(data: Data = None, host: Host = None, port: Port = None, parent: Parent = None) -> None:
    """Run the web process alone."""
    from bowerbird.cli import server

    settings = settings_for(data=data, host=host, port=port)
    server.run(settings.host, settings.port, settings.web_workers, parent)


@app.command(epilog="Example: `bowerbird work` on a second host that shares the engines")
def work(data: Data = None, parent: Parent = None) -> None:
    """Run one pipeline worker alone."""
    from bowerbird import wiring
    from bowerbird.ingest.fetch import Limits
    from bowerbird.ingest.worker import Worker

    settings = settings_for(data=data)
    stop = stop_on_signal()
    if parent is not None:
        tether(parent, stop.set)
    with opened(settings) as engines:
        room = wiring.darkroom(settings)
        try:
            fetching = Limits(settings.fetch_timeout, settings.max_upload_mb * 2**20, settings.fetch_private)
            Worker(engines, room, max_pixels=settings.max_pixels, fetching=fetching).run(stop)
        finally:
            room.close()
