"""baseline.ipynb as committed: whole, and fit to be read; and that it runs, on a slice, in a clean kernel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from digits.exploration.notebook import MAX_BYTES
from tests.conftest import ROOT
from tests.wordings import wording

PATH = ROOT / "baseline.ipynb"


def read_cells(path: Path = PATH) -> list[NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def find_unfinished(cells: list[NotebookNode]) -> list[str]:
    """Return the cells that were not run in order, failed, or show something without a sentence of finding under it."""
    found = []
    for number, cell in enumerate(cells, 1):
        shown = [output for output in cell.outputs if output.output_type != "stream"]
        finding = shown[-1].get("data", {}).get("text/markdown", "") if shown else ""
        if cell.execution_count != number:
            found.append(f"cell {number} has execution count {cell.execution_count}")
        if any(output.output_type == "error" for output in cell.outputs):
            found.append(f"cell {number} failed")
        if not finding.rstrip("*\n ").endswith((".", ")")):
            found.append(f"cell {number} ends without a finding: {finding!r}")
    return found


def test_notebook_was_run_in_order_with_a_finding_under_every_output() -> None:
    assert find_unfinished(read_cells()) == []


def test_notebook_shows_a_picture_or_table_in_most_cells() -> None:
    shown = {kind for cell in read_cells() for output in cell.outputs for kind in output.get("data", {})}
    assert {"image/png", "text/html", "text/markdown"} <= shown
    assert sum("image/png" in output.get("data", {}) for cell in read_cells() for output in cell.outputs) > 20


def test_notebook_printed_nothing_by_the_way() -> None:
    """Warnings and notes would name files of the machine."""
    assert [output.text for cell in read_cells() for output in cell.outputs if output.output_type == "stream"] == []


def test_notebook_is_small_and_names_no_place_on_a_machine() -> None:
    text = PATH.read_text(encoding="utf-8")
    assert len(text.encode()) < MAX_BYTES
    # Pictures are base64, in which a path may appear by chance.
    prose = re.sub(r'"image/png": "[^"]*"', "", text)
    assert re.findall(r"/(?:home|root|work|usr|tmp|Users|opt|var)/[\w./-]*", prose) == []


def test_notebook_was_run_on_all_digits() -> None:
    (settings,) = (
        output.data["text/markdown"] for output in read_cells()[0].outputs if "text/markdown" in output.get("data", {})
    )
    assert "all of the training digits (60,000)" in settings


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook run on a slice, from a clean kernel."""
    folder = tmp_path_factory.mktemp("quick")
    output = folder / "quick.ipynb"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOTEBOOK_", "SEARCH_"))}
    # Half of what QUICK takes: whether each cell runs does not depend on it.
    environment |= {"NOTEBOOK_QUICK": "1", "NOTEBOOK_DIGITS": "1200", "SEARCH_TRIALS": "2"}
    command = [
        sys.executable,
        "-m",
        "digits.exploration.notebook",
        str(PATH),
        "--output",
        str(output),
        "--kept",
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.slow
def test_notebook_runs_on_a_slice(quick: Path) -> None:
    assert find_unfinished(read_cells(quick)) == []


def test_notebook_that_fails_says_where_and_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.ipynb"
    cells = [nbformat.v4.new_code_cell("whole = 1"), nbformat.v4.new_code_cell("whole / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    command = [sys.executable, "-m", "digits.exploration.notebook", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search(wording("notebook_cell_failed", path=path, error=re.compile(".*ZeroDivisionError.*")), done.stderr)
    assert path.read_bytes() == before
