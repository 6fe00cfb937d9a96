"""Pages of other origins (CORS): raw requests as browsers send them, and a page of another origin in a real browser."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.service.browser import open_browser
from tests.service.middleware.test_limits import connect, upload_until_cut
from tests.service.server import JSON, Server, serve

ORIGIN, OTHER = "https://shop.example", "https://elsewhere.example"
KEY = "one that nobody guesses"
POSTS = ("/predict", "/predict/batch", "/predict/image", "/read", "/v2/models/digits/infer")


def ask_first(server: Server, path: str, origin: str, method: str = "POST", headers: str = "authorization") -> Any:
    """Send what a browser sends before it sends a request of another origin."""
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return server.request("OPTIONS", path, headers={"Origin": origin, **asked})


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a key, which pages of two origins may call."""
    settings = {"DIGITS_CORS_ORIGINS": f"{ORIGIN}, http://localhost:3000", "DIGITS_API_KEY": KEY}
    with serve(tmp_path_factory.mktemp("open"), **settings) as running:
        yield running


@pytest.mark.parametrize("path", [*POSTS, "/model", "/nowhere"])
def test_preflight_of_an_origin_that_is_set_is_answered_without_the_key(open_server: Server, path: str) -> None:
    answer = ask_first(open_server, path, ORIGIN, headers="authorization,content-encoding,content-type,x-made-up")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    assert answer.headers["access-control-allow-headers"] == "authorization,content-encoding,content-type,x-made-up"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(("origin", "method"), [(OTHER, "POST"), ("null", "POST"), (f"{ORIGIN}.evil", "POST")])
def test_preflight_of_another_origin_is_refused(open_server: Server, origin: str, method: str) -> None:
    answer = ask_first(open_server, "/predict", origin, method)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (400, None)


def test_preflight_of_another_method_is_refused(open_server: Server) -> None:
    assert ask_first(open_server, "/predict", ORIGIN, "DELETE").status == 400


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_answers_and_refusals_name_the_origin_that_asked(open_server: Server, row: dict[str, Any], origin: str) -> None:
    with_key = {**JSON, "Origin": origin, "Authorization": f"Bearer {KEY}"}
    answers = [
        open_server.request("POST", "/predict", json.dumps(row), with_key),
        open_server.request("POST", "/predict/batch", "{}", with_key),
        open_server.request("POST", "/predict", json.dumps(row), {**JSON, "Origin": origin}),
        open_server.request("GET", "/model", headers=with_key),
        open_server.request("GET", "/nowhere", headers=with_key),
    ]
    assert [answer.status for answer in answers] == [200, 422, 401, 200, 404]
    assert {answer.headers["access-control-allow-origin"] for answer in answers} == {origin}
    assert {answer.headers["vary"] for answer in answers} == {"Origin"}
    readable = answers[0].headers["access-control-expose-headers"].lower()
    assert "x-request-id" in readable
    assert "retry-after" in readable


def test_answers_to_another_origin_do_not_name_it(open_server: Server, row: dict[str, Any]) -> None:
    headers = {**JSON, "Origin": OTHER, "Authorization": f"Bearer {KEY}"}
    answer = open_server.request("POST", "/predict", json.dumps(row), headers)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_preflight_with_a_body_without_end_is_cut(open_server: Server) -> None:
    fields = ["OPTIONS /predict HTTP/1.1", "Host: x", f"Origin: {ORIGIN}", "Access-Control-Request-Method: POST"]
    with connect(open_server) as connection:
        connection.sendall("\r\n".join([*fields, "Transfer-Encoding: chunked", "", ""]).encode())
        # It fails if the server takes all of it.
        upload_until_cut(connection)
    assert ask_first(open_server, "/predict", ORIGIN).status == 200


def test_preflight_is_logged_and_counted(open_server: Server) -> None:
    ask_first(open_server, "/read", ORIGIN)
    open_server.wait_for_log('"method":"OPTIONS","path":"/read","status":200')
    assert 'method="OPTIONS",route="/read",status="200"' in open_server.request("GET", "/metrics").body.decode()


def test_without_the_setting_no_origin_is_named(server: Server, row: dict[str, Any]) -> None:
    assert ask_first(server, "/predict", ORIGIN).status == 405
    answer = server.request("POST", "/predict", json.dumps(row), {**JSON, "Origin": ORIGIN})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    assert "vary" not in answer.headers


def test_a_star_lets_pages_of_every_origin_call(tmp_path: Path, row: dict[str, Any]) -> None:
    with serve(tmp_path, DIGITS_CORS_ORIGINS="*") as server:
        assert ask_first(server, "/predict", OTHER).headers["access-control-allow-origin"] == "*"
        answer = server.request("POST", "/predict", json.dumps(row), {**JSON, "Origin": "null"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serve_page(folder: Path) -> Iterator[str]:
    """Serve an empty page from a port of its own, and so of another origin, and return its address."""
    (folder / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


# What a script of another origin does: it draws a 1, and sends it in each way that a script has.
SCRIPT = """async ([url, key, row]) => {
  const authorization = { Authorization: `Bearer ${key}` };
  const json = { ...authorization, "Content-Type": "application/json" };
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 112;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, 112, 112);
  context.fillStyle = "black";
  context.fillRect(52, 12, 9, 88);
  const drawing = canvas.toDataURL();
  const zipped = new Blob([JSON.stringify(row)]).stream().pipeThrough(new CompressionStream("gzip"));
  const requests = {
    row: ["/predict", { headers: json, body: JSON.stringify(row) }],
    zipped: [
      "/predict",
      { headers: { ...json, "Content-Encoding": "gzip" }, body: await new Response(zipped).arrayBuffer() },
    ],
    "data URL": ["/predict/image", { headers: json, body: JSON.stringify({ image: drawing }) }],
    text: ["/read", { headers: authorization, body: drawing }],
    file: ["/read", { headers: authorization, body: await new Promise((resolve) => canvas.toBlob(resolve)) }],
    "without the key": ["/predict", { body: "{}" }],
  };
  const answers = {};
  for (const [name, [path, options]] of Object.entries(requests)) {
    try {
      const answer = await fetch(url + path, { method: "POST", ...options });
      const content = await answer.json();
      answers[name] = [answer.status, content.digit ?? content.number ?? content.error.code];
      answers.id = answer.headers.get("x-request-id");
    } catch (error) {
      answers[name] = String(error);
    }
  }
  return answers;
}"""


def run_script(page: Page, address: str, server: Server, row: dict[str, Any]) -> dict[str, Any]:
    page.goto(address)
    answers: dict[str, Any] = page.evaluate(SCRIPT, [server.url, KEY, row])
    return answers


@pytest.mark.slow
def test_a_page_of_another_origin_reads_answers_if_its_origin_is_set_and_not_otherwise(
    browser: Browser, server: Server, tmp_path: Path, row: dict[str, Any]
) -> None:
    with (
        serve_page(tmp_path) as address,
        serve(tmp_path, DIGITS_CORS_ORIGINS=address, DIGITS_API_KEY=KEY) as open_server,
        browser.new_page() as page,
    ):
        answers = run_script(page, address, open_server, row)
        request_id = answers.pop("id")
        assert answers == {
            "row": [200, 1],
            "zipped": [200, 1],
            "data URL": [200, 1],
            "text": [200, "1"],
            "file": [200, "1"],
            "without the key": [401, "unauthorized"],
        }
        assert f'"request_id":"{request_id}"' in open_server.log
        closed = run_script(page, address, server, row)
        assert set(closed.values()) == {"TypeError: Failed to fetch"}
