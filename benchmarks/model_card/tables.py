"""The tables of docs/model-card.md, as Markdown."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import BY_ROW, BY_WRITER
from benchmarks.model_card.label_readings import LABEL_ERRORS, READINGS
from benchmarks.networks import join_versions
from benchmarks.results import Row
from digits.data.images import NUM_CLASSES


@dataclass(frozen=True)
class Measured:
    """What the card is made from.

    Attributes:
        version: Of the shipped model.
        provenance: Of the shipped model.
        line_version: Of the model that reads several digits.
        line_provenance: Likewise.
        page_version: Of the model that finds the digits of a page.
        page_provenance: Likewise.
        images: uint8 `(n, 28, 28)`, the test digits.
        labels: int64 `(n,)`, 0-9.
        probabilities: float32 `(n, 10)`, the shipped model's.
        files: The lines of each benchmark's CSV by its name; no line where it was not run.
    """

    version: str
    provenance: dict[str, Any]
    line_version: str
    line_provenance: dict[str, Any]
    page_version: str
    page_provenance: dict[str, Any]
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    files: dict[str, list[Row]]


def make_table(header: list[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, the first column to the left and the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def make_figures(measured: Measured) -> str:
    """The shipped model's own figures."""
    found, metrics = measured.provenance, measured.provenance["metrics"]
    return make_table(
        [f"model `{measured.version}`", "measured"],
        [
            ["test digits misread", f"{metrics['num_errors']} of {metrics['num_digits']:,}"],
            ["error", f"{100 * (1 - metrics['accuracy']):.2f} %"],
            ["negative log-likelihood", f"{metrics['negative_log_likelihood']:.4f} nats a digit"],
            ["expected calibration error, 15 bins", f"{100 * metrics['calibration_error']:.2f} %"],
            ["mean confidence on the training digits", f"{100 * found['input_statistics']['confidence']:.2f} %"],
            ["trained on", f"{found['data']['num_digits']:,} digits of {found['data']['file']}"],
            ["seed", found["config"]["seed"]],
            ["trained at", found["trained_at"]],
        ],
    )


def make_recipe(measured: Measured) -> str:
    """The settings of the run that wrote the model."""
    rows: list[list[object]] = []
    for name, value in measured.provenance["config"].items():
        parts = value.items() if isinstance(value, dict) else [("", value)]
        rows += [[f"{name.replace('_', ' ')} {part.replace('_', ' ')}".strip(), setting] for part, setting in parts]
    return make_table(["setting", "value"], rows)


def make_cost(measured: Measured) -> str:
    """What reading and training cost."""
    found = measured.provenance
    rows: list[list[object]] = [
        ["parameters", f"{found['network']['parameters']:,}"],
        ["multiply-adds a digit", f"{found['network']['multiply_adds']:,}"],
        ["training", _say_minutes(found)],
        ["epochs", found["config"]["epochs"]],
    ]
    return make_table(["shipped model", ""], rows)


def make_lines(measured: Measured) -> str:
    """What the network that reads several digits is, and what it cost."""
    found = measured.line_provenance
    config, network = found["config"], found["network"]
    return make_table(
        [f"model `{measured.line_version}`", ""],
        [
            ["made-up lines that it learnt from", f"{config['num_lines']:,}, {config['epochs']} times each"],
            ["made-up lines of held-out digits that it reads without a mistake", f"{100 * found['lines_read']:.1f} %"],
            ["parameters", f"{network['parameters']:,}"],
            ["multiply-adds for a line 224 pixels wide", f"{network['multiply_adds']:,}"],
            ["making the lines up and training", _say_minutes(found)],
        ],
    )


def make_pages(measured: Measured) -> str:
    """What the network that finds the digits of a page is, and what it cost."""
    found = measured.page_provenance
    config, network = found["config"], found["network"]
    return make_table(
        [f"model `{measured.page_version}`", ""],
        [
            ["made-up pages of 256x256 pixels that it learnt from", f"{config['num_pages'] * config['epochs']:,}"],
            ["digits of made-up pages of held-out digits that it finds", f"{100 * found['digits_found']:.1f} %"],
            ["of its marks there, those that are digits", f"{100 * found['marks_right']:.1f} %"],
            ["parameters", f"{network['parameters']:,}"],
            ["multiply-adds for a pixel", f"{network['multiply_adds_per_pixel']:,}"],
            ["making the pages up and training", _say_minutes(found)],
        ],
    )


def make_page_reading(measured: Measured) -> str:
    """What is read of pages, beside other readers where they were measured."""
    lines = measured.files["page_reading"]
    if not lines:
        return say_missing("page_reading")
    readers = list(dict.fromkeys(row["reader"] for row in lines))
    found = {(row["row"], row["reader"]): row for row in lines}
    rows = []
    for name, num in dict.fromkeys((row["row"], row["num"]) for row in lines):
        of_row = [found.get((name, reader)) for reader in readers]
        rows.append([name, num, *(f"{float(one['right_percent']):.1f}" if one else "-" for one in of_row)])
    table = make_table(["", "number", *(f"{reader} (%)" for reader in readers)], rows)
    return f"{table}\n\n{_say_of_what(join_versions(measured.line_version, measured.version), lines)}"


def _say_minutes(provenance: dict[str, Any]) -> str:
    return f"{provenance['training_seconds'] / 60:.1f} minutes{', resumed' if provenance.get('resumed') else ''}"


def make_final(measured: Measured) -> str:
    """Means over seeds of what is scored at the end."""
    return _summarise(measured, ("test", "kaggle"))


def make_ablations(measured: Measured) -> str:
    """Means over seeds of what was tried, on held-out training digits."""
    return _summarise(measured, (BY_WRITER, BY_ROW))


def make_folds(measured: Measured) -> str:
    """What each recipe misreads of the training digits, read by networks that met none of their writers."""
    lines = measured.files["folds"]
    if not lines:
        return say_missing("folds")
    header = [
        "recipe",
        "folds",
        "errors",
        "error (%)",
        "errors but for those of all recipes",
        "errors more than the default",
        "NLL (nats)",
        "NLL more than the default (nats)",
        "mean of 15 corruptions (%)",
    ]
    rows = [
        [
            row["recipe"],
            row["folds"],
            row["num_errors"],
            f"{float(row['error_percent']):.3f}",
            row["num_errors_but_common"],
            _say_difference(row, "error", 0),
            f"{float(row['negative_log_likelihood']):.4f}",
            _say_difference(row, "likelihood", 4),
            f"{float(row['corruption_error_percent']):.1f}",
        ]
        for row in lines
    ]
    return make_table(header, rows)


def _say_difference(row: Row, what: str, places: int) -> str:
    """Return a difference with its 95 % interval; the default does not differ from itself."""
    difference, low, high = (float(row[f"{what}_difference{end}"]) for end in ("", "_from", "_to"))
    return f"{difference:+.{places}f} ({low:+.{places}f} to {high:+.{places}f})" if low != high else "-"


def _summarise(measured: Measured, scored: tuple[str, ...]) -> str:
    lines = [row for row in measured.files["training"] if row["scored"] in scored]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in lines:
        groups.setdefault((row["scored"], row["config"], row["epochs"]), []).append(row)
    if not groups:
        return say_missing("training", f" with `{'` or `'.join(scored)}` digits")
    columns = {
        "error_percent": ("error (%)", 3),
        "negative_log_likelihood": ("NLL (nats)", 4),
        "calibration_error_percent": ("ECE (%)", 3),
        "corruption_error_percent": ("mean of 15 corruptions (%)", 2),
        "training_seconds": ("minutes", 1),
    }
    rows: list[list[object]] = []
    for (scored_on, config, epochs), group in sorted(groups.items(), key=lambda item: scored.index(item[0][0])):
        cells = [_spread(group, name, places) for name, (_, places) in columns.items()]
        weight = f"{int(group[0]['parameters']):,} / {int(group[0]['multiply_adds']) / 1e6:.1f} M"
        rows.append([config, scored_on, epochs, len(group), *cells, weight])
    titles = [title for title, _ in columns.values()]
    header = ["configuration", "scored", "epochs", "seeds", *titles, "parameters / multiply-adds"]
    dates, machines = ({row[name] for row in lines} for name in ("date", "machine"))
    return f"{make_table(header, rows)}\n\nMeasured {_join(dates)} ({'; '.join(sorted(machines))})."


def _spread(group: list[Row], name: str, places: int) -> str:
    values = [float(row[name]) / (60 if name.endswith("seconds") else 1) for row in group if row.get(name)]
    if not values:
        return "-"
    return f"{mean(values):.{places}f}" + (f" ± {stdev(values):.{places}f}" if len(values) > 1 else "")


def make_digits(measured: Measured) -> str:
    """Errors by label."""
    counts = np.bincount(measured.labels, minlength=NUM_CLASSES)
    errors = measured.provenance["metrics"]["errors_per_digit"]
    percent = [f"{100 * error / count:.2f}" for error, count in zip(errors, counts, strict=True)]
    return make_table(["digit", *map(str, range(NUM_CLASSES))], [["misread", *errors], ["%", *percent]])


def list_confusions(measured: Measured) -> str:
    """Which digit was read as which, the most frequent first."""
    answers = measured.probabilities.argmax(axis=1)
    misread = answers != measured.labels
    pairs = Counter(zip(measured.labels[misread].tolist(), answers[misread].tolist(), strict=True))
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
    return (
        "Each label, and what it was read as: "
        + ", ".join(
            f"{label} as {answer}" + (f" ({times} times)" if times > 1 else "") for (label, answer), times in ranked
        )
        + "."
    )


def make_labels(measured: Measured) -> str:
    """The misread digits whose label is doubtful."""
    answers, confidence = measured.probabilities.argmax(axis=1), measured.probabilities.max(axis=1)
    misread = np.flatnonzero(answers != measured.labels).tolist()
    doubtful = [index for index in misread if index in READINGS or index in LABEL_ERRORS]
    rows = [
        [
            index,
            measured.labels[index],
            f"{answers[index]} ({confidence[index]:.0%})",
            READINGS.get(index, "as labelled"),
            "yes" if index in LABEL_ERRORS else "no",
        ]
        for index in doubtful
    ]
    header = ["row of test.csv", "label", "model (confidence)", "our reading of the picture", "among the 15"]
    known = sum(index in LABEL_ERRORS for index in misread)
    agreed = sum(READINGS.get(index) == str(answers[index]) for index in misread)
    summary = (
        f"Of the {len(misread)} misread digits, {known} are among the 15. The model reads {agreed} of the "
        f"{len(misread)} as we do."
    )
    return f"{make_table(header, rows)}\n\n{summary}"


def make_robustness(measured: Measured) -> str:
    """Errors on corrupted digits, and changed answers."""
    lines = measured.files["robustness"]
    if not lines:
        return say_missing("robustness")
    tables = [
        make_table(
            [title, "%"], [[row["row"], f"{float(row['percent']):.2f}"] for row in lines if row["percent_of"] == kind]
        )
        for title, kind in (("errors on", "errors"), ("answers that change with", "changed answers"))
    ]
    return "\n\n".join([*tables, _say_of_what(measured.version, lines)])


def make_plain(name: str) -> Callable[[Measured], str]:
    """Return a maker of a table that shows a benchmark's file as it is; its lines name both networks."""

    def make(measured: Measured) -> str:
        lines = measured.files[name]
        if not lines:
            return say_missing(name)
        shown = [column for column in lines[0] if column not in ("date", "model")]
        header = ["" if column == "row" else _name_column(column) for column in shown]
        table = make_table(header, [[row[column] or "-" for column in shown] for row in lines])
        return f"{table}\n\n{_say_of_what(join_versions(measured.line_version, measured.version), lines)}"

    return make


def make_rejection(measured: Measured) -> str:
    """What is taken for a digit; the picture is written with the file."""
    picture = "\n\n![Digits refused against other marks accepted](model-card/rejection.png)"
    return make_plain("rejection")(measured) + (picture if measured.files["rejection"] else "")


def _name_column(column: str) -> str:
    words = "number" if column == "num" else column.removeprefix("num_").replace("_", " ")
    words = words.replace("auroc ", "AUROC against ")
    return words.replace(" percent", " (%)") if words.endswith(" percent") else words


def _say_of_what(version: str, lines: list[Row]) -> str:
    dates, models = ({row[name] for row in lines if row.get(name)} for name in ("date", "model"))
    when = f", {_join(dates)}" if dates else ""
    if models == {version}:
        return f"Measured on the shipped model{'s' if '+' in version else ''}{when}."
    named = _join(f"`{model}`" for model in models)
    return f"Measured on {named}{when}, **not on the shipped model** `{version}`."


def _join(words: Iterable[str]) -> str:
    return " and ".join(sorted(words))


def say_missing(name: str, lines: str = "") -> str:
    """Say that a figure was not measured yet."""
    return f"Not measured yet: no figures of `{name}` below benchmarks/{lines}."
