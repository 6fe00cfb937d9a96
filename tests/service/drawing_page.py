"""What tests of the drawing page share: the page in a browser, photos to give it, and what a screen reader is told."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect

from tests.service.pen import STROKES
from tests.service.server import Server

PHONE = {"width": 360, "height": 740}
# The browser's own words for an answer that is no 200; the page tells them in better ones.
REFUSED = "Failed to load resource"
PAPER, INK = (190, 186, 178), (40, 44, 70)


@contextmanager
def open_page(browser: Browser, server: Server, allowed: str = "\n", **options: Any) -> Iterator[Page]:
    """Open the page; whatever a test does on it, it may complain of nothing and ask no other host."""
    context = browser.new_context(**{"viewport": {"width": 1080, "height": 760}, **options})
    page = context.new_page()
    complaints: list[str] = []
    urls: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(server.url)
    yield page
    context.close()
    assert [complaint for complaint in complaints if not complaint.startswith(allowed)] == []
    assert [url for url in urls if not url.startswith((f"{server.url}/", f"blob:{server.url}/"))] == []


def hear(page: Page) -> Locator:
    """What a screen reader is told once a stroke is finished."""
    return page.locator("#announcement")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def expect_digit(page: Page, digit: int) -> None:
    expect(hear(page)).to_have_text(re.compile(rf"^{digit}, "))
    expect(page.locator("#digit")).to_have_text(str(digit))


def paint_photo(path: Path, size: tuple[int, int] = (600, 400), digit: int | None = 7) -> Path:
    """Paint a digit on grey paper, as a photo would show it, or nothing."""
    photo = Image.new("RGB", size, PAPER)
    if digit is not None:
        side = min(size)
        for stroke in STROKES[digit]:
            points = [(x * side, y * side) for x, y in stroke]
            ImageDraw.Draw(photo).line(points, INK, side // 20, "curve")
    photo.save(path)
    return path


def paint_page(*numbers: str, degrees: float = 0) -> Image.Image:
    """Paint numbers, one below the other, on a sheet that is then turned clockwise."""
    height, pitch = 110, 190
    photo = Image.new("RGB", (1000, 800), PAPER)
    for row, number in enumerate(numbers):
        for place, digit in enumerate(number):
            left, top = 90 + 0.95 * height * place, 80 + pitch * row
            for stroke in STROKES[int(digit)]:
                points = [(left + x * height, top + y * height) for x, y in stroke]
                ImageDraw.Draw(photo).line(points, INK, 8, "curve")
    return photo.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=PAPER)
