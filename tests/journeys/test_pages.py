"""Every page, in light and dark, on a phone and a desktop: accessible, still, light and without complaints."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page

from tests.journeys.conftest import DESKTOP, PHONE, Open

AXE = Axe()
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
EVERYTHING: dict[str, object] = {"resultTypes": ["violations"]}
CONTRAST = EVERYTHING | {"runOnly": ["color-contrast"]}
LOOKS = [
    ("light", DESKTOP, EVERYTHING),
    ("dark", DESKTOP, CONTRAST),
    ("light", PHONE, CONTRAST),
    ("dark", PHONE, EVERYTHING),
]
"""Structure depends on the width only, contrast on both."""
PAGES = [
    ("/", ""),
    ("/", "painter"),
    ("/?what=following", "painter"),
    ("/?what=popular", ""),
    ("/?what=newest", "painter"),
    ("/welcome", "painter"),
    ("/pin/3/why", "painter"),
    ("/u/painter?what=followers", "painter"),
    ("/pin/3", "painter"),
    ("/pin/3?box=0.2,0.2,0.5,0.5", ""),
    ("/pin/3/save", "painter"),
    ("/pin/3/edit", "painter"),
    ("/search", ""),
    ("/search?q=waves&colour=2446c8", ""),
    ("/search?q=zeppelin", ""),
    ("/visual", ""),
    ("/upload", "painter"),
    ("/u/painter", "painter"),
    ("/u/painter?what=pins", ""),
    ("/boards/new", "painter"),
    ("/login", ""),
    ("/signup", ""),
    ("/settings", "painter"),
    ("/admin", "painter"),
    ("/admin/live", "painter"),
    ("/nothing/here", ""),
]


SETTLED = """Promise.allSettled(document.getAnimations()
    .filter((one) => one.effect.getComputedTiming().endTime !== Infinity).map((one) => one.finished))"""


def violations(page: Page, rules: dict[str, object]) -> list[str]:
    """What axe finds, once nothing fades or moves any more: half-faded text has too little contrast, and so has text on
    a card that has not moved aside yet. What is still found after a while is not on its way."""
    found: list[str] = []
    for _ in range(4):
        page.wait_for_function("() => !document.querySelector('.wall[aria-busy=true], .replacing')")
        page.evaluate(FRAMES)
        page.evaluate(SETTLED)
        wrong = AXE.run(page, options=rules).response["violations"]
        found = [f"{one['id']}: {[node['html'][:160] for node in one['nodes']][:3]}" for one in wrong]
        if not found:
            break
        page.wait_for_timeout(400)
    return found


def shifts(page: Page) -> list[dict[str, object]]:
    found: list[dict[str, object]] = page.evaluate("window.shifts")
    return found


@pytest.mark.parametrize(("path", "user"), PAGES, ids=[f"{path}{'*' if user else ''}" for path, user in PAGES])
def test_nothing_bars_anyone(visit: Open, path: str, user: str) -> None:
    page = visit(path, user)
    for scheme, size, rules in LOOKS:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert violations(page, rules) == [], f"{scheme}, {size['width']} px"
    page.set_viewport_size({"width": 320, "height": 640})
    # The wall is laid again a frame after the width has changed: it must come to fit, not fit at once.
    page.wait_for_function("() => innerWidth === 320 && document.documentElement.scrollWidth <= innerWidth")


def test_nothing_bars_anyone_in_what_opens(visit: Open, picture: Path) -> None:
    page = visit("/pin/3", "painter", reduced_motion="reduce")
    page.get_by_role("button", name="Search by colour").click()
    assert violations(page, EVERYTHING) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Your menu").click()
    assert violations(page, EVERYTHING) == []
    page.keyboard.press("Escape")
    page.locator(".lens").click()
    page.get_by_role("heading", name="More like this part").wait_for()
    assert violations(page, EVERYTHING) == []
    page.keyboard.press("Escape")
    page.locator(".pin-tools").get_by_role("link", name="Save").click()
    page.get_by_role("dialog").wait_for()
    assert violations(page, EVERYTHING) == []
    page.goto("/upload")
    broken = FilePayload(name="broken.png", mimeType="image/png", buffer=b"\x89PNG, it says")
    page.get_by_label("Choose pictures").set_input_files([broken])
    page.locator(".upload.failed").wait_for()
    assert violations(page, EVERYTHING) == []
    page.goto("/visual")
    page.get_by_label("Choose a picture").set_input_files(picture)
    page.locator(".wall[aria-busy=false]:not(.replacing) .card").first.wait_for()
    assert violations(page, EVERYTHING) == []


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
@pytest.mark.parametrize("path", ["/", "/pin/3", "/pin/4", "/search?q=waves", "/u/painter?what=pins"])
def test_nothing_moves_while_a_page_loads_and_scrolls(visit: Open, path: str, phone: bool) -> None:
    page = visit(path, phone=phone)
    page.wait_for_selector(".wall.laid")
    for _ in range(6):
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(80)
    page.wait_for_load_state("networkidle")
    assert shifts(page) == []


def test_a_picture_keeps_its_place_before_it_comes(visit: Open) -> None:
    page = visit("/login")
    page.route("**/media/**", lambda route: route.fulfill(status=404))
    page.goto("/")
    page.wait_for_selector(".wall.laid")
    box = page.locator(".card .frame").first.bounding_box()
    image = page.locator(".card img").first
    assert box
    ratio = int(image.get_attribute("height") or 0) / int(image.get_attribute("width") or 1)
    assert box["height"] / box["width"] == pytest.approx(ratio, rel=0.02)


def test_the_first_page_is_light(visit: Open) -> None:
    page = visit("/login")
    sizes: list[tuple[str, int]] = []
    page.on("requestfinished", lambda request: sizes.append((request.url, _bytes(request))))
    session = page.context.new_cdp_session(page)
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto("/")
    page.wait_for_selector(".wall.laid")
    first = [(url, size) for url, size in sizes if "/media/" not in url and "part=wall" not in url]
    assert any(url.endswith("wall.js") for url, _ in first)
    assert sum(size for _, size in first) < 60_000, first


def _bytes(request: object) -> int:
    sizes = request.sizes()  # type: ignore[attr-defined]
    return int(sizes["responseBodySize"] + sizes["responseHeadersSize"])


def test_of_use_without_scripts(visit: Open, picture: Path) -> None:
    page = visit("/", java_script_enabled=False)
    seen = page.locator(".card").count()
    assert page.locator(".card img").first.is_visible()
    page.get_by_role("link", name="Show more").click()
    assert page.locator(".card").count() > 0
    assert "bookmark=" in page.url
    page.goto("/login")
    page.get_by_label("Username").fill("painter")
    page.get_by_label("Password").fill("bowerbird-painter")
    page.locator("main").get_by_role("button", name="Log in").click()
    page.goto("/pin/5/save")
    if not page.get_by_label("Name").is_visible():  # who has boards opens the form first
        page.locator("summary", has_text="New board").click()
    page.get_by_label("Name").fill("Without scripts")
    page.get_by_role("button", name="Create and save").click()
    assert page.url.endswith("/pin/5")
    assert page.get_by_role("link", name="Without scripts").is_visible()
    assert seen > 20
    page.goto("/upload")
    page.get_by_label("Board").select_option("Without scripts")
    page.get_by_label("Choose pictures").set_input_files([picture, picture])
    page.get_by_role("button", name="Add", exact=True).click()
    assert "board=" in page.url
    page.get_by_label("Address of a picture").fill("ftp://example.org/a.jpg")
    page.get_by_role("button", name="Fetch").click()
    assert page.get_by_role("alert").is_visible()
    page.goto("/visual")
    page.get_by_label("Choose a picture").set_input_files(picture)
    page.get_by_role("button", name="Search", exact=True).click()
    assert page.locator(".card").count() > 20
    page.goto("/pin/3")
    page.get_by_role("link", name="Search a part").click()
    assert page.get_by_role("heading", name="More like this part").is_visible()
