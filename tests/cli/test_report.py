"""Archive and report through the real command line, which tells what happened without what is secret."""

from __future__ import annotations

import time
from pathlib import Path

from bowerbird.catalog import boards, pins
from bowerbird.events import archive, reader
from bowerbird.model import Event
from tests.cli.test_commands import bowerbird
from tests.events.conftest import furnish, opened

LITE = {"BOWERBIRD_ENCODER": "efficientnet-lite0"}


def test_report_names_what_everyone_may_see(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    words = ("--data", str(folder))
    empty = bowerbird("report", *words, **LITE)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert "Nothing happened in the last 30 days" in empty.stderr

    ago = time.time() - 7200
    engines = opened(folder)
    furnish(engines)
    with engines.database.write() as conn:
        pins.update(conn, 1, 1, title="[red]A bower[/red]")
        known = boards.create(conn, 1, "Blue things").id
        hidden = boards.create(conn, 1, "Private plans", secret=True).id
    told = {"source": "walk", "position": 0}
    engines.events.append(
        [
            *(Event("save", ago, user, 1, {**told, "board_id": known}) for user in (1, 2, 3)),
            Event("save", ago, 1, 1, {"board_id": hidden, "secret": True}),
            *(Event("impression", ago, 1, 1, told) for _ in range(12)),
        ]
    )
    while reader.step(engines):
        pass
    live = bowerbird("report", *words, **LITE).stdout
    assert "[red]A bower[/red] (1)" in live
    assert "ann/Blue things" in live
    assert "25.0" in live
    assert "Private plans" not in live

    done = bowerbird("archive", *words, BOWERBIRD_EVENTS_KEEP_DAYS="0", **LITE)
    assert "16 events archived" in done.stdout, done.stderr
    assert archive.archived(engines) == 16
    assert engines.events.read(0) == []
    assert bowerbird("report", *words, **LITE).stdout == live
    assert "Nothing happened" not in bowerbird("report", "--days", "1", *words, **LITE).stderr
    assert bowerbird("report", "--days", "0", *words, **LITE).returncode == 2
    engines.close()
