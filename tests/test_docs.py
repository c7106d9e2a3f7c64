"""Every setting, command and route is documented, and the documents name nothing that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bowerbird import wiring
from bowerbird.cli import app
from bowerbird.cli.doctor import settings_page
from bowerbird.settings import load
from bowerbird.web.app import create_app

DOCS = Path(__file__).parents[1] / "docs"
README = DOCS.parent / "README.md"


def commands(command: Any, words: tuple[str, ...] = ("bowerbird",)) -> Iterator[tuple[str, Any]]:
    below_it: dict[str, Any] = getattr(command, "commands", {})  # typer's groups are not click's
    if below_it:
        for name, below in below_it.items():
            yield from commands(below, (*words, name))
    else:
        yield " ".join(words), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_settings_page_is_what_the_command_prints() -> None:
    written = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert written == settings_page(), "run `bowerbird settings --markdown > docs/settings.md`"


def test_every_command_is_documented_and_no_other() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    documented = {re.sub(r"( [A-Z]+)+$", "", row) for row in re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)}
    assert documented == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert f"`{name}" in (command.epilog or "")


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [README, *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_route_of_the_api_is_documented_and_no_other(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path)
    schema = create_app(settings, wiring.connect(settings), wiring.darkroom(settings)).openapi_schema.to_schema()
    routes = {f"{method.upper()} {path}" for path, verbs in schema["paths"].items() for method in verbs}
    page = (DOCS / "api.md").read_text(encoding="utf-8").partition("## Beside")[0]
    assert set(re.findall(r"^\| `([A-Z]+ [^`]+)` \|", page, re.MULTILINE)) == routes
