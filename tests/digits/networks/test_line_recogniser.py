"""The line network, untrained."""

import numpy as np

from digits.networks.line_recogniser import build_line_network


def test_line_network_takes_lines_of_any_width() -> None:
    network = build_line_network()
    for width in (16, 224, 400):
        assert network(np.zeros((1, 32, width, 1), np.float32)).shape == (1, width // 4, 11)
