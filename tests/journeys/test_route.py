"""What people do: bring pictures, find what belongs with them, cut, save, keep secret."""

from __future__ import annotations

from pathlib import Path

import pyvips
from playwright.sync_api import FilePayload, Page, expect

from tests.journeys.conftest import Open
from tests.journeys.gallery import SIZE, Gallery, painted


def cards(page: Page) -> list[str]:
    """The pins on the first wall of the page, in reading order."""
    links = page.locator(".wall").first.locator(".card-link")
    found: list[str] = links.evaluate_all("all => all.map(one => one.getAttribute('href'))")
    return found


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], within: str = ".stage .whole") -> None:
    box = page.locator(within).bounding_box()
    assert box
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()


def test_from_signing_up_to_a_secret_board(visit: Open, service: Gallery) -> None:
    page = visit("/signup")
    page.get_by_label("Username").fill("wanda")
    page.get_by_label("Password").fill("a long password")
    page.locator("main").get_by_role("button", name="Sign up").click()
    page.wait_for_url(service.url + "/welcome")
    page.get_by_role("link", name="Skip", exact=True).click()
    page.wait_for_url(service.url + "/")

    # Several files at once; one of them is no picture.
    page.goto("/upload")
    names = ["blue.jpg", "violet.jpg", "notes.jpg"]
    data = [painted(SIZE + 1), painted(SIZE + 4), b"Just words, whatever the name says."]
    files = [FilePayload(name=name, mimeType="image/jpeg", buffer=one) for name, one in zip(names, data, strict=True)]
    page.get_by_label("Choose pictures").set_input_files(files)
    expect(page.locator(".upload.ready")).to_have_count(2, timeout=30_000)
    expect(page.locator(".upload.failed .status")).to_contain_text("picture")

    # Its page, with what belongs to it: the wall is of the same hue first.
    page.locator(".upload.ready", has_text="blue.jpg").get_by_role("link", name="See what belongs with it").click()
    expect(page.locator(".wall.laid .card")).not_to_have_count(0)
    address = page.url
    pin = address.rsplit("/", 1)[1]
    assert len(cards(page)) > 20

    # Saved to a new, secret board, from the dialog.
    page.locator(".pin-tools").get_by_role("link", name="Save").click()
    dialog = page.get_by_role("dialog", name="Save to a board")
    dialog.get_by_label("Name").fill("Only mine")
    dialog.get_by_label("Secret").check()
    dialog.get_by_role("button", name="Create and save").click()
    expect(page.get_by_text("Saved to Only mine")).to_be_visible()
    expect(dialog.get_by_role("button", name="Only mine")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.hasAttribute('data-save')"), "the focus returns to where it was"

    page.goto("/u/wanda/only-mine")
    assert cards(page) == [f"/pin/{pin}"]
    assert page.get_by_role("heading", name="More ideas for Only mine").is_visible()
    other = visit("/u/wanda/only-mine", "painter")
    assert other.get_by_role("heading", name="Nothing here").is_visible()
    other.goto("/u/wanda")
    assert not other.get_by_text("Only mine").is_visible()
    other.goto(f"/pin/{pin}")  # saved to a secret board, but not made secret: it was public before
    assert other.get_by_text("Only mine").count() == 0


def test_a_pin_that_is_secret_stays_with_its_owner(visit: Open, service: Gallery) -> None:
    service.cookies("hermit")
    board = service.board("Hidden", "hermit", secret=True)
    pin = service.upload(painted(SIZE + 7), "Hidden treasure", "hermit", board["id"])
    service.wait_ready("hermit")
    mine = visit(f"/pin/{pin}", "hermit")
    image = mine.locator(".stage img")
    assert image.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    signed = image.get_attribute("src") or ""
    other = visit(f"/pin/{pin}", "painter")
    assert other.get_by_role("heading", name="Nothing here").is_visible()
    assert other.request.get(signed.partition("?")[0]).status == 404
    other.goto("/search?q=treasure")
    assert cards(other) == []


def test_a_part_cut_out_by_mouse_and_by_keys(visit: Open) -> None:
    page = visit("/pin/2")
    page.wait_for_selector(".wall.laid")
    whole = cards(page)
    with page.expect_response(lambda answer: "box=" in answer.url and "part=wall" in answer.url) as answer:
        drag(page, (0.1, 0.1), (0.45, 0.4))
    assert answer.value.status == 200
    heading = page.get_by_role("heading", name="More like this part")
    expect(heading).to_be_visible()
    box = [float(part) for part in page.url.split("box=")[1].replace("%2C", ",").split(",")]
    assert [round(one, 1) for one in box] == [0.1, 0.1, 0.3, 0.3] or abs(box[2] - 0.35) < 0.05
    part = cards(page)
    assert part
    assert part != whole

    cut = page.get_by_role("application")
    expect(cut).to_be_focused()
    before = cut.bounding_box()
    with page.expect_response(lambda answer: "box=" in answer.url):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Tab")  # the first corner
    page.keyboard.press("ArrowDown")
    after = cut.bounding_box()
    assert before
    assert after
    assert after["x"] > before["x"] + 10
    assert after["height"] < before["height"] - 2
    assert "from the left" in (cut.get_attribute("aria-label") or "")

    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="More like this", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Back to the whole picture")).to_have_count(0)
    expect(page.locator(".lens")).to_be_focused()
    expect(page.locator(".wall .card-link").first).to_have_attribute("href", whole[0])
    assert cards(page) == whole
    assert "box=" not in page.url

    # By keys alone, from the button on.
    with page.expect_response(lambda answer: "box=" in answer.url):
        page.keyboard.press("Enter")
    expect(cut).to_be_focused()
    expect(heading).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".wall .card").first).to_be_focused()


def test_a_part_cut_out_by_touch(visit: Open) -> None:
    page = visit("/pin/2", phone=True)
    with page.expect_response(lambda answer: "box=" in answer.url):
        page.locator(".lens").tap()
    cut = page.get_by_role("application")
    before = cut.bounding_box()
    assert before
    session = page.context.new_cdp_session(page)
    x, y = before["x"] + before["width"], before["y"] + before["height"]  # its lower right corner
    with page.expect_response(lambda answer: "box=" in answer.url):
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x - 4, "y": y - 4}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x - 60, "y": y - 60}]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    after = cut.bounding_box()
    assert after
    assert after["width"] < before["width"] - 30
    assert page.evaluate("scrollY") == 0, "the page did not scroll away under the finger"


def test_the_wall_grows_and_can_be_walked(visit: Open) -> None:
    page = visit("/")
    page.wait_for_selector(".wall.laid")
    first = page.locator(".card").count()
    for _ in range(100):  # as someone does who waits for more
        if page.locator(".end").is_visible():
            break
        page.mouse.wheel(0, 2500)
        page.wait_for_timeout(120)
    expect(page.locator(".end")).to_be_visible()
    seen = cards(page)
    assert len(seen) >= SIZE > first
    assert len(set(seen)) == len(seen), "no picture comes twice"
    wall = page.get_by_role("feed")
    assert wall.get_attribute("aria-busy") == "false"
    places = page.locator(".card").evaluate_all("all => all.map(one => Number(one.getAttribute('aria-posinset')))")
    assert places == list(range(1, len(seen) + 1))

    page.locator(".card").nth(3).focus()
    page.keyboard.press("PageDown")
    expect(page.locator(".card").nth(4)).to_be_focused()
    page.keyboard.press("PageUp")
    expect(page.locator(".card").nth(3)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**" + seen[3])


def test_words_and_colours(visit: Open) -> None:
    page = visit("/")
    page.keyboard.press("/")
    page.keyboard.type("waves 41")
    page.keyboard.press("Enter")
    page.wait_for_selector(".wall.laid")
    assert page.locator(".card-title").first.inner_text() == "Waves 41"

    page.goto("/")
    page.get_by_role("button", name="Search by colour").click()
    page.locator("#colours").get_by_role("link", name="Red").click()
    page.wait_for_selector(".wall.laid")
    colour = page.locator(".card img").first.evaluate(
        """async (image) => {
            await image.decode();
            const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0, 1, 1);
            return [...context.getImageData(0, 0, 1, 1).data];
        }"""
    )
    assert colour[0] > 2 * colour[1]
    assert colour[0] > 2 * colour[2]
    expect(page.locator(".rail .treasure[aria-current]")).to_have_attribute("aria-label", "Red")


def test_a_picture_that_is_not_kept(visit: Open, picture: Path, service: Gallery) -> None:
    page = visit("/visual")
    with page.expect_response("**/visual?part=wall"):
        page.get_by_label("Choose a picture").set_input_files(picture)
    expect(page.locator(".wall.laid .card").first).to_be_visible()
    whole = cards(page)
    with page.expect_response("**/visual?part=wall"):
        drag(page, (0.1, 0.1), (0.5, 0.5))
    expect(page.locator(".wall")).to_have_attribute("aria-busy", "false")
    assert cards(page)
    assert whole

    # Dropped on any other page it leads here.
    other = visit("/")
    other.evaluate(
        """async (url) => {
            const blob = await (await fetch(url)).blob();
            const data = new DataTransfer();
            data.items.add(new File([blob], "dropped.webp", { type: "image/webp" }));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        other.locator(".card img").first.get_attribute("src"),
    )
    other.wait_for_url("**/visual")
    expect(other.locator(".wall.laid .card").first).to_be_visible()


def test_words_narrow_down_a_picture(visit: Open, picture: Path) -> None:
    page = visit("/visual")
    with page.expect_response("**/visual?part=wall"):
        page.get_by_label("Choose a picture").set_input_files(picture)
    expect(page.locator(".wall.laid .card").first).to_be_visible()
    page.get_by_role("searchbox").fill("waves 4")
    with page.expect_response("**/visual?part=wall"):
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Without waves 4")).to_be_visible()
    expect(page.locator(".wall")).to_have_attribute("aria-busy", "false")
    titles = page.locator(".card-title").all_inner_texts()
    assert titles
    assert all(title.startswith("Waves 4") for title in titles)


def test_doubles_are_shown_to_whoever_brings_them(visit: Open, service: Gallery) -> None:
    service.cookies("copier")
    page = visit("/upload", "copier")
    known = painted(10)
    smaller = pyvips.Image.new_from_buffer(known, "").resize(0.8).jpegsave_buffer(Q=70)
    choose = page.get_by_label("Choose pictures")
    choose.set_input_files([FilePayload(name="smaller.jpg", mimeType="image/jpeg", buffer=smaller)])
    expect(page.locator(".upload.ready", has_text="smaller.jpg").locator(".kin a")).not_to_have_count(0, timeout=20_000)
    choose.set_input_files([FilePayload(name="again.jpg", mimeType="image/jpeg", buffer=smaller)])
    expect(page.locator(".upload", has_text="again.jpg")).to_contain_text("You have this picture already")
    page.get_by_role("link", name="See it").click()
    expect(page.get_by_role("heading", name="Nearly the same")).to_be_visible()


def test_a_crop_is_recognised_a_moment_later(visit: Open, service: Gallery) -> None:
    """By a worker: neither the list of uploads nor the picture's own page waits for it, and both come to show it."""
    service.cookies("cutter")
    known = pyvips.Image.new_from_buffer(painted(11), "")
    width, height = known.width, known.height
    cuts = [known.crop(at, at, width - 60, height - 40).jpegsave_buffer(Q=85) for at in (10, 30)]
    page = visit("/upload", "cutter")
    files = [FilePayload(name="cut.jpg", mimeType="image/jpeg", buffer=cuts[0])]
    page.get_by_label("Choose pictures").set_input_files(files)
    expect(page.locator(".upload.ready", has_text="cut.jpg").locator(".kin")).to_contain_text("cropped", timeout=20_000)
    pin = service.upload(cuts[1], user="cutter")
    service.wait_ready("cutter")
    page.goto(f"/pin/{pin}")
    expect(page.locator(".near")).to_contain_text("cropped", timeout=20_000)
    expect(page.locator(".near")).not_to_have_attribute("data-late", "")


def test_the_theme_is_kept(visit: Open) -> None:
    page = visit("/", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto("/search")
    assert page.evaluate(ground) == dark


def test_words_of_a_pin_can_be_changed_and_the_pin_deleted(visit: Open, service: Gallery) -> None:
    service.cookies("editor")
    pin = service.upload(painted(SIZE + 9), "Before", "editor")
    service.wait_ready("editor")
    page = visit(f"/pin/{pin}", "editor")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Title").fill("After")
    page.get_by_role("button", name="Keep changes").click()
    assert page.get_by_role("heading", name="After").is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the original").click()
    assert download.value.path().read_bytes() == painted(SIZE + 9)
    page.goto(f"/pin/{pin}/edit")
    page.get_by_text("Delete this picture").click()
    page.get_by_role("button", name="Delete for good").click()
    page.goto(f"/pin/{pin}")
    assert page.get_by_role("heading", name="Nothing here").is_visible()


def test_an_administrator_and_a_board_with_a_guest(visit: Open, service: Gallery) -> None:
    service.cookies("guest")
    board = service.board("Together", secret=True)
    page = visit(f"/boards/{board['id']}/edit", "painter")
    page.get_by_label("Username to invite").fill("guest")
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("button", name="Remove guest")).to_be_visible()
    guest = visit(board["href"], "guest")
    assert guest.get_by_role("heading", name="Together").is_visible()
    guest.goto("/admin")
    assert guest.get_by_role("heading", name="Not for you to do").is_visible()
    page.goto("/admin")
    page.get_by_role("button", name="Disable guest").click()
    expect(page.get_by_role("button", name="Enable guest")).to_be_visible()
    guest.goto("/settings")
    assert "/login" in guest.url
