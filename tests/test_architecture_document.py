"""docs/architecture.md against the code: its picture, its tables, and the functions that its walks name.

`python -m tests.test_architecture_document` writes the columns `modules` and `may import` of the tables anew.
"""

import ast
import re
from itertools import chain
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_architecture import PACKAGES, list_modules

DOCUMENT = ROOT / "docs/architecture.md"
Arrows = dict[str, set[str]]


@pytest.mark.parametrize(("package", "folder", "allowed"), PACKAGES, ids=["digits", "service"])
class TestDocument:
    def test_table_lists_every_room_from_the_bottom_up(self, package: str, folder: Path, allowed: Arrows) -> None:
        table = find_table(DOCUMENT.read_text(), folder)[1]
        assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(allowed)

    def test_table_lists_modules_and_imports(self, package: str, folder: Path, allowed: Arrows) -> None:
        document = DOCUMENT.read_text()
        assert document == fill_table(document, folder, allowed), "mend it: python -m tests.test_architecture_document"

    def test_picture_shows_every_room_and_arrow(self, package: str, folder: Path, allowed: Arrows) -> None:
        assert follow(read_picture(DOCUMENT.read_text(), package)) == allowed

    def test_walks_name_only_functions_that_there_are(self, package: str, folder: Path, allowed: Arrows) -> None:
        prefix = r"app\." if package == "app" else ""
        named = re.findall(rf"`{prefix}((?:{'|'.join(allowed)})(?:\.\w+)+)`", DOCUMENT.read_text())
        assert len(set(named)) > 10
        assert sorted(set(named) - list_names(folder)) == []


def find_table(document: str, folder: Path) -> re.Match[str]:
    """Find the table of a level by its heading."""
    heading = re.escape(f"### `{folder.relative_to(ROOT)}/`")
    found = re.search(rf"^{heading}\n\n(.*?)\n\n", document, re.MULTILINE | re.DOTALL)
    assert found, f"{DOCUMENT.name} has no table under {heading}"
    return found


def fill_table(document: str, folder: Path, allowed: Arrows) -> str:
    """Return the document with what the code decides in one level's table written anew."""
    table = find_table(document, folder)
    modules = [name.split(".") for name in list_modules(folder) if not name.endswith("__init__")]

    def fill(row: re.Match[str]) -> str:
        held = [module for room, *rest in modules for module in rest if room == row[1]]
        imported = [room for room in allowed if room in allowed.get(row[1], ())]
        cells = (", ".join(f"`{name}`" for name in names) or "-" for names in (held, imported))
        return f"| `{row[1]}` | {row[2]} | {' | '.join(cells)} |"

    rows = re.sub(r"^\| `(\w+)` \| ([^|]*) \|.*\|$", fill, table[1], flags=re.MULTILINE)
    return document[: table.start(1)] + rows + document[table.end(1) :]


def read_picture(document: str, package: str) -> Arrows:
    """Return each room of one level in the picture, and the rooms that its arrows point to."""
    (picture,) = re.findall(r"```mermaid\n(.*?)```", document, re.DOTALL)
    arrows: Arrows = {room: set() for room in re.findall(rf"\b{package}_(\w+)", picture)}
    for start, ends in re.findall(rf"\b{package}_(\w+)\S* --> (.*)", picture):
        arrows[start] |= set(re.findall(rf"\b{package}_(\w+)", ends))
    return arrows


def follow(arrows: Arrows) -> Arrows:
    """Return the rooms that each room reaches, one arrow or several away."""
    reached = {room: ends | set(chain.from_iterable(arrows[end] for end in ends)) for room, ends in arrows.items()}
    return arrows if reached == arrows else follow(reached)


def list_names(folder: Path) -> set[str]:
    """Return every module, function, class and method below a folder, by its dotted name from there."""
    found = set(list_modules(folder))
    for module in tuple(found):
        tree = ast.parse(folder.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
        found |= {f"{module}.{name}" for name in list_definitions(tree)}
    return found


def list_definitions(tree: ast.Module | ast.ClassDef) -> set[str]:
    """Return the functions and classes of a module or class; those of its classes as `Class.method`."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for name in list_definitions(node)}
    return found


def main() -> None:
    """Write the tables' columns anew."""
    document = DOCUMENT.read_text()
    for _, folder, allowed in PACKAGES:
        document = fill_table(document, folder, allowed)
    DOCUMENT.write_text(document)


if __name__ == "__main__":
    main()
