"""Run a notebook from top to bottom in a clean kernel and keep its outputs: `make notebook`.

The file is written when every cell has run, to the side and then renamed, so a failed run leaves the earlier one whole.
"""

import argparse
import io
import os
import time
from pathlib import Path
from typing import Any

import nbformat
from IPython.display import Image, Markdown, display
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image as Pixels

from digits.data.files import replace_file
from digits.errors import ConfigurationError, end_in_one_line

MAX_BYTES = 3_000_000
NOTEBOOK, KEPT = Path("baseline.ipynb"), Path("reports/notebook")
_DOTS_PER_INCH = 100
_COLOURS = 128


def show(figure: Figure, finding: str) -> None:
    """Display a figure in a notebook as a small PNG, and its finding below."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DOTS_PER_INCH)
    # Charts have few colours, and with a palette a picture has a third of the bytes.
    Pixels.open(drawn).convert("RGB").quantize(_COLOURS, dither=Pixels.Dither.NONE).save(packed, "png", optimize=True)
    display(Image(packed.getvalue(), format="png"))
    state(finding)


def state(finding: str) -> None:
    """Display a sentence, which may hold Markdown, in a notebook."""
    display(Markdown(finding))


def execute(path: Path) -> NotebookNode:
    """Run every cell in order.

    Returns:
        The notebook with the new outputs, without anything that depends on the machine or the time.

    Raises:
        ConfigurationError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()

    def report(cell: NotebookNode, cell_index: int, **_: Any) -> None:
        if cell.cell_type == "code":
            print(f"{time.perf_counter() - start:6.0f} s  cell {cell_index + 1} of {len(notebook.cells)}", flush=True)

    resources = {"metadata": {"path": str(path.resolve().parent)}}
    client = NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources=resources, record_timing=False, on_cell_executed=report
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise ConfigurationError(f"{path}: a cell failed.\n{error}") from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # Warnings of libraries are no findings, and they name files of the machine.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    # Other programs expect this much; the kernel adds the version of Python.
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})
    return notebook


def main() -> None:
    """Run the notebook, check its size and write it."""
    parser = argparse.ArgumentParser(description="Run a notebook from top to bottom and keep its outputs.")
    parser.add_argument("notebook", type=Path, nargs="?", default=NOTEBOOK)
    parser.add_argument("--output", type=Path, help="where to write it (default: in its place)")
    parser.add_argument(
        "--kept", type=Path, default=KEPT, help=f"what an interrupted run goes on with (default: {KEPT})"
    )
    arguments = parser.parse_args()
    output: Path = arguments.output or arguments.notebook
    # The kernel reads these.
    os.environ["NOTEBOOK_KEPT"] = str(arguments.kept)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    text = nbformat.writes(execute(arguments.notebook)) + "\n"
    size_bytes = len(text.encode())
    if size_bytes >= MAX_BYTES:
        raise ConfigurationError(
            f"The notebook has {size_bytes:,} bytes, expected less than {MAX_BYTES:,}; make its pictures smaller."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(output) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    # Without these files the next run trains everything anew.
    for kept in (*arguments.kept.glob("*.weights.h5"), *arguments.kept.glob("search.db")):
        kept.unlink()
    print(f"Wrote {output}, {size_bytes:,} bytes.")


if __name__ == "__main__":
    with end_in_one_line("the same command goes on with what was trained already."):
        main()
