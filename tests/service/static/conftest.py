from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.service.browser import open_browser
from tests.service.drawing_page import open_page
from tests.service.server import Server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with open_page(browser, server) as opened:
        yield opened
