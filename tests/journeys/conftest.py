"""A running service with a small gallery, and a browser that minds every complaint of a page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests import servers
from tests.conftest import engine_missing
from tests.journeys.gallery import SIZE, Gallery, painted

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}

WATCH = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    window.shifts.push({ value: entry.value, of: entry.sources.map((s) => s.node?.className ?? s.node?.nodeName) });
  }
}).observe({ type: "layout-shift", buffered: true });
document.addEventListener("securitypolicyviolation", (event) => console.error("CSP: " + event.violatedDirective));
"""


Engines = Callable[[Path], dict[str, str]]

EMBEDDED: dict[str, Engines] = {"embedded": lambda _: {}}
SERVERS: dict[str, Engines] = {"self-hosted": servers.self_hosted, "amazon": servers.on_amazon}
EVERYWHERE = ("tests.journeys.test_route", "tests.journeys.test_chaos")
"""What is travelled on servers as well."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engines" in metafunc.fixturenames:
        more = [pytest.param(name, marks=pytest.mark.slow) for name in SERVERS]
        wanted = [*EMBEDDED, *more] if metafunc.module.__name__ in EVERYWHERE else [*EMBEDDED]
        metafunc.parametrize("engines", wanted, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest) -> Engines:
    """`engines(folder)`: the settings that choose them, for a site of its own in that data folder."""
    return (EMBEDDED | SERVERS)[request.param]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    engine_missing("chromium")
    raise AssertionError


@pytest.fixture(scope="session")
def service(chromium: str, engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """`bowerbird serve` with the gallery of the user `painter`, every picture ready."""
    data = tmp_path_factory.mktemp("service")
    running = Gallery(data, **engines(data))
    running.start()
    try:
        running.sign_up("painter")
        for number in range(SIZE):
            running.upload(painted(number), title=f"Waves {number}" if number % 3 else "")
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


Open = Callable[..., Page]


@pytest.fixture
def visit(service: Gallery, browser: Browser) -> Iterator[Open]:
    """`visit(path, user)` opens a page as that user (or nobody). In the end no page may have complained."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(path: str = "/", user: str = "", *, phone: bool = False, **more: object) -> Page:
        state = {"cookies": service.cookies(user), "origins": []} if user else None
        context = browser.new_context(
            base_url=service.url,
            viewport=PHONE if phone else DESKTOP,
            has_touch=phone,
            storage_state=state,
            **more,  # type: ignore[arg-type]
        )
        context.set_default_timeout(15_000)
        context.add_init_script(WATCH)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path, wait_until="load")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [one for one in complaints if "status of 4" not in one] == []


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that is not in the gallery."""
    path = tmp_path / "brought.jpg"
    path.write_bytes(painted(SIZE + 1))
    return path
