"""Commands that look after a service: doctor, jobs, settings, version."""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from typing import Annotated, NamedTuple

import typer
from rich.markup import escape
from rich.table import Table

from bowerbird import __version__, wiring
from bowerbird.cli.service import check_port
from bowerbird.cli.terminal import Data, app, err, opened, out, settings_for
from bowerbird.model import State
from bowerbird.ports import Encoder, Unavailable
from bowerbird.settings import BadSetting, Settings, load, unknown

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs that were parked after their last try: parked, retry.")
app.add_typer(jobs_app, name="jobs")


LEAST_FREE = 2**30
"""Bytes of free disk below which the doctor complains."""

SETTLED = 3.0
"""Seconds that a reader has to be found near the writer."""

LATEST = 60.0
"""Seconds that an event may wait before the doctor complains."""

SECRETS = re.compile(r"(?<=://)[^@]*(?=@)|(?<=token=)[^&]*")
"""What a URL of an engine holds that is nobody's business."""

LOADERS = (
    "jpegload_buffer",
    "pngload_buffer",
    "webpload_buffer",
    "heifload_buffer",
    "gifload_buffer",
    "tiffload_buffer",
)


class Finding(NamedTuple):
    ok: bool
    what: str
    says: str


@app.command(epilog="Example: `bowerbird doctor --data /srv/pins`")
def doctor(data: Data = None) -> None:
    """Check the set-up, and say what to do about what is wrong."""
    bad = 0
    for finding in examine(settings_for(data=data)):
        bad += not finding.ok
        mark = "[green]ok [/green]" if finding.ok else "[red]bad[/red]"
        out.print(f"{mark} {finding.what:<9} {finding.says}", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if bad else 0)


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at each part in turn; a part that fails does not hide the next, and what ails several is told once."""
    told: set[str] = set()
    for what, look in LOOKS.items():
        try:
            yield Finding(True, what, look(settings))
        except (BadSetting, Unavailable, OSError, RuntimeError, ValueError) as error:
            if (cause := _cause(error)) not in told:
                yield Finding(False, what, str(error))
            told.add(cause)


def _cause(error: Exception) -> str:
    """The setting whose engine it is, for a client may word one fault in two ways, or all that it says."""
    setting = re.match(r"BOWERBIRD_\w+", str(error))
    return setting[0] if setting else str(error)


@jobs_app.command("parked", epilog="Example: `bowerbird jobs parked`")
def jobs_parked(data: Data = None) -> None:
    """Jobs given up after their last try, each with its error."""
    table = Table("id", "kind", "what", "tries", "parked", "error")
    with opened(settings_for(data=data)) as engines:
        for parked in engines.queue.parked():
            when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(parked.parked_at))
            table.add_row(
                parked.job.id, parked.job.kind, str(parked.job.payload), str(parked.tries), when, parked.error
            )
    out.print(table)


@jobs_app.command("retry", epilog="Example: `bowerbird jobs retry` or `bowerbird jobs retry 41 42`")
def jobs_retry(
    ids: Annotated[list[str] | None, typer.Argument(help="All of them if none is named.")] = None, data: Data = None
) -> None:
    """Send parked jobs again."""
    with opened(settings_for(data=data)) as engines:
        out.print(f"{engines.queue.retry(ids or None)} jobs sent again.")


@app.command(epilog="Example: `bowerbird settings`")
def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page of the documentation.")] = False,
) -> None:
    """Every setting, its value now, and what it does; and variables that look like one and are none."""
    if markdown:
        print(settings_page(), end="")  # noqa: T201
        return
    wrong = unknown(os.environ)  # who slipped a letter looks here for the name
    current = load({name: value for name, value in os.environ.items() if name not in wrong})
    table = Table("setting", "now", "what it does")
    for field in fields(Settings):
        value = str(getattr(current, field.name))
        value = "(hidden)" if field.name == "secret" and value else SECRETS.sub("(hidden)", value)
        table.add_row(f"BOWERBIRD_{field.name.upper()}", value, field.metadata["doc"])
    out.print(table)
    for sentence in wrong.values():
        err.print(f"[red]{escape(sentence)}[/red]", highlight=False, soft_wrap=True)


def settings_page() -> str:
    """`docs/settings.md`."""
    rows = [
        f"| `BOWERBIRD_{field.name.upper()}` | {f'`{field.default}`' if str(field.default) else ''} "
        f"| {'' if field.metadata['least'] is None else field.metadata['least']} | {field.metadata['doc']} |\n"
        for field in fields(Settings)
    ]
    return (
        "# Settings\n\n"
        "Each is an environment variable. For each, `<NAME>_FILE` may name a file that holds the value instead, for\n"
        "secrets. A variable that begins with `BOWERBIRD_` and is no setting stops the start, so a slip of the pen\n"
        "does not pass unseen; `bowerbird settings` shows its table all the same, and names it. A value that is not\n"
        "allowed stops the start too, such as a number below the least. An empty `BOWERBIRD_DATA` counts as unset.\n"
        "This page is what `bowerbird settings --markdown` prints.\n\n"
        "| setting | default | least | what it does |\n|---|---|---|---|\n" + "".join(rows)
    )


@app.command(epilog="Example: `bowerbird version`")
def version() -> None:
    """The version."""
    out.print(f"bowerbird {__version__}")


def _python(_: Settings) -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def _folder(settings: Settings) -> str:
    wiring.prepare(settings.data)
    free = shutil.disk_usage(settings.data).free
    if free < LEAST_FREE:
        raise OSError(f"{settings.data} has {free >> 20} MiB left. Make room: uploads will soon be refused.")
    return f"{settings.data} may be written to and has {free / 2**30:.1f} GiB left"


def _vips(_: Settings) -> str:
    import pyvips

    missing = [name for name in LOADERS if not pyvips.type_find("VipsOperation", name)]
    if missing:
        raise RuntimeError(f"libvips lacks {', '.join(missing)}. Install the pyvips-binary wheel.")
    return ".".join(str(pyvips.version(part)) for part in range(3))


def _database(settings: Settings) -> str:
    from bowerbird.catalog import images, users

    with closing(wiring.catalog(settings)) as database, database.read() as conn:
        counts, people = images.counts(conn), users.count(conn)
    states = ", ".join(f"{number} {state}" for state, number in counts.items()) or "no pictures yet"
    return f"answers: {states}; {people} accounts"


def _readers(settings: Settings) -> str:
    if not settings.database_readers:
        return "none are set"
    with closing(wiring.database(settings, pages=True)) as database:
        # At first sight a reader that is a moment behind may seem far behind.
        until = time.monotonic() + SETTLED
        while (left_out := database.left_out()) and time.monotonic() < until:
            time.sleep(0.1)
    if left_out:
        each = "; ".join(f"reader {one.number} at {one.where}: {one.plain} ({one.why})" for one in left_out)
        raise Unavailable(f"{each}. Pages are read elsewhere meanwhile. Check BOWERBIRD_DATABASE_READERS.")
    return "all are in use"


def _blobs(settings: Settings) -> str:
    wiring.blobs(settings).exists("doctor")
    return "answer"


def _metadata(settings: Settings) -> str:
    with closing(wiring.metadata(settings)) as metadata:
        metadata.get("doctor")
    return "answers"


def _cache(settings: Settings) -> str:
    cache = wiring.cache(settings)
    if not settings.cache:
        return f"in each process's own memory, {settings.cache_mb} MiB"
    started = time.perf_counter()
    try:
        cache.ping()
    except Unavailable as error:
        raise Unavailable(f"{error}. Pages come without it, only slower. Check BOWERBIRD_CACHE.") from error
    return f"answers in {1000 * (time.perf_counter() - started):.1f} ms"


def _index(settings: Settings) -> str:
    from bowerbird.catalog import images

    wiring.check_shared(settings)
    with closing(wiring.catalog(settings)) as database, database.read() as conn:
        ready = images.counts(conn)[State.READY]
    with closing(wiring.looks(settings)) as looks:
        known = len(looks)
    if known < ready:
        raise RuntimeError(f"only {known} of {ready} pictures can be found by their look. Run `bowerbird reindex`.")
    return f"{known} vectors of {ready} pictures"


def _queue(settings: Settings) -> str:
    with closing(wiring.queue(settings)) as queue:
        parked, waiting = queue.parked_depth(), queue.depth()
    if parked:
        raise RuntimeError(f"{parked} jobs are parked. See `bowerbird jobs parked`, then `bowerbird jobs retry`.")
    return f"{waiting} jobs wait"


def _events(settings: Settings) -> str:
    from bowerbird.events import reader

    with opened(settings) as engines:
        waiting, age = reader.waiting(engines), reader.behind(engines)
    if age > LATEST:
        raise RuntimeError(
            f"{waiting} events wait to be folded, the oldest for {age:.0f} s. Is `bowerbird serve` or `events` running?"
        )
    return f"{waiting} wait to be folded"


def _encoder(settings: Settings) -> str:
    with closing(wiring.darkroom(settings)) as room:
        return room.run(_try_encoder)


def _try_encoder(encoder: Encoder) -> str:
    import numpy as np

    started = time.perf_counter()
    encoder.encode(np.zeros((1, encoder.size, encoder.size, 3), np.uint8))
    return f"{encoder.version}: {encoder.dim} numbers a picture, {1000 * (time.perf_counter() - started):.0f} ms"


def _port(settings: Settings) -> str:
    try:
        check_port(settings)
    except BadSetting:
        return f"{settings.port} is in use; fine if that is this service running"
    return f"{settings.port} on {settings.host} is free"


LOOKS: dict[str, Callable[[Settings], str]] = {
    "python": _python,
    "folder": _folder,
    "libvips": _vips,
    "database": _database,
    "readers": _readers,
    "blobs": _blobs,
    "metadata": _metadata,
    "queue": _queue,
    "cache": _cache,
    "index": _index,
    "events": _events,
    "encoder": _encoder,
    "port": _port,
}
