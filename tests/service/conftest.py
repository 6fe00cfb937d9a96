import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.service.server import ROOT, Server, serve


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what drives a browser."""
    if "page" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with the shipped model. Whatever the tests send, nothing may end in a fault."""
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running
        assert "Traceback" not in running.log, running.log
        assert '"status":500' not in running.log, running.log


@pytest.fixture(scope="session")
def faulty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("faulty"), "faulty:app") as running:
        yield running


@pytest.fixture
def row() -> dict[str, Any]:
    """A real 1, as the repository ships it."""
    one: dict[str, Any] = json.loads((ROOT / "row_data.json").read_text())
    return one
