"""Write a Keras .h5's configuration so that older versions of Keras load the file, too.

Keras writes every argument of every layer. An argument that came with a newer version stops an older one, even where it
has no effect. What is off by default can be left out. So can initialisers: the weights are in the file.

Usage:
    python -m digits.training.keras_configuration path/to/model.h5 ...    weights, graphs and all else stay as they are
"""

import argparse
import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import keras

from digits.data.files import replace_file
from digits.errors import end_in_one_line
from digits.inference.artifact import open_keras_file, read_artifact

_CONFIGURATION = "model_config"
_OF_WHAT_IS_OFF = frozenset({"renorm_momentum"})


def simplify_file(path: Path) -> None:
    """Replace the configuration of a Keras .h5, to the side and then renamed; nothing else of it changes.

    A file whose configuration is as simple as it can be stays as it is.

    Raises:
        ArtifactError: If it is no Keras .h5.
    """
    with open_keras_file(path) as file:
        configuration = json.loads(file.attrs[_CONFIGURATION])
    if simplify(configuration) == configuration:
        return
    with replace_file(path) as unfinished:
        shutil.copyfile(path, unfinished)
        write_simplified(unfinished)


def write_simplified(path: Path) -> None:
    """Replace the configuration of a Keras .h5 that belongs to nobody else yet."""
    with h5py.File(path, "a") as file:
        file.attrs[_CONFIGURATION] = json.dumps(simplify(json.loads(file.attrs[_CONFIGURATION])))


def simplify(configuration: Any) -> Any:
    """Return a configuration that builds the same network, without initialisers and what is off.

    Args:
        configuration: What JSON can hold.
    """
    if isinstance(configuration, list):
        return [simplify(one) for one in configuration]
    if not isinstance(configuration, dict):
        return configuration
    if configuration.get("class_name") == "DTypePolicy":
        return configuration["config"]["name"]  # Keras 3.3 knows the class by another module.
    kept = {key: _adapt(key, simplify(value)) for key, value in configuration.items()}
    if isinstance(kept.get("config"), dict):
        defaults = _find_defaults(configuration.get("class_name"))
        needless = {key for key, value in configuration["config"].items() if _is_needless(key, value, defaults)}
        kept["config"] = {key: value for key, value in kept["config"].items() if key not in needless}
    return kept


def _adapt(key: str, value: Any) -> Any:
    """Keras 3.3 reads a list of tensors, where later versions write a single one."""
    is_single = key in ("input_layers", "output_layers") and isinstance(value[0], str)
    return [value] if is_single else value


def _find_defaults(class_name: Any) -> dict[str, Any]:
    """Return the arguments of a layer or an initialiser that have a default."""
    places = (keras.layers, keras.initializers)
    found = next((getattr(place, str(class_name)) for place in places if hasattr(place, str(class_name))), None)
    if not isinstance(found, type):
        return {}
    parameters = inspect.signature(found).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}


def _is_needless(key: str, value: Any, defaults: dict[str, Any]) -> bool:
    if key not in defaults:
        return False
    # A number stays, although it may be the default: some layers insist on it.
    is_off = all(one is None or one is False for one in (value, defaults[key]))
    has_no_effect = key in _OF_WHAT_IS_OFF and value == defaults[key]
    return key.endswith("_initializer") or is_off or has_no_effect


def main() -> None:
    """Rewrite the files named on the command line, and say which version each has now."""
    parser = argparse.ArgumentParser(description="Let older versions of Keras load a Keras .h5.")
    parser.add_argument("models", type=Path, nargs="+")
    for path in parser.parse_args().models:
        before = read_artifact(path).version
        simplify_file(path)
        print(f"{path}: version {before} is now {read_artifact(path).version}; its answers are the same.")


if __name__ == "__main__":
    with end_in_one_line("the file is as it was."):
        main()
