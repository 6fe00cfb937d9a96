"""The command `digits`. Each subcommand imports what it needs when it runs, so that reading needs no TensorFlow."""

import json
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import glob, has_magic
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from digits.errors import ConfigurationError, DigitsError, ServingGraphError, end_in_one_line

if TYPE_CHECKING:
    from digits.inference.classifier import Classifier
    from digits.inference.line_reader import LineReader

_PACKAGE = Path(__file__).resolve().parent
# In a clone the service, the models and train.py lie beside the package; where it is installed they lie inside it.
HOME = _PACKAGE.parent if (_PACKAGE.parent / "web_service").is_dir() else _PACKAGE
STDIN = "-"
_SHADES = " ░▒▓█"
_SHOWN_IN_A_ROW = 4  # Images of 28 characters, so that they fit into a terminal of 120.

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

Pictures = Annotated[
    list[str] | None,
    typer.Argument(help="Image files, or patterns in quotes: 'scans/*.png'. - is standard input.", metavar="FILE..."),
]
Model = Annotated[Path, typer.Option(help="The .h5 that reads one digit.")]
LineModel = Annotated[Path, typer.Option(help="The .h5 that reads a line.")]
PageModel = Annotated[Path, typer.Option(help="The .h5 that finds the digits of a page.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each file.")]
Show = Annotated[bool, typer.Option("--show", help="Draw what the network saw.")]
_MODEL, _LINE_MODEL = HOME / "models" / "digits.h5", HOME / "models" / "lines.h5"
_PAGE_MODEL = HOME / "models" / "pages.h5"


@dataclass(frozen=True)
class Answer:
    """What was read of one picture.

    Attributes:
        lines: For people.
        fields: For programs, with the names of the service's answers.
        images: What the networks saw, uint8 `(28, 28)` each.
    """

    lines: list[str]
    fields: Mapping[str, Any]
    images: list[NDArray[np.uint8]]


@app.command()
def predict(
    pictures: Pictures = None,
    model: Model = _MODEL,
    line_model: LineModel = _LINE_MODEL,
    as_json: AsJson = False,
    show: Show = False,
) -> None:
    """Read one digit from each picture, as /predict/image does."""
    from digits.data.image_file import decode_picture
    from digits.inference.digit_reader import read_drawing

    classifier, reader = _load(model, line_model)

    def read(encoded: bytes) -> Answer:
        drawn = read_drawing(decode_picture(encoded).luminance, classifier, reader)
        fields = _describe(drawn.probabilities, drawn.reason, classifier.artifact.version)
        doubt = "" if drawn.reason is None else f", not accepted: {drawn.reason}"
        return Answer([f"{fields['digit']}  ({fields['confidence']:.1%}{doubt})"], fields, [drawn.image])

    _read_each(pictures, read, as_json, show)


@app.command()
def read(
    pictures: Pictures = None,
    model: Model = _MODEL,
    line_model: LineModel = _LINE_MODEL,
    page_model: PageModel = _PAGE_MODEL,
    as_json: AsJson = False,
    show: Show = False,
) -> None:
    """Read the digits of each picture line by line, as /read does."""
    from digits.data.image_file import decode_picture
    from digits.inference.page_detector import load_page_detector
    from digits.inference.page_reader import PageReader, read_page

    classifier, line_reader = _load(model, line_model)
    reader = PageReader(load_page_detector(page_model), line_reader, classifier)

    def read(encoded: bytes) -> Answer:
        picture = decode_picture(encoded)
        page = read_page(picture.luminance, reader)

        def enlarge(box: tuple[int, ...]) -> list[int]:
            return [side * picture.scale for side in box]

        digits = [
            {**_describe(one.probabilities, one.reason, None), "box": enlarge(one.box), "line": index}
            for index, line in enumerate(page.lines)
            for one in line.digits
        ]
        lines = [
            {"number": line.number, "box": enlarge(line.box), "angle": line.angle, "accepted": line.accepted}
            for line in page.lines
        ]
        fields = {
            "number": "\n".join(line.number for line in page.lines),
            "lines": lines,
            "digits": digits,
            "reason": page.reason,
            "orientation": page.orientation,
            "model": line_reader.artifact.version,
        }
        shown = [line.number if line.accepted else f"{line.number}  (doubtful)" for line in page.lines]
        nothing = [f"nothing: {page.reason}"]
        return Answer(shown or nothing, fields, [one.image for line in page.lines for one in line.digits])

    _read_each(pictures, read, as_json, show)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free.")] = 9696,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    model: Annotated[Path | None, typer.Option(help="The .h5 to serve in place of DIGITS_MODEL_PATH.")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes.")] = False,
) -> None:
    """Serve the API and the drawing page; its settings come from DIGITS_... in the environment."""
    import uvicorn

    if model is not None:
        os.environ["DIGITS_MODEL_PATH"] = str(model.resolve())
    service = str(HOME / "web_service")
    uvicorn.run(
        "app.predict:app",
        app_dir=service,
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        reload_dirs=[service, str(_PACKAGE)] if reload else None,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=20,
    )


@app.command(context_settings=_PASS_ON, add_help_option=False)
def score(context: typer.Context) -> None:
    """Read many digits or pictures, from files to files (digits score --help)."""
    _require("score", "pyarrow", "joblib", "fsspec", "tqdm")
    from digits.scoring.run import main as run

    sys.argv = ["digits score", *context.args]
    with end_in_one_line("what is written stays; the same command goes on."):
        run()


@app.command(context_settings=_PASS_ON, add_help_option=False)
def train(context: typer.Context) -> None:
    """Train the network on MNIST or on your own digits (digits train --help)."""
    _require("train", "tensorflow", "keras", "sklearn", "matplotlib", "tf2onnx")
    experiment = HOME / "train.py"
    if not experiment.is_file():
        raise ConfigurationError("Received no train.py beside the package, expected it as in a clone; run it there.")
    sys.argv = ["digits train", *context.args]
    runpy.run_path(str(experiment), run_name="__main__")


@app.command(context_settings=_PASS_ON, add_help_option=False)
def export(context: typer.Context) -> None:
    """Make a Keras file fit for serving, or write .onnx or .tflite (digits export --help)."""
    _require("train", "tensorflow", "keras", "tf2onnx", "onnx", "onnxslim")
    from digits.training.export import main as run

    sys.argv = ["digits export", *context.args]
    with end_in_one_line("the file is as it was."):
        run()


@app.command()
def check(
    model: Annotated[Path, typer.Argument(help="An .h5.")] = _MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what an .h5 holds, and whether it can be served."""
    from digits.inference.artifact import read_artifact

    artifact = read_artifact(model, allow_stale=True)
    kind, fault = _try_to_load(model)
    metrics = artifact.provenance.get("metrics", {})
    fields = {
        "file": str(model),
        "model": artifact.version,
        "sha256": artifact.sha256,
        "reads": kind,
        "tells_other_things": artifact.acceptance_graph is not None,
        "accuracy": metrics.get("accuracy"),
        "scored_on": artifact.provenance.get("scored_on", {}).get("what"),
        "trained_at": artifact.provenance.get("trained_at"),
        "fault": fault,
    }
    if as_json:
        print(json.dumps(fields))
    else:
        print("\n".join(f"{name.replace('_', ' '):<20}{value}" for name, value in fields.items() if value is not None))
    if fault is not None:
        raise typer.Exit(1)


def _try_to_load(path: Path) -> tuple[str | None, str | None]:
    """Return what a model reads, or why it cannot be served."""
    from digits.data.images import draw_one, make_batch
    from digits.errors import ArtifactError
    from digits.inference.classifier import load_classifier
    from digits.inference.line_reader import load_line_reader
    from digits.inference.page_detector import load_page_detector

    try:
        digit = int(load_classifier(path).predict(make_batch(draw_one()[None])).argmax())
    except ServingGraphError as error:
        return None, str(error)
    except ArtifactError as error:
        others = {"lines of digits": load_line_reader, "the digits of pages": load_page_detector}
        for what, load in others.items():
            with suppress(ArtifactError):
                load(path)
                return what, None
        return None, str(error)
    return "one digit", None if digit == 1 else f"It reads a plain 1 as a {digit}."


def _load(model: Path, line_model: Path) -> tuple["Classifier", "LineReader"]:
    from digits.inference.classifier import load_classifier
    from digits.inference.line_reader import load_line_reader

    return load_classifier(model), load_line_reader(line_model)


def _describe(probabilities: NDArray[np.float32], reason: str | None, version: str | None) -> dict[str, Any]:
    """Return the fields of one digit; the version is left out of those of a line."""
    digit = int(probabilities.argmax())
    fields = {"digit": digit, "confidence": float(probabilities[digit]), "accepted": reason is None, "reason": reason}
    return fields if version is None else {**fields, "probabilities": probabilities.tolist(), "model": version}


def _read_each(pictures: list[str] | None, read: Callable[[bytes], Answer], as_json: bool, show: bool) -> None:
    """Print what is read of each picture; one that cannot be read is named, and the others are read all the same."""
    names = list(_find_files(pictures))
    has_failed = False
    for name in names:
        try:
            answer = read(sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes())
        except (DigitsError, OSError) as error:
            has_failed = True
            typer.echo(f"error: {name}: {error.strerror if isinstance(error, OSError) else error}", err=True)
            continue
        if as_json:
            print(json.dumps({"file": name, **answer.fields}))
        else:
            print("\n".join(f"{name}: {line}" if len(names) > 1 else line for line in answer.lines))
        if show:
            # Beside JSON the drawing goes where it disturbs no program.
            typer.echo(draw_images(answer.images), err=as_json)
    if has_failed:
        raise typer.Exit(1)


def _find_files(pictures: list[str] | None) -> Iterator[str]:
    """Yield the files that names and patterns stand for, each pattern's in their order."""
    if not pictures:
        if sys.stdin.isatty():
            raise ConfigurationError("Received no picture, expected image files; name them, or pipe one in.")
        pictures = [STDIN]
    for name in pictures:
        if not has_magic(name) or Path(name).exists():
            yield name
        elif found := sorted(glob(name, recursive=True)):  # noqa: PTH207 - a Path takes no absolute pattern
            yield from found
        else:
            raise ConfigurationError(f"Received the pattern {name!r}, which no file matches; check the path.")


def draw_images(images: list[NDArray[np.uint8]]) -> str:
    """Draw images in characters, one for two pixels above each other.

    Args:
        images: uint8 `(28, 28)` each, 0 is paper.

    Returns:
        Lines of text.
    """
    lines = []
    for start in range(0, len(images), _SHOWN_IN_A_ROW):
        row = np.hstack(images[start : start + _SHOWN_IN_A_ROW])
        levels = row.reshape(len(row) // 2, 2, -1).mean(axis=1) * (len(_SHADES) / 256)
        lines += ["".join(_SHADES[int(level)] for level in line).rstrip() for line in levels]
    return "\n".join(lines)


def _require(extra: str, *packages: str) -> None:
    """End the command where a package is missing that reading does not need."""
    # Hides TensorFlow's notes, such as a GPU driver that it does not find; what fails still raises in Python.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    missing = [name for name in packages if not _is_installed(name)]
    if missing:
        raise ConfigurationError(
            f"Received an installation without {', '.join(missing)}; install what is missing in a clone: "
            f"pip install '.[{extra}]'."
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def main() -> None:
    """Run the command line."""
    with end_in_one_line("nothing more was done."):
        app(prog_name="digits")
