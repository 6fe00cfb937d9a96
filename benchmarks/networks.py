"""The networks that read drawings, as the service loads them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks import ROOT
from digits.inference.classifier import Classifier, load_classifier
from digits.inference.line_reader import LineReader, load_line_reader
from digits.inference.page_detector import load_page_detector
from digits.inference.page_reader import PageReader
from digits.inference.precision import Precision

MODELS = ROOT / "models"
SHIPPED, LINES, PAGES = MODELS / "digits.h5", MODELS / "lines.h5", MODELS / "pages.h5"


@dataclass(frozen=True)
class Networks:
    """All of them, loaded."""

    page_reader: PageReader

    @property
    def classifier(self) -> Classifier:
        """Reads single digits."""
        return self.page_reader.classifier

    @property
    def line_reader(self) -> LineReader:
        """Reads lines."""
        return self.page_reader.line_reader

    @property
    def version(self) -> str:
        """Of the files that read lines and digits, as a benchmark writes it down."""
        return join_versions(self.line_reader.artifact.version, self.classifier.artifact.version)


def join_versions(lines: str, digits: str) -> str:
    """Return how the results name what read them."""
    return f"{lines}+{digits}"


@cache
def load_networks(classifier: Path = SHIPPED, precision: Precision = "fp32", pages: Path = PAGES) -> Networks:
    """Load a classifier and the shipped networks beside it, once in each process.

    Their graphs for floats compute, so that every processor measures the same; `benchmarks.reading.precision` tells
    what int8 changes.
    """
    return Networks(
        PageReader(
            load_page_detector(pages, precision=precision),
            load_line_reader(LINES, precision=precision),
            load_classifier(classifier, precision=precision),
        )
    )
