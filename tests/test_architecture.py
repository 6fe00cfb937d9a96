"""The arrows of docs/architecture.md, read from the source: who imports whom."""

import ast
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "digits"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

# Inside the package, at import time: each module and what it may import.
ALLOWED = {
    "errors": set(),
    "images": {"errors"},
    "row_text": {"images"},
    "table": {"errors", "images"},
    "measures": {"images"},
    "drawings": {"errors"},
    "ink": {"images", "components", "levels", "printed"},
    "printed": {"components"},
    "normalisation": {"images", "ink"},
    "components": set(),
    "line_ink": {"ink", "printed"},
    "line_images": {"images", "ink", "line_ink"},
    "parting": {"ink", "components"},
    "line_reading": {
        *("errors", "images", "artifact", "acceptance", "classifier", "line_images", "normalisation", "parting"),
        *("ink", "sheet"),
    },
    "digit_reading": {
        *("acceptance", "classifier", "images", "line_images", "line_reading", "normalisation", "sheet"),
    },
    "levels": {"images"},
    "sheet": {"components", "levels"},
    "line_marks": {"images", "ink"},
    "line_paper": {"images", "ink", "line_images"},
    "line_examples": {"images", "ink", "line_images", "line_marks", "line_paper"},
    "line_network": {"images", "line_images", "model"},
    "line_training": {
        *("errors", "images", "artifact", "checkpoint", "classifier", "dataset", "model", "negatives", "strokes"),
        *("optimizer", "provenance", "training", "line_images", "line_examples", "line_network", "line_reading"),
    },
    "dataset": {"errors", "images", "table"},
    "augmentation": {"errors", "images"},
    "disturbance": {"augmentation", "images"},
    "model": {"errors", "images"},
    "evaluation": {"errors", "images"},
    "artifact": {"errors", "images"},
    "acceptance": {"errors"},
    "glyphs": set(),
    "pen": {"images"},
    "silhouettes": {"images"},
    "negatives": {"images", "glyphs", "pen", "silhouettes"},
    "acceptance_network": {
        *("images", "errors", "acceptance", "artifact", "classifier", "dataset", "model", "negatives"),
        *("serving_graph", "training", "disturbance"),
    },
    "classifier": {"errors", "images", "artifact", "acceptance"},
    "plots": {"images"},
    "short_training": {"errors", "images", "dataset", "augmentation", "disturbance", "training"},
    "candidates": {"images"},
    "search": {"errors", "candidates", "dataset", "short_training", "training"},
    "exploration": {"images", "classifier"},
    "exploration_plots": {"images"},
    "network_plots": {"exploration_plots", "short_training"},
    "notebook": {"errors"},
    "serving_graph": {"errors", "images", "artifact"},
    "submission": {"errors", "images", "dataset", "artifact", "classifier"},
    "strokes": {"images", "normalisation"},
    "optimizer": set(),
    "checkpoint": {"errors"},
    "training": {
        *("errors", "images", "dataset", "augmentation", "disturbance", "strokes", "model", "optimizer", "checkpoint"),
    },
    "provenance": {"errors", "images", "measures", "dataset", "model", "training"},
}
# What a module may import inside a function, and why it is not above.
DEFERRED = {
    "artifact": {"classifier"},  # The writer checks the graph; the classifier reads through the artifact.
    "classifier": {"serving_graph"},  # Keras, only for a file without a graph.
}
SERVED = {"errors", "images", "measures", "row_text", "table", "artifact", "acceptance", "classifier"}
SERVED |= {
    "drawings",
    "ink",
    "printed",
    "normalisation",
    "components",
    "line_ink",
    "line_images",
    "parting",
    "line_reading",
    "digit_reading",
    "levels",
    "sheet",
}
HEAVY = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy"}


def list_imports(nodes: list[ast.stmt] | ast.AST) -> set[str]:
    """Return the dotted names that are imported; `from a import b` gives `a.b`."""
    found = set()
    for node in nodes if isinstance(nodes, list) else ast.walk(nodes):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the arrow"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def list_digits_modules(imports: set[str]) -> set[str]:
    """Return the modules of `digits` among dotted names."""
    return {name.split(".")[1] for name in imports if name.startswith("digits.")}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_module_has_its_arrows() -> None:
    assert sorted(ALLOWED) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_its_arrows_allow(module: str) -> None:
    tree = parse(PACKAGE / f"{module}.py")
    imports = list_digits_modules(list_imports(tree.body))
    assert imports <= ALLOWED[module]
    deferred = list_digits_modules(list_imports(tree)) - imports
    assert deferred <= DEFERRED.get(module, set())


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_neither_the_service_nor_the_experiment(module: str) -> None:
    roots = {name.split(".")[0] for name in list_imports(parse(PACKAGE / f"{module}.py"))}
    assert not roots & {"train", "app", "web_service", "tests", "benchmarks"}


def test_allowed_arrows_point_one_way() -> None:
    """A module can be taken away once everything that it imports is gone; in a circle none could."""
    waiting = dict(ALLOWED)
    while waiting:
        free = {module for module, needed in waiting.items() if not needed & waiting.keys()}
        assert free, f"circle among {sorted(waiting)}"
        waiting = {module: needed for module, needed in waiting.items() if module not in free}


@pytest.mark.parametrize("path", sorted((ROOT / "web_service/app").glob("*.py")), ids=lambda path: path.name)
def test_service_imports_only_the_serving_modules(path: Path) -> None:
    imports = list_imports(parse(path))
    assert list_digits_modules(imports) <= SERVED
    assert not {name.split(".")[0] for name in imports} & HEAVY


@pytest.mark.parametrize("module", sorted(SERVED))
def test_serving_module_imports_nothing_of_training(
    module: str, run_python: Callable[..., CompletedProcess[str]]
) -> None:
    code = f"import sys, digits.{module}; print(sorted(sys.modules.keys() & {HEAVY!r}))"
    done = run_python("-c", code)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("module", sorted(SERVED))
def test_serving_module_works_without_the_packages_of_training(
    module: str, run_as_served: Callable[[str], CompletedProcess[str]]
) -> None:
    done = run_as_served(f"import digits.{module}")
    assert done.returncode == 0, done.stderr


def test_training_packages_are_out_of_reach_where_it_is_served(
    run_as_served: Callable[[str], CompletedProcess[str]],
) -> None:
    """Without this the test above would pass whatever is imported."""
    assert "No module named 'keras'" in run_as_served("import keras").stderr


@pytest.mark.parametrize("module", MODULES)
def test_module_fits_a_few_screens(module: str) -> None:
    assert len((PACKAGE / f"{module}.py").read_text().splitlines()) <= 250
