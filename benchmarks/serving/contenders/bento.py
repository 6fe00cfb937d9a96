"""BentoML, one worker."""

from typing import Any

import bentoml
from _model import Model


@bentoml.service(workers=1)
class Digits:
    """One row in, one digit out."""

    def __init__(self) -> None:
        self.model = Model()

    @bentoml.api(route="/predict")
    async def predict(self, row: dict[str, Any], /) -> dict[str, Any]:
        """Read the digit."""
        return self.model.read(row)
