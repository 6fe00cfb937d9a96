"""The drawing page as files: types, headers, caching, and who may load it."""

import re

import pytest
from playwright.sync_api import expect

from tests.service.browser import open_browser
from tests.service.server import ROOT, Server, serve

FOLDER = ROOT / "web_service" / "app" / "static"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.js"))
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".webp": "image/webp"}
UI = {"/static/swagger-ui-bundle.js": "text/javascript", "/static/swagger-ui.css": "text/css"}
FILES = {"/": "text/html", "/docs": "text/html", **UI} | {
    f"/static/{path.name}": TYPES[path.suffix] for path in FOLDER.glob("*.[cjsw]*")
}


def read_policy(server: Server, path: str) -> dict[str, str]:
    policy = str(server.request("GET", path).headers["content-security-policy"])
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}


@pytest.mark.parametrize("path", FILES)
def test_page_is_served_with_its_type_and_no_more_rights_than_it_needs(server: Server, path: str) -> None:
    answer = server.request("GET", path)
    assert (answer.status, answer.headers.get_content_type()) == (200, FILES[path])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = read_policy(server, path)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy)


@pytest.mark.parametrize("path", FILES)
def test_page_that_is_known_is_not_sent_again(server: Server, path: str) -> None:
    first = server.request("GET", path)
    assert first.headers["cache-control"] == "no-cache"
    again = server.request("GET", path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_page_answers_head(server: Server) -> None:
    answer = server.request("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/static/", "/static/nothing.js", "/static/../page.py", "/static/%2e%2e/page.py"])
def test_page_has_no_other_files(server: Server, path: str) -> None:
    answer = server.request("GET", path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_page_loads_without_the_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve(tmp_path_factory.mktemp("locked"), DIGITS_API_KEY="one") as server:
        assert {server.request("GET", path).status for path in FILES} == {200}
        assert server.request("POST", "/predict/image", b"", {"Content-Type": "image/png"}).status == 401


def test_page_names_only_files_that_are_there_and_no_other_host() -> None:
    text = "\n".join(path.read_text() for path in FOLDER.iterdir() if path.suffix != ".webp")
    named = re.findall(r'(?:href|src)="(static/[^"]+)"', text) + re.findall(r'from "\./([^"]+)"', text)
    own = {name.removeprefix("static/") for name in named if f"/{name}" not in UI}
    assert own | {"index.html", "docs.html"} == {path.name for path in FOLDER.iterdir()}
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_fits_a_few_screens(name: str) -> None:
    assert len((FOLDER / name).read_text().splitlines()) <= 250


@pytest.mark.slow
def test_docs_shows_every_path_lets_it_be_tried_and_loads_nothing_from_elsewhere(server: Server) -> None:
    with open_browser() as browser:
        page, asked, said = browser.new_page(), set(), []
        page.on("request", lambda request: asked.add(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{server.url}/docs")
        expect(page.locator(".opblock-summary-path").get_by_text("/predict", exact=True)).to_be_visible()
        row = page.locator("#operations-default-predict_predict_post")
        row.locator(".opblock-summary").click()
        row.get_by_role("button", name="Try it out").click()
        row.get_by_role("button", name="Execute").click()
        expect(row.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text("200")
        # The policy was broken nowhere.
        assert said == []
        assert all(url.startswith(f"{server.url}/") for url in asked)
