"""The two networks that read drawings, as the service loads them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks import ROOT
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import LineReader, load_line_reader

MODELS = ROOT / "models"
SHIPPED, LINES = MODELS / "digits.h5", MODELS / "lines.h5"


@dataclass(frozen=True)
class Networks:
    """Both, loaded."""

    classifier: Classifier
    line_reader: LineReader

    @property
    def version(self) -> str:
        """Of both files, as a benchmark writes it down."""
        return join_versions(self.line_reader.artifact.version, self.classifier.artifact.version)


def join_versions(lines: str, digits: str) -> str:
    """Return how the results name what read them."""
    return f"{lines}+{digits}"


@cache
def load_networks(classifier: Path = SHIPPED) -> Networks:
    """Load a classifier and the shipped network that reads lines, once in each process."""
    return Networks(load_classifier(classifier), load_line_reader(LINES))
