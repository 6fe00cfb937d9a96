"""The drawing page in a real browser: what a person draws, sees, hears and copies."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, Request, expect

from tests.service.doubtful import paint_doubtful_line
from tests.service.drawing_page import PHONE, REFUSED, expect_digit, hear, open_page, paint_photo, press
from tests.service.pen import STROKES, draw, write
from tests.service.server import Server, attempt, serve

KEY = "one that nobody guesses"
SCRIBBLE = [(0.1, 0.1), (0.9, 0.9), (0.2, 0.8), (0.9, 0.1), (0.5, 0.95), (0.1, 0.5), (0.95, 0.5), (0.5, 0.1)]
KEY_FIELD = "Key of this service"
NO_PICTURE = "That is no picture: PNG, JPEG, WebP, GIF, BMP or TIFF."


@pytest.mark.parametrize("digit", STROKES)
def test_page_reads_what_the_mouse_draws(page: Page, digit: int) -> None:
    write(page, digit)
    expect_digit(page, digit)


def test_page_reads_while_the_stroke_is_drawn(page: Page) -> None:
    box = page.locator("#ink").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + 60)
    page.mouse.down()
    page.mouse.move(x, y + 350, steps=10)
    expect(page.locator("#digit")).to_have_text("1")
    expect(hear(page)).to_be_empty()
    page.mouse.up()
    expect_digit(page, 1)


def test_page_shows_ten_bars_and_what_the_networks_saw(page: Page) -> None:
    expect(page.get_by_role("img", name="Nothing yet")).to_be_visible()
    write(page, 7)
    expect_digit(page, 7)
    bars = page.get_by_role("list", name="Probability of each digit").get_by_role("listitem")
    expect(bars).to_have_count(10)
    expect(bars.nth(7)).to_have_text(re.compile(r"^7\s*(9\d|100) %$"))
    expect(page.get_by_role("img", name="Looks like a 7 to the networks")).to_be_visible()
    opacities = page.evaluate(
        "() => [...document.querySelector('#seen canvas').getContext('2d').getImageData(0, 0, 28, 28).data]"
    )[3::4]
    assert len(opacities) == 784
    assert 30 < sum(opacity > 127 for opacity in opacities) < 250


@pytest.mark.parametrize("undo", [lambda page: press(page, "Undo"), lambda page: page.keyboard.press("Control+z")])
def test_undo_takes_back_the_last_stroke(page: Page, undo: Callable[[Page], None]) -> None:
    write(page, 1)
    expect_digit(page, 1)
    expect(page.get_by_role("img", name="Drawing area with one stroke")).to_be_visible()
    draw(page, SCRIBBLE)
    expect(page.get_by_role("img", name="Drawing area with 2 strokes")).to_be_visible()
    undo(page)
    expect(page.get_by_role("img", name="Drawing area with one stroke")).to_be_visible()
    expect_digit(page, 1)


@pytest.mark.parametrize("clear", [lambda page: press(page, "Clear"), lambda page: page.keyboard.press("Delete")])
def test_clear_empties_the_sheet_and_can_be_undone(page: Page, clear: Callable[[Page], None]) -> None:
    write(page, 4)
    expect_digit(page, 4)
    clear(page)
    expect(page.get_by_role("img", name="Drawing area, empty")).to_be_visible()
    expect(page.locator("#digit")).to_be_empty()
    expect(hear(page)).to_be_empty()
    expect(page.get_by_role("button", name="Clear")).to_be_disabled()
    press(page, "Undo")
    expect_digit(page, 4)


def test_page_asks_one_thing_at_a_time_and_the_newest_drawing_wins(page: Page) -> None:
    in_flight: set[Request] = set()
    together: list[int] = []

    def begin(request: Request) -> None:
        in_flight.add(request)
        together.append(len(in_flight))

    def end(request: Request) -> None:
        in_flight.discard(request)

    page.on("request", begin)
    page.on("requestfinished", end)
    page.on("requestfailed", end)
    draw(page, SCRIBBLE)
    press(page, "Clear")
    write(page, 3)
    expect_digit(page, 3)
    assert len(together) > 2
    assert max(together) == 1


def test_page_reads_a_photo_that_is_chosen(page: Page, tmp_path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        press(page, "Photo…")
    chooser.value.set_files(paint_photo(tmp_path / "seven.jpg"))
    expect_digit(page, 7)
    expect(page.get_by_role("img", name="Drawing area with the photo seven.jpg")).to_be_visible()


PASTE = "transfer => dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer}))"
DROP = "transfer => dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, cancelable: true}))"


def give(page: Page, path: Path, media_type: str, how: str) -> None:
    transfer = page.evaluate_handle(
        """([content, name, type]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(content)], name, {type}));
            return transfer;
        }""",
        [list(path.read_bytes()), path.name, media_type],
    )
    transfer.evaluate(how)


@pytest.mark.parametrize("how", [PASTE, DROP], ids=["pasted", "dropped"])
def test_page_reads_a_photo_that_is_given(page: Page, tmp_path: Path, how: str) -> None:
    give(page, paint_photo(tmp_path / "five.png", digit=5), "image/png", how)
    expect_digit(page, 5)


@pytest.mark.parametrize("how", [PASTE, DROP], ids=["pasted", "dropped"])
def test_page_says_that_what_is_given_is_no_picture(page: Page, tmp_path: Path, how: str) -> None:
    Image.new("L", (100, 100)).save(tmp_path / "paper.pdf")
    give(page, tmp_path / "paper.pdf", "application/pdf", how)
    expect(page.locator("#notice")).to_have_text(NO_PICTURE)


@pytest.mark.parametrize("name", ["paper.pdf", "notes.txt"])
def test_page_says_that_what_is_chosen_is_no_picture_and_keeps_the_drawing(
    page: Page, tmp_path: Path, name: str
) -> None:
    write(page, 1)
    expect_digit(page, 1)
    (tmp_path / name).write_text("no picture")
    page.locator("#file").set_input_files(tmp_path / name)
    expect(page.locator("#notice")).to_have_text(NO_PICTURE)
    expect(page.get_by_role("img", name="Drawing area with one stroke")).to_be_visible()
    expect_digit(page, 1)


@pytest.mark.parametrize("name", ["seven.avif", "seven.ico"])
def test_page_writes_anew_what_only_the_browser_can_read(page: Page, tmp_path: Path, name: str) -> None:
    page.locator("#file").set_input_files(paint_photo(tmp_path / name, (256, 256)))
    expect_digit(page, 7)


def test_page_keeps_transparency_when_it_reduces(page: Page, tmp_path: Path) -> None:
    photo = Image.new("RGBA", (2400, 2400), (0, 0, 0, 0))
    for stroke in STROKES[7]:
        points = [(x * 2400, y * 2400) for x, y in stroke]
        ImageDraw.Draw(photo).line(points, (255, 255, 255, 255), 160, "curve")
    photo.save(tmp_path / "white.png")
    page.locator("#file").set_input_files(tmp_path / "white.png")
    expect_digit(page, 7)


def test_page_reduces_a_large_photo_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    path = paint_photo(tmp_path / "large.png", (4500, 4000), 2)
    with page.expect_request("**/predict/image") as sent:
        page.locator("#file").set_input_files(path)
    expect_digit(page, 2)
    assert sent.value.headers["content-type"] == "image/jpeg"


def test_page_sends_what_the_browser_cannot_show(page: Page, tmp_path: Path) -> None:
    page.locator("#file").set_input_files(paint_photo(tmp_path / "seven.tiff"))
    expect_digit(page, 7)


def test_page_lists_the_numbers_of_what_the_browser_cannot_show(page: Page, tmp_path: Path) -> None:
    page.get_by_text("Several digits").click()
    page.locator("#file").set_input_files(paint_photo(tmp_path / "seven.tiff"))
    expect(page.locator("#lines .number")).to_have_text("7")
    expect(page.locator("#boxes div")).to_have_count(0)


def test_page_reads_several_digits_and_shows_where_they_stand(page: Page) -> None:
    page.get_by_text("Several digits").click()
    for place, digit in enumerate([1, 0, 2, 4]):
        write(page, digit, left=0.03 + 0.24 * place, width=0.22, height=0.6)
    expect(hear(page)).to_have_text("1 0 2 4. 4 digits")
    expect(page.locator("#lines .number")).to_have_text("1024")
    sheet = page.locator("#ink").bounding_box()
    assert sheet is not None
    for place in range(4):
        box = page.locator("#boxes .digit").nth(place).bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2 - sheet["x"]) / sheet["width"]
        assert 0.03 + 0.24 * place < middle < 0.25 + 0.24 * place
        assert 0.4 < box["height"] / sheet["height"] < 0.6


def test_page_says_which_digit_is_a_guess(page: Page, server: Server, tmp_path: Path) -> None:
    paint_doubtful_line().save(tmp_path / "line.png")
    # The line is doubtful as it stands; where a line is searched for, it is straightened first.
    page.route("**/read", lambda route: route.continue_(url=f"{server.url}/read?lines=1"))
    page.get_by_text("Several digits").click()
    page.locator("#file").set_input_files(tmp_path / "line.png")
    expect(hear(page)).to_have_text(re.compile(r"7 \d 0\. One digit is a guess\."))
    expect(page.locator("#boxes .figures")).to_have_text(re.compile(r"^7\d\?0$"))


def test_page_shows_the_boxes_of_a_photo_on_the_photo(page: Page, tmp_path: Path) -> None:
    page.get_by_text("Several digits").click()
    page.locator("#file").set_input_files(paint_photo(tmp_path / "seven.png", (300, 600)))
    expect(hear(page)).to_have_text(re.compile(r"^7\. "))
    sheet, box = page.locator("#ink").bounding_box(), page.locator("#boxes .digit").bounding_box()
    assert sheet is not None
    assert box is not None
    assert sheet["width"] / sheet["height"] == pytest.approx(0.5, abs=0.01)
    # The digit is as wide as the photo, and in its upper half.
    left, right = ((x - sheet["x"]) / sheet["width"] for x in (box["x"], box["x"] + box["width"]))
    assert (left, right) == pytest.approx((0.26, 0.74), abs=0.06)
    assert (box["y"] - sheet["y"]) / sheet["height"] == pytest.approx(0.17 / 2, abs=0.03)


def test_page_says_kindly_that_there_is_nothing(page: Page, tmp_path: Path) -> None:
    page.locator("#file").set_input_files(paint_photo(tmp_path / "blank.png", digit=None))
    expect(hear(page)).to_have_text("There is nothing to read yet.")
    expect(page.locator("#digit")).to_be_empty()


def test_page_says_kindly_that_it_is_no_digit(page: Page) -> None:
    draw(page, SCRIBBLE)
    expect(hear(page)).to_have_text(re.compile(r"^This does not look like a digit; the closest is an? \d\.$"))


def test_page_tells_what_the_service_says_of_a_broken_photo(browser: Browser, server: Server, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with open_page(browser, server, allowed=REFUSED) as page:
        page.locator("#file").set_input_files(tmp_path / "text.png")
        expect(page.get_by_role("alert")).to_contain_text("Received 10 bytes that are no image, expected a PNG")
        press(page, "Clear")
        expect(page.get_by_role("alert")).to_be_hidden()


def test_page_tells_that_the_service_is_gone_and_keeps_the_drawing(browser: Browser, tmp_path: Path) -> None:
    with serve(tmp_path) as server, open_page(browser, server, allowed=REFUSED) as page:
        server.process.terminate()
        server.process.wait()
        write(page, 1)
        expect(page.get_by_role("alert")).to_contain_text("The service cannot be reached. Your drawing is still here.")
        expect(page.get_by_role("img", name="Drawing area with one stroke")).to_be_visible()


def test_page_reads_by_itself_once_the_service_is_free(browser: Browser, tmp_path: Path) -> None:
    # More than the page's files, so that the page itself loads.
    max_in_flight = 32
    beginning = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\n"
    with (
        serve(tmp_path, DIGITS_MAX_IN_FLIGHT=str(max_in_flight), DIGITS_REQUEST_SECONDS="600") as server,
        open_page(browser, server, allowed=REFUSED) as page,
    ):
        with ExitStack() as stack:
            # While the page loads, its own requests hold places, and some of these are refused.
            for _ in attempt():
                other = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                other.sendall(beginning)
                if server.request("GET", "/model").status == 503:
                    break
            write(page, 1)
            expect(page.get_by_role("alert")).to_contain_text("Many people are drawing at this moment.")
        expect_digit(page, 1)
        expect(page.get_by_role("alert")).to_be_hidden()


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("locked"), DIGITS_API_KEY=KEY) as running:
        yield running


def test_page_asks_for_the_key_and_forgets_it(browser: Browser, locked_server: Server) -> None:
    with open_page(browser, locked_server, allowed=REFUSED) as page:
        write(page, 7)
        expect(page.get_by_role("alert")).to_contain_text("This service asks for a key.")
        page.get_by_label(KEY_FIELD).fill(KEY)
        page.keyboard.press("Enter")
        expect_digit(page, 7)
        expect(page.get_by_label(KEY_FIELD)).to_be_hidden()
        assert page.evaluate("() => [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        page.reload()
        write(page, 7)
        expect(page.get_by_role("alert")).to_contain_text("This service asks for a key.")


@pytest.mark.parametrize("key", ["“curly”", "clé", ""])
def test_page_keeps_asking_after_a_key_that_no_header_carries(
    browser: Browser, locked_server: Server, key: str
) -> None:
    with open_page(browser, locked_server, allowed=REFUSED) as page:
        write(page, 7)
        page.get_by_label(KEY_FIELD).fill(key)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("expected plain letters, digits and signs")
        page.get_by_label(KEY_FIELD).fill(KEY)
        page.keyboard.press("Enter")
        expect_digit(page, 7)


def test_page_tells_a_wrong_key_from_none(browser: Browser, locked_server: Server) -> None:
    with open_page(browser, locked_server, allowed=REFUSED) as page:
        write(page, 7)
        page.get_by_label(KEY_FIELD).fill("another")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("That is not the key of this service.")
        expect(page.get_by_label(KEY_FIELD)).to_be_focused()


def test_page_asks_for_no_key_where_the_sheet_is_empty(browser: Browser, locked_server: Server) -> None:
    with open_page(browser, locked_server, allowed=REFUSED) as page:
        write(page, 7)
        expect(page.get_by_label(KEY_FIELD)).to_be_visible()
        press(page, "Clear")
        expect(page.get_by_label(KEY_FIELD)).to_be_hidden()


def test_focus_goes_to_the_sheet_once_the_key_is_taken(browser: Browser, locked_server: Server) -> None:
    with open_page(browser, locked_server, allowed=REFUSED) as page:
        write(page, 7)
        page.get_by_label(KEY_FIELD).fill(KEY)
        page.keyboard.press("Enter")
        expect_digit(page, 7)
        expect(page.locator("#ink")).to_be_focused()


def copy_command(page: Page) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy as curl")
    expect(page.locator("#notice")).to_contain_text("Copied: paste it into a terminal.")
    command: str = page.evaluate("() => navigator.clipboard.readText()")
    return command


def run_in_bash(command: str, cwd: Path, **environment: str) -> Any:
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_copied_command_reads_the_drawing_in_bash(page: Page, tmp_path: Path) -> None:
    write(page, 6)
    expect_digit(page, 6)
    answer = run_in_bash(copy_command(page), tmp_path)
    assert (answer["digit"], len(answer["image"])) == (6, 28)


def test_copied_command_reads_several_digits_in_bash(page: Page, tmp_path: Path) -> None:
    page.get_by_text("Several digits").click()
    write(page, 3, left=0.1, width=0.3, height=0.8)
    write(page, 7, left=0.5, width=0.3, height=0.8)
    expect(hear(page)).to_have_text("3 7. 2 digits")
    assert run_in_bash(copy_command(page), tmp_path)["number"] == "37"


def test_copied_command_names_a_large_photo(page: Page, tmp_path: Path) -> None:
    path = paint_photo(tmp_path / "a 7's photo.bmp")
    page.locator("#file").set_input_files(path)
    expect_digit(page, 7)
    command = copy_command(page)
    assert len(command) < 300
    assert run_in_bash(command, tmp_path)["digit"] == 7


def test_copied_command_holds_no_key(browser: Browser, locked_server: Server, tmp_path: Path) -> None:
    with open_page(browser, locked_server, allowed=REFUSED) as page:
        write(page, 7)
        page.get_by_label(KEY_FIELD).fill(KEY)
        press(page, "Use it")
        expect_digit(page, 7)
        command = copy_command(page)
        assert KEY not in command
        assert run_in_bash(command, tmp_path, DIGITS_API_KEY=KEY)["digit"] == 7


def test_command_can_be_copied_by_hand_where_the_browser_refuses(page: Page) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    write(page, 1)
    expect_digit(page, 1)
    press(page, "Copy as curl")
    area = page.get_by_label("The command, to copy by hand")
    expect(area).to_be_focused()
    expect(area).to_have_value(re.compile(r"^printf %s '[A-Za-z0-9+/=]+' \| base64 --decode \| curl .*'$"))


def test_page_fits_a_phone(browser: Browser, server: Server) -> None:
    with open_page(browser, server, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True) as page:
        write(page, 8)
        expect_digit(page, 8)
        assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
        page.get_by_text("Several digits").click()
        for place in range(8):
            write(page, 1, left=0.01 + 0.12 * place, width=0.12)
        expect(page.locator("#lines .number")).to_have_text("1" * 8)
        assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]


def test_a_finger_draws_and_a_second_one_does_not(browser: Browser, server: Server) -> None:
    with open_page(browser, server, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        box = page.locator("#ink").bounding_box()
        assert box is not None
        touch = page.context.new_cdp_session(page)

        def send(kind: str, *points: tuple[float, float]) -> None:
            placed = [
                {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": finger}
                for finger, (x, y) in enumerate(points)
            ]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": placed})

        send("touchStart", (0.5, 0.15))
        send("touchMove", (0.5, 0.4))
        send("touchStart", (0.5, 0.4), (0.9, 0.9))
        for y in (0.5, 0.6, 0.7, 0.8):
            send("touchMove", (0.5, y), (0.9 - y, 0.9))
        send("touchEnd")
        expect_digit(page, 1)
        expect(page.get_by_role("img", name="Drawing area with one stroke")).to_be_visible()
        assert page.evaluate("() => scrollY") == 0


# What has the focus, and how it is outlined; a radio button is shown by the words beside it.
FIND_FOCUS = """() => {
    const focused = document.activeElement;
    const shown = focused.type === "radio" ? focused.nextElementSibling : focused;
    return [focused === document.body ? "body" : shown.textContent.trim(), getComputedStyle(shown).outlineStyle];
}"""


def test_keyboard_reaches_every_control_and_shows_where_it_is(page: Page) -> None:
    write(page, 1)
    expect_digit(page, 1)
    outlines = {}
    for _ in range(12):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(FIND_FOCUS)
        outlines[name] = outline
    outlines.pop("body", None)
    assert sorted(outlines) == [
        "API",
        "Clear",
        "Copy as curl",
        "Model",
        "Not a 1?",
        "One digit",
        "Photo…",
        "Sample",
        "Undo",
    ]
    assert set(outlines.values()) == {"solid"}


def test_keyboard_changes_what_is_read(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Several digits")).to_be_checked()
    expect(page.locator("#desk")).to_have_attribute("data-mode", "several")


def test_every_control_has_a_name_for_screen_readers(page: Page) -> None:
    snapshot = page.locator("body").aria_snapshot()
    for line in (
        'group "What to read"',
        'radio "One digit" [checked]',
        'radio "Several digits"',
        'img "Drawing area, empty"',
        'button "Undo" [disabled]',
        'button "Clear" [disabled]',
        'button "Photo…"',
        'button "Sample"',
        'button "Copy as curl" [disabled]',
        'list "Probability of each digit"',
        'link "API"',
    ):
        assert f"- {line}" in snapshot


# Relative luminance and contrast of two colours, as WCAG 2 defines them.
MEASURE_CONTRAST = """([front, back]) => {
    const read = (name) => {
        const element = document.createElement("i");
        element.style.color = `var(${name})`;
        document.body.append(element);
        const parts = getComputedStyle(element).color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
        element.remove();
        const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [dark, light] = [read(front), read(back)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
}"""
FRONTS = ("--text", "--muted", "--accent", "--doubt")
PAIRS = [
    *product(FRONTS, ("--ground", "--sheet")),
    ("--text", "--track"),
    ("--doubt", "--doubt-ground"),
    ("--on-accent", "--accent"),
    ("--on-doubt", "--doubt"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_enough_contrast(browser: Browser, server: Server, scheme: str) -> None:
    with open_page(browser, server, color_scheme=scheme) as page:
        contrasts = {pair: page.evaluate(MEASURE_CONTRAST, list(pair)) for pair in PAIRS}
        background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert {pair: contrast for pair, contrast in contrasts.items() if contrast < 4.5} == {}
    assert (max(map(int, re.findall(r"\d+", background))) < 64) is (scheme == "dark")


def test_page_stands_still_where_motion_is_not_wanted(browser: Browser, server: Server) -> None:
    with open_page(browser, server, reduced_motion="reduce") as page:
        moving = page.evaluate(
            """() => [...document.querySelectorAll("*")].filter(
                (element) => parseFloat(getComputedStyle(element).transitionDuration) > 0).length"""
        )
    assert moving == 0
