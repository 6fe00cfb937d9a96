"""Let the page read its sample and write docs/page.png, the picture in README.md. `make screenshot` runs it."""

import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.service.browser import open_browser
from tests.service.server import ROOT, serve

PATH = ROOT / "docs" / "page.png"


def take_screenshot(path: Path) -> None:
    """Write the page as it stands after the sample was read and one of its numbers was opened."""
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server, open_browser() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(server.url)
        page.get_by_role("button", name="Sample").click()
        expect(page.locator("#announcement")).to_contain_text(" lines, ")
        page.locator("#lines .opener").nth(2).click()
        page.screenshot(path=path)


if __name__ == "__main__":
    take_screenshot(PATH)
