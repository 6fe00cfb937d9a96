"""What a user of Spark would write: a pandas UDF that opens the networks' ONNX sessions once a task.

python benchmarks/scoring/spark_udf.py rows.parquet scores/ --cores 2

It needs Java 17 or newer, and what requirements-spark.txt beside this file names.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from digits.data.image_file import decode_picture
from digits.data.images import PIXEL_NAMES, make_batch
from digits.inference.classifier import load_classifier
from digits.inference.digit_reader import read_drawing
from digits.inference.line_reader import load_line_reader

ANSWER = "digit int, confidence float, reason string"
_ROWS_AT_ONCE = 128


def read_rows(blocks: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
    """Read a digit from each array of 784 pixels."""
    classifier = load_classifier(Path("models/digits.h5"))
    for block in blocks:
        pixels = np.stack(block).astype(np.uint8)
        probabilities, reasons = [], []
        for start in range(0, len(pixels), _ROWS_AT_ONCE):
            batch = make_batch(pixels[start : start + _ROWS_AT_ONCE])
            probabilities.append(classifier.predict(batch))
            reasons += classifier.find_reasons(batch, probabilities[-1])
        yield _make_answers(np.concatenate(probabilities), reasons)


def read_pictures(blocks: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
    """Read a digit from each image file."""
    classifier, line_reader = load_classifier(Path("models/digits.h5")), load_line_reader(Path("models/lines.h5"))
    for block in blocks:
        drawn = [read_drawing(decode_picture(encoded).luminance, classifier, line_reader) for encoded in block]
        yield _make_answers(np.stack([one.probabilities for one in drawn]), [one.reason for one in drawn])


def _make_answers(probabilities: np.ndarray, reasons: list[str | None]) -> pd.DataFrame:
    digit, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return pd.DataFrame({"digit": digit, "confidence": confidence, "reason": reasons})


def open_input(spark: SparkSession, path: Path) -> tuple[DataFrame, Column]:
    """Return the input's rows, and the answer to each."""
    # Spark parses the type of an answer in its session.
    read_row, read_picture = f.pandas_udf(read_rows, ANSWER), f.pandas_udf(read_pictures, ANSWER)
    if path.suffix == ".parquet":
        return spark.read.parquet(str(path)), read_row("pixels")
    if path.suffix == ".csv":
        schema = ", ".join(f"{name} short" for name in PIXEL_NAMES)
        return spark.read.csv(str(path), schema, header=True), read_row(f.array(*PIXEL_NAMES))
    return spark.read.format("binaryFile").load(str(path), pathGlobFilter="*.png"), read_picture("content")


def main() -> None:
    """Read the command line and score."""
    parser = argparse.ArgumentParser(description="Score with Spark.")
    parser.add_argument("input", type=Path, help="a .parquet, a .csv or a folder of PNGs")
    parser.add_argument("output", type=Path, help="a folder that is not there yet")
    parser.add_argument("--cores", type=int, required=True)
    arguments = parser.parse_args()
    # Its workers are to have the same packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    options = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    spark = SparkSession.builder.master(f"local[{arguments.cores}]").config(map=options).getOrCreate()
    rows, answer = open_input(spark, arguments.input)
    rows.select(answer.alias("answer")).select("answer.*").write.parquet(str(arguments.output))
    spark.stop()


if __name__ == "__main__":
    main()
