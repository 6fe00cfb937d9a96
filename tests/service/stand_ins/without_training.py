"""The service where what only training needs cannot be imported."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

REFUSED = {"tensorflow", "keras", "pandas", "matplotlib", "sklearn", "scipy", "onnx", "tf2onnx"}


class Refuse(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in REFUSED:
            raise ImportError(f"{fullname} must not be imported here")
        return None


sys.meta_path.insert(0, Refuse())

from app.predict import app  # noqa: E402  # after the refusal is in place

__all__ = ["app"]
