from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from digits.data.images import PIXEL_NAMES
from tests.service.server import Server

RAW = {"Content-Type": "application/octet-stream"}
NUM_CLIENTS = 12


def test_answers_to_requests_at_once_are_those_to_each_alone(server: Server, row: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    ink = np.array([row[name] for name in PIXEL_NAMES]).reshape(28, 28)
    images = [np.roll(ink, rng.integers(-4, 5, 2), (0, 1)).ravel().tolist() for _ in range(NUM_CLIENTS)]
    alone = [server.post(dict(zip(PIXEL_NAMES, image, strict=True))).json for image in images]
    assert len({tuple(answer["probabilities"]) for answer in alone}) == NUM_CLIENTS

    def ask(client: int) -> list[dict[str, Any]]:
        # Rows and bytes by turns, each client its own image again and again.
        return [server.post(dict(zip(PIXEL_NAMES, images[client], strict=True))).json for _ in range(10)] + [
            {**one, "model": answer["model"]}
            for _ in range(10)
            for answer in [server.request("POST", "/predict/batch", bytes(images[client]) * 2, RAW).json]
            for one in answer["predictions"]
        ]

    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        for client, answers in enumerate(pool.map(ask, range(NUM_CLIENTS))):
            assert all(answer == alone[client] for answer in answers)
