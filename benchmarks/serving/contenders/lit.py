"""LitServe, one worker."""

import sys
from typing import Any

import litserve
from _model import Model


class Api(litserve.LitAPI):
    """One row in, one digit out."""

    def setup(self, device: str) -> None:
        """Load the model."""
        self.model = Model()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take the row as it is."""
        return request

    def predict(self, x: dict[str, Any]) -> dict[str, Any]:
        """Read the digit."""
        return self.model.read(x)

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Give the answer as it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
