"""A wall of one's own: choosing, saving, being told why, hiding, following."""

from __future__ import annotations

import json
import time

from playwright.sync_api import Page, expect

from tests.journeys.conftest import Open
from tests.journeys.gallery import HUES, SIZE, Gallery
from tests.journeys.test_pages import EVERYTHING, shifts, violations

BLUE = 1
"""Of `HUES`; the gallery's pins take them in turn."""


def hue(pin: str) -> int | None:
    return (int(pin) - 1) % len(HUES) if int(pin) <= SIZE else None


def wall(page: Page) -> list[str]:
    """The pins on the wall, in reading order."""
    page.wait_for_selector(".wall.laid")
    found: list[str] = page.locator(".wall .card").evaluate_all("all => all.map(one => one.dataset.pin)")
    return found


def blues(page: Page, of: int = 24) -> int:
    return sum(hue(pin) == BLUE for pin in wall(page)[:of])


def sign_up(page: Page, name: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("a long password")
    page.locator("main").get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/welcome")


def choose_blue(page: Page, most: int = 4) -> None:
    for _ in range(6):
        offered: list[str] = page.locator("input[name=pin]").evaluate_all("all => all.map(one => one.value)")
        for pin in offered:
            if hue(pin) == BLUE:
                page.locator(f"input[name=pin][value='{pin}']").check()
        if page.locator("input[name=pin]:checked").count() >= most:
            return
        page.get_by_role("button", name="Show others").click()
        page.wait_for_load_state()


def save_first(page: Page, board: str, wanted: int = 3) -> None:
    """Save some blue pictures of the wall to a board, by its dialog."""
    page.wait_for_selector(".wall.laid")
    saved = 0
    for card in page.locator(".wall .card").all():
        if saved == wanted or hue(card.get_attribute("data-pin") or "") != BLUE:
            continue
        card.hover()
        card.locator("a[data-save]").click()
        dialog = page.get_by_role("dialog", name="Save to a board")
        dialog.wait_for()
        known = dialog.get_by_role("button", name=board)
        if known.count():
            known.click()
        else:
            dialog.get_by_label("Name").fill(board)
            dialog.get_by_role("button", name="Create and save").click()
        expect(page.get_by_text(f"Saved to {board}")).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        saved += 1
    assert saved == wanted


def test_from_a_few_choices_to_a_wall_of_ones_own(visit: Open) -> None:
    page = visit("/signup")
    sign_up(page, "nora")
    assert page.get_by_role("button", name="Choose 3 more").get_attribute("aria-disabled") == "true"
    choose_blue(page)
    page.get_by_role("button", name="Make my wall").click()
    page.wait_for_selector(".wall.laid")
    assert page.get_by_role("link", name="For you").get_attribute("aria-current") == "page"
    by_chance = 24 / len(HUES)
    assert (seen := blues(page)) > by_chance, seen

    save_first(page, "Deep blue")
    page.wait_for_timeout(1500)
    page.goto("/")
    assert (seen := blues(page)) > by_chance, seen  # although those on a board have left the wall

    # Why: in a menu by the card, told in words, left by Escape with the focus where it was.
    told = page.locator(".card").evaluate_all("all => all.map(one => one.dataset.why)")
    assert any("saved" in one or "like" in one for one in told), told
    dots = page.locator(".card-why").first
    dots.click()
    expect(page.locator("#why .why-told")).to_have_text(told[0])
    assert violations(page, EVERYTHING) == []
    page.keyboard.press("Escape")
    expect(page.locator("#why")).to_be_hidden()
    expect(dots).to_be_focused()
    assert shifts(page) == []


def test_what_is_hidden_goes_at_once_and_stays_away(visit: Open, service: Gallery) -> None:
    page = visit("/", "hilda")
    pin = wall(page)[0]
    card = page.locator(f".card[data-pin='{pin}']")
    card.locator(".card-why").focus()
    page.keyboard.press("Enter")
    with page.expect_response(lambda answer: answer.url.endswith(f"/pins/{pin}/hide")) as answer:
        page.get_by_role("button", name="Not my taste").press("Enter")
    assert answer.value.status == 204
    expect(card.locator("img")).to_have_count(0)
    expect(card.get_by_role("button", name="Undo")).to_be_focused()
    assert violations(page, EVERYTHING) == []

    nearest = service.people["painter"].get(f"/api/v1/pins/{pin}/related?limit=5").json()["items"][0]["id"]
    until = time.monotonic() + 10
    while pin in wall(page) and time.monotonic() < until:
        page.goto("/")
    found = wall(page)
    assert pin not in found
    assert nearest not in found[:12]

    # The same without a menu, and the way back.
    other = found[0]
    page.goto(f"/pin/{other}/why")
    page.get_by_label("I see it too often").check()
    page.get_by_role("button", name="Hide").click()
    expect(page.get_by_role("heading", name="Hidden")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Why am I seeing this?")).to_be_visible()


def test_following_in_place_and_the_wall_of_it(visit: Open, service: Gallery) -> None:
    board = service.board("Followed waves")
    for pin in (5, 6):
        service.people["painter"].put(f"/api/v1/boards/{board['id']}/pins/{pin}").raise_for_status()
    page = visit("/?what=following", "fred")
    expect(page.get_by_role("heading", name="Follow what you like")).to_be_visible()
    page.goto(board["href"])
    page.get_by_role("button", name="Follow Followed waves").click()
    expect(page.get_by_role("button", name="Stop following Followed waves")).to_be_visible()
    expect(page.locator("[data-followers]")).to_have_text("1")
    page.goto("/?what=following")
    assert wall(page) == ["6", "5"]
    page.goto("/u/painter")
    page.get_by_role("button", name="Follow painter").click()
    expect(page.get_by_text("You follow painter")).to_be_visible()
    page.goto("/u/painter?what=followers")
    assert page.get_by_role("link", name="fred").count() == 1
    page.goto("/?what=following")
    assert len(wall(page)) > 20


HEAR = """
const send = navigator.sendBeacon.bind(navigator);
navigator.sendBeacon = (url, body) => { body.text().then(heard); return send(url, body); };
"""


def test_what_was_really_seen_is_told_once(visit: Open, service: Gallery) -> None:
    page = visit("/settings", "selma")
    told: list[dict[str, object]] = []
    page.expose_function("heard", lambda text: told.extend(json.loads(text)["events"]))
    page.add_init_script(HEAR)
    with page.expect_response("**/api/v1/events", timeout=20_000) as answer:
        page.goto("/")
    assert answer.value.status == 202
    page.wait_for_timeout(4500)
    assert {one["kind"] for one in told} == {"impression"}
    assert all(one["page"] == "home" and one["request"] and one["source"] for one in told)
    pins = [one["pin_id"] for one in told]
    assert len(pins) == len(set(pins))
    below = page.locator(".wall .card").count() - len(pins)
    assert below > 5, "what is below the fold has not been seen"

    first = told[0]
    with page.expect_response("**/api/v1/events", timeout=20_000):
        page.locator(f".card[data-pin='{first['pin_id']}'] .card-link").click()
        page.wait_for_url(f"**/pin/{first['pin_id']}")
        page.wait_for_timeout(5000)
    opened = next(one for one in told if one["kind"] == "closeup")
    same = ("pin_id", "page", "request", "position", "source")
    assert [opened[name] for name in same] == [first[name] for name in same]


LEAVE = """
{
  let away = false, left = false;
  Object.defineProperty(document, "hidden", { get: () => away });
  window.turn = (hidden) => {
    away = hidden;
    document.documentElement.dataset.away = hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  const wait = window.setTimeout;
  window.setTimeout = (work, ms, ...given) => {
    if (ms === 1000 && !left) wait(turn, 200, left = true);
    return wait(work, ms, ...given);
  };
}
"""
"""Another tab, 0.2 s after the first card came into sight."""


def test_what_is_behind_another_tab_is_not_seen(visit: Open, service: Gallery) -> None:
    page = visit("/settings", "tabitha")
    told: list[dict[str, object]] = []
    page.expose_function("heard", lambda text: told.extend(json.loads(text)["events"]))
    page.add_init_script(HEAR + LEAVE)
    page.goto("/")
    page.wait_for_selector("[data-away=true]")
    page.wait_for_timeout(1500)
    page.evaluate("turn(true)")  # sends whatever waits
    page.wait_for_timeout(200)
    assert told == []
    page.evaluate("turn(false)")
    page.wait_for_timeout(1500)
    with page.expect_response("**/api/v1/events"):
        page.evaluate("turn(true)")
    page.wait_for_timeout(200)
    assert {one["kind"] for one in told} == {"impression"}


def test_of_use_without_scripts(visit: Open) -> None:
    page = visit("/", "nils", java_script_enabled=False)
    page.locator(".card-why").first.click()
    assert page.get_by_role("heading", name="Why am I seeing this?").is_visible()
    page.get_by_label("It does not belong here").check()
    page.get_by_role("button", name="Hide").click()
    assert page.get_by_role("heading", name="Hidden").is_visible()
    page.goto("/u/painter")
    page.get_by_role("button", name="Follow painter").click()
    assert page.get_by_role("button", name="Stop following painter").is_visible()
    page.goto("/welcome")
    boxes = page.locator("input[name=pin]")
    for number in range(2):
        boxes.nth(number).check()
    page.get_by_role("button", name="Make my wall").click()
    assert page.get_by_role("alert").is_visible()
    assert page.locator("input[name=pin]:checked").count() == 2
    page.locator("input[name=pin]:not(:checked)").first.check()
    page.get_by_role("button", name="Make my wall").click()
    page.locator(".wall .card").nth(20).wait_for()
