"""Ray Serve, one replica."""

import sys
import time
from typing import Any

from ray import serve
from starlette.requests import Request


@serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=128)
class Digits:
    """One row in, one digit out."""

    def __init__(self) -> None:
        from _model import Model

        self.model = Model()

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Read the digit."""
        return self.model.read(await request.json())


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Digits.bind(), route_prefix="/predict")
    while True:
        time.sleep(1)
