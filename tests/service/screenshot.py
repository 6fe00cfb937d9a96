"""Draw on the page and write docs/page.png, the picture in README.md. `make screenshot` runs it."""

import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.service.browser import open_browser
from tests.service.pen import write
from tests.service.server import ROOT, serve

DIGIT = 2
PATH = ROOT / "docs" / "page.png"


def take_screenshot(path: Path) -> None:
    """Write the page as it stands after one digit was drawn."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server, open_browser() as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 640})
        page.goto(server.url)
        write(page, DIGIT)
        expect(page.locator("#announcement")).to_contain_text(f"{DIGIT}, ")
        # The bars come to rest.
        page.evaluate("() => Promise.all(document.getAnimations().map((one) => one.finished))")
        page.screenshot(path=path)


if __name__ == "__main__":
    take_screenshot(PATH)
