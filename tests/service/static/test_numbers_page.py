"""A photo of a page in a real browser: its lines on the picture and in the list, zoom, copies, and what is doubtful."""

import csv
import re
from collections.abc import Callable
from math import radians, tan
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from digits.synthesis.sample_page import draw_sample
from tests.service.drawing_page import PAPER, PHONE, hear, open_page, paint_page, paint_photo, press
from tests.service.server import Server

NUMBERS = ("31415", "2718", "0246")


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "page.png"
    paint_page(*NUMBERS, degrees=6).save(path)
    return path


def read(server: Server, path: Path) -> Any:
    """What the service says of a photo that the page sends as it is."""
    return server.request("POST", "/read", path.read_bytes(), {"Content-Type": "image/png"}).json


def show(page: Page, path: Path) -> None:
    page.get_by_text("Several digits").click()
    page.locator("#file").set_input_files(path)
    expect(hear(page)).not_to_be_empty()


def amend(page: Page, change: Callable[[Any], None]) -> None:
    """Change what the service answers to a photo."""

    def answer(route: Route) -> None:
        content = route.fetch().json()
        change(content)
        route.fulfill(json=content)

    page.route("**/read", answer)


def locate(locator: Locator) -> dict[str, float]:
    box = locator.bounding_box()
    assert box is not None
    return {**box, "x_middle": box["x"] + box["width"] / 2, "y_middle": box["y"] + box["height"] / 2}


def rows(page: Page) -> Locator:
    return page.locator("#lines .row")


def openers(page: Page) -> Locator:
    return page.locator("#lines .opener")


def line_boxes(page: Page) -> Locator:
    return page.locator("#boxes .line")


def test_page_lists_the_numbers_in_order(page: Page, server: Server, photo: Path) -> None:
    lines = read(server, photo)["lines"]
    assert [line["number"] for line in lines] == list(NUMBERS)
    show(page, photo)
    expect(page.locator("#lines .number")).to_have_text(list(NUMBERS))
    expect(hear(page)).to_have_text(re.compile(r"^3 1 4 1 5\. 2 7 1 8\. 0 2 4 6\. 3 lines, 13 digits\."))
    expect(page.get_by_role("list", name="Numbers found, top to bottom").get_by_role("button")).to_have_count(3)


def test_boxes_lie_along_the_slope(page: Page, server: Server, photo: Path) -> None:
    answer = read(server, photo)
    show(page, photo)
    expect(line_boxes(page)).to_have_count(3)
    expect(page.locator("#boxes .digit")).to_have_count(13)
    sheet = locate(page.locator("#ink"))
    scale = sheet["width"] / 1000
    assert sheet["height"] == pytest.approx(800 * scale, abs=1)
    placed = [
        *zip(line_boxes(page).all(), answer["lines"], strict=True),
        *zip(page.locator("#boxes .digit").all(), answer["digits"], strict=True),
    ]
    for locator, part in placed:
        box = locate(locator)
        left, top, width, height = part["box"]
        assert box["x_middle"] == pytest.approx(sheet["x"] + (left + width / 2) * scale, abs=2)
        assert box["y_middle"] == pytest.approx(sheet["y"] + (top + height / 2) * scale, abs=2)
        line = answer["lines"][part["line"]] if "line" in part else part
        assert 3 < line["angle"] < 9
        slope = locator.evaluate(
            """(box) => {
                const { a, b } = new DOMMatrix(getComputedStyle(box).transform);
                return b / a;
            }"""
        )
        assert slope == pytest.approx(tan(radians(line["angle"])), abs=0.01)


def test_pointing_at_a_number_marks_its_line_and_the_other_way_round(page: Page, photo: Path) -> None:
    show(page, photo)
    marked = re.compile(r"\bmarked\b")
    openers(page).nth(1).hover()
    expect(line_boxes(page).nth(1)).to_have_class(marked)
    expect(line_boxes(page).nth(0)).not_to_have_class(marked)
    line_boxes(page).nth(2).hover()
    expect(rows(page).nth(2)).to_have_class(marked)
    expect(line_boxes(page).nth(1)).not_to_have_class(marked)
    page.get_by_role("heading").hover()
    expect(page.locator("main .marked")).to_have_count(0)


def test_focus_on_a_number_marks_its_line(page: Page, photo: Path) -> None:
    show(page, photo)
    openers(page).nth(0).focus()
    expect(line_boxes(page).nth(0)).to_have_class(re.compile(r"\bmarked\b"))
    page.keyboard.press("Tab")
    expect(line_boxes(page).nth(0)).not_to_have_class(re.compile(r"\bmarked\b"))
    expect(line_boxes(page).nth(1)).to_have_class(re.compile(r"\bmarked\b"))


def test_a_click_on_a_digit_of_the_picture_opens_its_number(page: Page, photo: Path) -> None:
    show(page, photo)
    # The second digit of the second line.
    page.locator("#boxes .digit").nth(6).click()
    expect(openers(page).nth(1)).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("list", name="Digits of line 2").get_by_role("button", expanded=True)).to_have_text(
        re.compile("^7")
    )
    expect(page.get_by_role("img", name="Line 2 in the picture")).to_be_visible()


def test_a_tap_on_the_picture_opens_a_number(browser: Browser, server: Server, photo: Path) -> None:
    with open_page(browser, server, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        show(page, photo)
        page.locator("#boxes .digit").nth(10).tap()
        expect(openers(page).nth(2)).to_have_attribute("aria-expanded", "true")
        expect(line_boxes(page).nth(2).locator(".figures")).to_be_visible()
        expect(line_boxes(page).nth(0).locator(".figures")).to_be_hidden()


def test_keyboard_opens_a_number_and_its_digits(page: Page, photo: Path) -> None:
    show(page, photo)
    openers(page).nth(0).focus()
    page.keyboard.press("Enter")
    expect(openers(page).nth(0)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    chip = page.get_by_role("list", name="Digits of line 1").get_by_role("button").nth(1)
    expect(chip).to_be_focused()
    assert chip.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(chip).to_have_attribute("aria-expanded", "true")
    expect(chip).to_be_focused()
    page.keyboard.press("Enter")
    expect(chip).to_have_attribute("aria-expanded", "false")


def doubt(answer: Any) -> None:
    """Doubt a digit of the first line, and the second one altogether."""
    for line in answer["lines"]:
        line["accepted"] = True
        for one in line["digits"]:
            one.update(accepted=True, reason=None)
    first, second = answer["lines"][:2]
    first["accepted"] = second["accepted"] = False
    first["digits"][1].update(accepted=False, reason="ambiguous", confidence=0.612)


def test_doubtful_lines_are_told_by_more_than_colour(page: Page, photo: Path) -> None:
    amend(page, doubt)
    show(page, photo)
    expect(hear(page)).to_contain_text("3 lines, 13 digits. One digit is a guess. One line is doubtful.")
    expect(page.get_by_role("button", name="Line 1: 3 1 4 1 5, unsure")).to_contain_text("unsure")
    expect(openers(page).nth(1)).to_contain_text("unsure")
    expect(openers(page).nth(2)).to_contain_text("%")
    expect(line_boxes(page).locator(".figures")).to_have_text(["31?415", "2718?", "0246"])
    outlines = [box.evaluate("box => getComputedStyle(box).outlineStyle") for box in line_boxes(page).all()]
    assert outlines == ["dashed", "dashed", "solid"]
    digits = page.locator("#boxes .digit").evaluate_all(
        "boxes => boxes.map((box) => getComputedStyle(box).borderStyle)"
    )
    assert digits == ["solid", "dashed", *["solid"] * 11]


def copy_text(page: Page) -> str:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy")
    expect(page.locator("#notice")).to_contain_text("Copied: 3 numbers, a line each.")
    text: str = page.evaluate("() => navigator.clipboard.readText()")
    return text


def read_csv(page: Page, path: Path) -> list[list[str]]:
    with page.expect_download() as download:
        press(page, "CSV")
    assert download.value.suggested_filename == "numbers.csv"
    download.value.save_as(path)
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_copy_gives_the_numbers_as_text(page: Page, photo: Path) -> None:
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_hidden()
    show(page, photo)
    assert copy_text(page) == "\n".join(NUMBERS)


def test_numbers_can_be_copied_by_hand_where_the_browser_refuses(page: Page, photo: Path) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    show(page, photo)
    press(page, "Copy")
    area = page.get_by_label("The numbers, to copy by hand")
    expect(area).to_be_focused()
    expect(area).to_have_value("\n".join(NUMBERS))


def test_csv_holds_each_line_with_its_least_certain_digit(page: Page, photo: Path, tmp_path: Path) -> None:
    amend(page, doubt)
    show(page, photo)
    header, *table = read_csv(page, tmp_path / "numbers.csv")
    assert header == ["line", "number", "confidence", "accepted"]
    assert [row[:2] for row in table] == [["1", "31415"], ["2", "2718"], ["3", "0246"]]
    assert [row[3] for row in table] == ["false", "false", "true"]
    assert float(table[0][2]) == 0.612
    assert 0.612 < float(table[2][2]) <= 1


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("blank", "There is nothing to read yet."),
        ("no_digits", "Something is written here, but none of it looks like a digit."),
        ("too_small", "The digits are too small to be read. Take the photo from nearer, or send a part of it."),
    ],
)
def test_page_says_why_nothing_is_found(page: Page, tmp_path: Path, reason: str, words: str) -> None:
    picture = Image.new("RGB", (600, 400), PAPER)
    if reason != "blank":
        picture.paste((40, 44, 70), (150, 120, 450, 280))
    picture.save(tmp_path / "nothing.png")
    if reason == "too_small":
        amend(page, lambda answer: answer.update(reason=reason))
    show(page, tmp_path / "nothing.png")
    expect(hear(page)).to_have_text(words)
    expect(page.locator("#sentence")).to_have_text(words)
    expect(page.get_by_role("button", name="CSV")).to_be_hidden()


@pytest.mark.parametrize(("turn", "degrees"), [(Image.Transpose.ROTATE_90, 90), (Image.Transpose.ROTATE_270, 270)])
def test_a_photo_on_its_side_is_shown_upright(
    page: Page, server: Server, tmp_path: Path, turn: Image.Transpose, degrees: int
) -> None:
    upright, path = tmp_path / "upright.png", tmp_path / "aside.png"
    draw_sample().save(upright)
    draw_sample().transpose(turn).save(path)
    expected = read(server, upright)
    assert read(server, path)["orientation"] == degrees
    show(page, path)
    expect(hear(page)).to_contain_text(f"It was turned by {degrees} degrees to be read.")
    expect(page.locator("#lines .number")).to_have_text([line["number"] for line in expected["lines"]])
    sheet = locate(page.locator("#ink"))
    assert sheet["width"] / sheet["height"] == pytest.approx(1440 / 1080, abs=0.01)
    scale = sheet["width"] / 1440
    for locator, part in zip(page.locator("#boxes .digit").all(), expected["digits"], strict=True):
        box = locate(locator)
        left, top, width, height = part["box"]
        assert box["x_middle"] - sheet["x"] == pytest.approx((left + width / 2) * scale, abs=5)
        assert box["y_middle"] - sheet["y"] == pytest.approx((top + height / 2) * scale, abs=5)
    for line in line_boxes(page).all():
        box = locate(line)
        assert box["width"] > 2 * box["height"]


def test_a_large_photo_takes_the_width_it_needs(browser: Browser, server: Server, photo: Path, tmp_path: Path) -> None:
    with open_page(browser, server, viewport={"width": 1600, "height": 1000}) as page:
        drawn = locate(page.locator("#paper"))["width"]
        show(page, photo)
        width = locate(page.locator("#paper"))["width"]
        assert width > 900 > drawn
        assert locate(page.locator("#lines"))["x"] > width
        strip = Image.open(photo).crop((0, 60, 1000, 260))
        strip.save(tmp_path / "strip.png")
        page.locator("#file").set_input_files(tmp_path / "strip.png")
        expect(page.locator("#lines .number")).to_have_count(1)
        assert locate(page.locator("#paper"))["width"] > 1300
        assert locate(page.locator("#lines"))["y"] > locate(page.locator("#paper"))["y"]


def test_a_photo_fits_a_phone(browser: Browser, server: Server, photo: Path) -> None:
    with open_page(browser, server, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True) as page:
        show(page, photo)
        openers(page).nth(0).click()
        page.locator(".chip").nth(0).click()
        assert page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]
        assert locate(page.locator("#paper"))["width"] > 0.9 * PHONE["width"]


def zoom_by_button(page: Page) -> None:
    press(page, "Zoom in")


def zoom_by_key(page: Page) -> None:
    page.keyboard.press("+")


def zoom_by_wheel(page: Page) -> None:
    page.locator("#view").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")


@pytest.mark.parametrize("zoom", [zoom_by_button, zoom_by_key, zoom_by_wheel])
def test_a_photo_is_zoomed_within_its_frame(page: Page, photo: Path, zoom: Callable[[Page], None]) -> None:
    show(page, photo)
    frame, before = locate(page.locator("#paper")), locate(page.locator("#ink"))
    share = locate(line_boxes(page).nth(0))["width"] / before["width"]
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()
    zoom(page)
    after = locate(page.locator("#ink"))
    assert after["width"] > 1.3 * before["width"]
    # What was in the middle is there still.
    assert after["x_middle"] == pytest.approx(before["x_middle"], abs=12)
    assert after["y_middle"] == pytest.approx(before["y_middle"], abs=12)
    assert locate(page.locator("#paper")) == frame
    assert locate(line_boxes(page).nth(0))["width"] / after["width"] == pytest.approx(share, abs=0.01)
    expect(page.get_by_label("Zoom", exact=True).get_by_text(re.compile(r"^1\d\d %$"))).to_be_visible()
    press(page, "Zoom out")
    press(page, "Zoom out") if page.get_by_role("button", name="Zoom out").is_enabled() else None
    assert locate(page.locator("#ink")) == before


def test_two_fingers_zoom_the_photo_and_not_the_page(browser: Browser, server: Server, photo: Path) -> None:
    with open_page(browser, server, viewport=PHONE, has_touch=True, is_mobile=True) as page:
        show(page, photo)
        before = locate(page.locator("#ink"))
        touch = page.context.new_cdp_session(page)

        def send(kind: str, *xs: float) -> None:
            points = [{"x": x, "y": before["y_middle"], "id": finger} for finger, x in enumerate(xs)]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        send("touchStart", 150)
        send("touchStart", 150, 210)
        for step in range(1, 7):
            send("touchMove", 150 - 10 * step, 210 + 10 * step)
        send("touchEnd")
        after = locate(page.locator("#ink"))
        assert after["width"] == pytest.approx(3 * before["width"], rel=0.1)
        assert page.evaluate("() => visualViewport.scale") == 1
        expect(page.locator("#lines .opener[aria-expanded=true]")).to_have_count(0)


def test_a_zoomed_photo_is_moved_by_dragging_which_chooses_nothing(page: Page, photo: Path) -> None:
    show(page, photo)
    press(page, "Zoom in")
    press(page, "Zoom in")
    # A digit that is in sight.
    digit = locate(page.locator("#boxes .digit").nth(8))
    before = locate(page.locator("#ink"))
    page.mouse.move(digit["x_middle"], digit["y_middle"])
    page.mouse.down()
    page.mouse.move(digit["x_middle"] - 80, digit["y_middle"] - 60, steps=4)
    page.mouse.up()
    after = locate(page.locator("#ink"))
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-80, -60), abs=1)
    expect(page.locator("#lines .opener[aria-expanded=true]")).to_have_count(0)


def test_keyboard_moves_a_zoomed_photo(page: Page, photo: Path) -> None:
    show(page, photo)
    press(page, "Zoom in")
    press(page, "Zoom in")
    before = locate(page.locator("#ink"))
    page.keyboard.press("Shift+Tab")
    for _ in range(10):
        if page.evaluate("() => document.activeElement.id") == "view":
            break
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("group", name="The picture, which the arrow keys move")).to_be_focused()
    page.wait_for_function("x => document.querySelector('#ink').getBoundingClientRect().x < x", arg=before["x"])


def test_choosing_a_number_brings_its_line_into_sight(page: Page, photo: Path) -> None:
    show(page, photo)
    for _ in range(4):
        press(page, "Zoom in")
    frame = locate(page.locator("#view"))
    openers(page).nth(0).click()
    page.locator(".chip").nth(0).click()
    box = locate(page.locator("#boxes .digit").nth(0))
    assert frame["x"] < box["x_middle"] < frame["x"] + frame["width"]
    assert frame["y"] < box["y_middle"] < frame["y"] + frame["height"]


def test_nothing_is_drawn_on_the_photo_of_a_page(page: Page, photo: Path) -> None:
    show(page, photo)
    middle = locate(page.locator("#paper"))
    page.mouse.move(middle["x"] + 5, middle["y_middle"])
    page.mouse.down()
    page.mouse.move(middle["x"] + 5, middle["y_middle"] + 80, steps=4)
    page.mouse.up()
    expect(page.get_by_role("img", name="Drawing area with the photo page.png")).to_be_visible()


def test_the_photo_of_one_digit_can_be_read_as_a_page(page: Page, photo: Path) -> None:
    button = page.get_by_role("button", name="Read all digits of the photo")
    expect(button).to_be_hidden()
    page.locator("#file").set_input_files(photo)
    expect(hear(page)).not_to_be_empty()
    button.click()
    expect(page.locator("#lines .number")).to_have_text(list(NUMBERS))
    expect(page.get_by_role("radio", name="Several digits")).to_be_checked()
    expect(button).to_be_hidden()


def test_the_sample_is_read_at_once(page: Page, server: Server) -> None:
    press(page, "Sample")
    expect(hear(page)).to_contain_text(" lines, ")
    expect(page.get_by_role("img", name="Drawing area with the photo sample.webp")).to_be_visible()
    sample = server.request("GET", "/static/sample.webp").body
    lines = server.request("POST", "/read", sample, {"Content-Type": "image/webp"}).json["lines"]
    assert lines[0]["number"] == "0123456789"
    expect(page.locator("#lines .number")).to_have_text([line["number"] for line in lines])


def test_clear_gives_the_drawing_paper_back(page: Page, photo: Path) -> None:
    drawn = locate(page.locator("#paper"))
    show(page, photo)
    press(page, "Zoom in")
    page.get_by_text("One digit").click()
    press(page, "Clear")
    assert locate(page.locator("#paper")) == drawn
    assert locate(page.locator("#ink"))["width"] == drawn["width"]
    expect(page.get_by_role("button", name="Zoom in")).to_be_hidden()
    expect(page.locator("#boxes div")).to_have_count(0)


def test_the_next_photo_does_not_show_the_boxes_of_the_last_one(page: Page, photo: Path, tmp_path: Path) -> None:
    show(page, photo)
    page.route("**/read", lambda route: None)
    page.locator("#file").set_input_files(paint_photo(tmp_path / "seven.png"))
    expect(page.locator("#sentence")).to_have_text("Being read…")
    expect(page.locator("#boxes div")).to_have_count(0)
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_role("button", name="CSV")).to_be_hidden()
