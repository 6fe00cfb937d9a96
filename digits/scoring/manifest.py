"""`_manifest.json`: what a run read, with which networks and versions, and what came of it.

It is written before the first part and after the last one. In between it tells a second run whether the parts that
are there are its own.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from digits.errors import ScoringError
from digits.scoring.answers import Job
from digits.scoring.parts import MANIFEST, Output
from digits.scoring.sources import Summary
from digits.scoring.storage import Place, write_whole

_PACKAGES = ("numpy", "onnxruntime", "pillow", "pyarrow")
# What the parts depend on, and what a person calls it.
_IDENTITY = {
    "input": "input",
    "task": "task",
    "format": "format",
    "probabilities": "probabilities",
    "precision": "precision",
    "rows_per_part": "rows per part",
    "models": "models",
}
_HINT = "Name another output folder, or remove this one."


@dataclass(frozen=True)
class Counts:
    """What came of a run.

    Attributes:
        answers: How many rows or pictures were answered.
        errors: How many could not be read.
        parts: How many parts there are.
    """

    answers: int = 0
    errors: int = 0
    parts: int = 0


Manifest = dict[str, Any]


def begin_manifest(
    url: str,
    share: str | None,
    summary: Summary,
    job: Job,
    output: Output,
    rows_per_part: int,
    sha256: Mapping[str, str],
) -> Manifest:
    """Return the manifest of a run that has not begun.

    Args:
        url: The input as it was named.
        share: Which share of it is read, such as `3/10`; None stands for all.
        summary: What the input has.
        job: What is done with it.
        output: Where it is written.
        rows_per_part: A part has at most so many rows.
        sha256: Of each model that reads, by its path.
    """
    return {
        "state": "running",
        "input": {
            "path": url,
            "share": share,
            "files": summary.num_files,
            "ignored_files": summary.num_ignored,
            "bytes": summary.num_bytes,
            "listing_sha256": summary.sha256,
        },
        "task": job.task,
        "format": output.format,
        "probabilities": job.with_probabilities,
        "precision": job.precision,
        "rows_per_part": rows_per_part,
        "models": dict(sha256),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def check_manifest(folder: Place, manifest: Manifest) -> None:
    """Refuse a folder that holds another run's output.

    Args:
        folder: The folder of the output.
        manifest: That of the run which is to begin.

    Raises:
        ScoringError: Names the first difference.
    """
    place = folder.join(MANIFEST)
    filesystem = folder.filesystem
    if not filesystem.exists(place.path):
        if _has_files(folder):
            raise ScoringError(
                f"{folder.path}: received a folder with other files in it, expected an empty one or the output of "
                f"this run. {_HINT}"
            )
        return
    try:
        # Earlier versions did not note the precision.
        found = {"precision": "auto", **json.loads(filesystem.cat_file(place.path))}
        differences = [key for key in _IDENTITY if _identify(found[key]) != _identify(manifest[key])]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ScoringError(f"{place.path}: received no manifest of a run ({error!r}). {_HINT}") from error
    for key in differences:
        raise ScoringError(
            f"{folder.path}: received the output of a run with other {_IDENTITY[key]}: {json.dumps(found[key])}, "
            f"expected {json.dumps(manifest[key])}. {_HINT}"
        )


def write_manifest(folder: Place, manifest: Manifest, state: str, counts: Counts, **more: object) -> Manifest:
    """Write the manifest of a run as it stands, and return it.

    Args:
        folder: The folder of the output.
        manifest: What `begin_manifest` returned.
        state: `running`, `finished`, or `stopped` by too many errors.
        counts: What has come of it.
        more: What else to note, such as the seconds.
    """
    written = {**manifest, "state": state, "counts": asdict(counts), **more}
    write_whole(folder.join(MANIFEST), (json.dumps(written, indent=2, ensure_ascii=False) + "\n").encode())
    return written


def _has_files(folder: Place) -> bool:
    """Tell whether a folder holds more than what a run leaves that was killed before its manifest was there."""
    if not folder.filesystem.exists(folder.path):
        return False
    names = (path.rstrip("/").rpartition("/")[2] for path in folder.filesystem.ls(folder.path, detail=False))
    return any(not name.startswith(".") for name in names)


def _identify(value: Any) -> Any:
    """Return what must be the same: models by their content, wherever they lie, and an input by its files."""
    if isinstance(value, dict) and "listing_sha256" in value:
        return value["files"], value["bytes"], value["listing_sha256"], value.get("share")
    return sorted(value.values()) if isinstance(value, dict) else value
