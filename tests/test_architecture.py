"""The arrows of docs/architecture.md, read from the source: which room imports which. Deferred imports count, too."""

import ast
import importlib
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunPython

HEAVY = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy"}

# Each room, and the rooms that it may import beside itself.
DIGITS = {
    "errors": set(),
    "data": {"errors"},
    "preprocessing": {"errors", "data"},
    "inference": {"errors", "data", "preprocessing"},
    "networks": {"errors", "data", "preprocessing"},
    "synthesis": {"errors", "data", "preprocessing"},
    "training": {"errors", "data", "preprocessing", "inference", "networks", "synthesis"},
    "exploration": {"errors", "data", "preprocessing", "inference", "networks", "synthesis", "training"},
    "scoring": {"errors", "data", "preprocessing", "inference"},
}
DIGITS["cli"] = set(DIGITS)
SERVED = ("errors", "data", "preprocessing", "inference")
SERVICE = {
    "settings": set(),
    "errors": set(),
    "prediction": {"errors", "settings"},
    "requests": {"errors", "settings", "prediction"},
    "middleware": {"errors", "settings", "prediction"},
    "openapi": {"errors", "settings", "prediction", "requests"},
    "routes": {"errors", "settings", "prediction", "requests", "openapi", "middleware"},
    "predict": {"errors", "settings", "prediction", "requests", "openapi", "middleware", "routes"},
}
PACKAGES = (("digits", ROOT / "digits", DIGITS), ("app", ROOT / "web_service/app", SERVICE))


def list_imports(path: Path) -> set[str]:
    """Return the dotted names that are imported anywhere in a file; `from a import b` gives `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrow"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def list_modules(folder: Path) -> dict[str, set[str]]:
    """Return what each module below a folder imports, by its dotted name from there."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): list_imports(path)
        for path in sorted(folder.rglob("*.py"))
        if path not in (folder / "__init__.py", folder / "__main__.py")
    }


@pytest.mark.parametrize(("package", "folder", "allowed"), PACKAGES, ids=["digits", "service"])
class TestRooms:
    def test_every_room_has_its_arrows(self, package: str, folder: Path, allowed: dict[str, set[str]]) -> None:
        assert {name.split(".")[0] for name in list_modules(folder)} == set(allowed)
        assert len([path for path in folder.iterdir() if path.suffix != ".txt" and path.stem[:2] != "__"]) <= 10

    def test_rooms_import_only_what_their_arrows_allow(
        self, package: str, folder: Path, allowed: dict[str, set[str]]
    ) -> None:
        wrong = [
            f"{module} imports {name}"
            for module, imports in list_modules(folder).items()
            for name in imports
            if name.startswith(f"{package}.")
            and name.split(".")[1] not in {module.split(".")[0]} | allowed[module.split(".")[0]]
        ]
        assert wrong == []

    def test_arrows_point_one_way(self, package: str, folder: Path, allowed: dict[str, set[str]]) -> None:
        find_circle_free_order(allowed)

    def test_modules_import_each_other_in_no_circle(
        self, package: str, folder: Path, allowed: dict[str, set[str]]
    ) -> None:
        modules = list_modules(folder)
        find_circle_free_order(
            {
                module: {
                    other
                    for other in modules
                    if any(f"{name}.".startswith(f"{package}.{other.removesuffix('.__init__')}.") for name in imports)
                }
                - {module, module.rpartition(".")[0] + ".__init__"}
                for module, imports in modules.items()
                if not module.endswith("__init__")
            }
        )


def find_circle_free_order(arrows: dict[str, set[str]]) -> None:
    """A room can be taken away once everything that it imports is gone; in a circle none could."""
    waiting = dict(arrows)
    while waiting:
        free = {name for name, needed in waiting.items() if not needed & waiting.keys()}
        assert free, f"circle among {sorted(waiting)}"
        waiting = {name: needed for name, needed in waiting.items() if name not in free}


def test_rooms_import_of_each_other_only_what_a_room_names() -> None:
    """Three rooms name the modules that are meant for others; what is not named is the room's own."""
    named = {room: importlib.import_module(f"digits.{room}").__all__ for room in ("data", "preprocessing", "inference")}
    modules = {**list_modules(ROOT / "digits"), **list_modules(ROOT / "web_service/app")}
    foreign = [
        f"{module} imports {name}"
        for module, imports in modules.items()
        for name in imports
        if name.startswith("digits.") and (parts := name.split("."))[1] in named and module.split(".")[0] != parts[1]
        if parts[2] not in named[parts[1]]
    ]
    assert foreign == []


def test_package_imports_neither_the_service_nor_the_experiment() -> None:
    roots = {name.split(".")[0] for imports in list_modules(ROOT / "digits").values() for name in imports}
    assert not roots & {"train", "app", "web_service", "tests", "benchmarks"}


def test_service_imports_only_the_serving_rooms_and_no_package_of_training() -> None:
    imports = set().union(*list_modules(ROOT / "web_service/app").values())
    assert {name.split(".")[1] for name in imports if name.startswith("digits.")} <= set(SERVED)
    assert not {name.split(".")[0] for name in imports} & HEAVY


def test_every_module_of_the_serving_rooms_works_without_the_packages_of_training(run_as_served: RunPython) -> None:
    modules = [f"digits.{name}" for name in list_modules(ROOT / "digits") if name.split(".")[0] in SERVED]
    modules = [name.removesuffix(".__init__") for name in modules]
    assert len(modules) > len(SERVED)
    done = run_as_served(f"import importlib\nfor name in {modules!r}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_training_packages_are_out_of_reach_where_it_is_served(run_as_served: RunPython) -> None:
    """Without this the test above would pass whatever is imported."""
    assert "No module named 'keras'" in run_as_served("import keras").stderr
