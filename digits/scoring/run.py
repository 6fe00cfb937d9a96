"""Read many digits or numbers, from files to files.

Usage:
    python -m digits.scoring.run data/test.csv.gz scores/
    python -m digits.scoring.run 'scans/**/*.png' scores/ --task read
    python -m digits.scoring.run s3://bucket/rows/ s3://bucket/scores/ --engine ray --address auto

The exit status is 0, or 3 if more rows or pictures could not be read than --max-errors allows, or all of them.
"""

import argparse
import json
import re
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Literal, get_args

import joblib
from tqdm import tqdm

from digits.errors import ConfigurationError, end_in_one_line
from digits.inference.artifact import read_artifact
from digits.inference.precision import read_precision
from digits.scoring.answers import Job
from digits.scoring.local import run_local
from digits.scoring.manifest import Counts, Manifest, begin_manifest, check_manifest, write_manifest
from digits.scoring.parts import ERRORS, Format, Output, Report, list_done, remove_unfinished
from digits.scoring.sources import Summary, Task, list_sources, summarise_input
from digits.scoring.storage import locate, split_glob

TOO_MANY_ERRORS = 3
Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class ScoringConfig:
    """What to score, where to, and how."""

    input: str
    """A file, a folder or a glob; also `s3://`, `gs://` or `memory://`."""
    output: str
    """A folder; a run goes on with what it holds."""
    task: Task = "predict"
    """`predict` reads one digit a row or picture, `read` one number a picture."""
    format: Format = "parquet"
    """Of the parts."""
    probabilities: bool = False
    """Whether those of all ten digits are written, too."""
    model: Path = Path("models/digits.h5")
    """The classifier."""
    line_model: Path = Path("models/lines.h5")
    page_model: Path = Path("models/pages.h5")
    """The line network, which reads pictures, too."""
    max_errors: int | None = None
    """The run stops beyond so many rows or pictures that cannot be read; None stands for any number."""
    rows_per_part: int = 8_192
    """So many rows are read in a second or two."""
    workers: int | None = None
    """Processes; None stands for one a core."""
    engine: Engine = "local"
    """`local` uses this machine, `ray` a cluster of Ray."""
    address: str | None = None
    """Ray's cluster, such as `auto`; None starts one on this machine for this run."""
    share: str | None = None
    """`3/10` reads every tenth file, beginning with number 3, from 0; so ten runs read an input without a cluster."""

    def __post_init__(self) -> None:
        """Refuse impossible settings."""
        for name, least in (("rows_per_part", 1), ("workers", 1), ("max_errors", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                option = name.replace("_", "-")
                raise ConfigurationError(f"Received --{option} {value}, expected {least} or more.")
        if self.share is not None:
            self.parse_share()

    def parse_share(self) -> tuple[int, int]:
        """Return which share of the input is read, from 0, and of how many."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", self.share or "0/1")
        if found is None or int(found[1]) >= int(found[2]):
            raise ConfigurationError(
                f"Received --share {self.share}, expected a number from 0 and how many there are, such as 0/10 to 9/10."
            )
        return int(found[1]), int(found[2])


def score(config: ScoringConfig, is_quiet: bool = False) -> Manifest:
    """Score an input and return the manifest.

    Args:
        config: What to do.
        is_quiet: Whether to draw no progress bar; without a terminal there is none in any case.

    Raises:
        ScoringError: If the input cannot be used, or the output belongs to another run.
        ArtifactError: If a model cannot be used.
    """
    started = perf_counter()
    output = Output(locate(config.output), config.format)
    summary = summarise_input(config.input, output.folder, config.task)
    job = Job(
        config.model,
        config.line_model,
        config.page_model,
        config.task,
        summary.has_numbers,
        config.probabilities,
        read_precision(),
    )
    hashes = _hash_models(job, summary)
    manifest = begin_manifest(config.input, config.share, summary, job, output, config.rows_per_part, hashes)
    check_manifest(output.folder, manifest)
    remove_unfinished(output)
    done = list_done(output)
    counts = Counts(
        sum(one.num_answers for one in done.values()), sum(one.num_faults for one in done.values()), len(done)
    )
    write_manifest(output.folder, manifest, "running", counts)
    reports = _start_engine(config, summary, done, job, output)
    counts = _follow(reports, counts, summary, config.max_errors, is_quiet)
    is_stopped = config.max_errors is not None and counts.errors > config.max_errors
    return write_manifest(
        output.folder,
        manifest,
        "stopped" if is_stopped else "finished",
        counts,
        engine=config.engine,
        seconds=round(perf_counter() - started, 3),
    )


def _start_engine(
    config: ScoringConfig, summary: Summary, done: Collection[str], job: Job, output: Output
) -> Iterator[Report]:
    """Return the reports of the pieces that are not done, as the engine makes them."""
    index, count = config.parse_share()
    sources = islice(list_sources(config.input, output.folder, summary.is_one_file), index, None, count)
    if config.engine == "ray":
        from digits.scoring.cluster import run_on_ray

        return run_on_ray(sources, done, job, output, config.rows_per_part, config.workers, config.address)
    # No other process sees this one's memory.
    is_bound = output.folder.is_in_memory or locate(split_glob(config.input)[0]).is_in_memory
    num_workers = 1 if is_bound else config.workers or joblib.cpu_count()
    return run_local(sources, done, job, output, config.rows_per_part, num_workers)


def _hash_models(job: Job, summary: Summary) -> dict[str, str]:
    """Read the models that the run needs and return the SHA-256 of each, by its path."""
    paths = [job.classifier]
    if job.task == "read" or not summary.kinds <= {"csv", "idx"}:
        paths.append(job.line_reader)
    if job.task == "read":
        paths.append(job.page_detector)
    return {str(path): read_artifact(path).sha256 for path in paths}


def _follow(
    reports: Iterator[Report], counts: Counts, summary: Summary, max_errors: int | None, is_quiet: bool
) -> Counts:
    """Count what is done and show it where there is a terminal; stop early if there are too many errors."""
    started, num_answered = perf_counter(), 0
    # With None the bar looks for a terminal by itself.
    disable = True if is_quiet else None
    with tqdm(total=summary.num_bytes, unit="B", unit_scale=True, disable=disable, leave=False) as bar:
        for report in reports:
            num_answered += report.num_answers
            counts = Counts(counts.answers + report.num_answers, counts.errors + report.num_faults, counts.parts + 1)
            rate = num_answered / (perf_counter() - started)
            bar.set_postfix_str(f"{counts.answers:,} answers, {rate:,.0f}/s, {counts.errors:,} errors", refresh=False)
            bar.update(report.num_bytes)
            if max_errors is not None and counts.errors > max_errors:
                break
    return counts


def parse_arguments() -> tuple[ScoringConfig, bool]:
    """Return what the command line says, and whether it asks for JSON."""
    parser = argparse.ArgumentParser(description="Read many digits or numbers, from files to files.")
    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    parser.add_argument("input", help="a file, a folder or a quoted glob; also s3://, gs:// or memory://")
    parser.add_argument("output", help="a folder; the same command goes on with what it holds")
    add("--task", choices=get_args(Task), help="a digit or a number from each; default: predict")
    add("--format", choices=get_args(Format), help="of the parts; default: parquet")
    add("--probabilities", action="store_true", help="write those of all ten digits, too")
    add("--model", type=Path, help="default: models/digits.h5")
    add("--line-model", type=Path, help="default: models/lines.h5")
    add("--page-model", type=Path, help="default: models/pages.h5")
    add("--max-errors", type=int, help="stop with exit status 3 beyond so many; default: never")
    add("--rows-per-part", type=int, help=f"default: {ScoringConfig.rows_per_part}")
    add("--workers", type=int, help="processes; default: one a core")
    add("--engine", choices=get_args(Engine), help="default: local")
    add("--address", help="Ray's cluster, such as auto; default: one on this machine for this run")
    add("--share", help="read every tenth file from number 3 on: 3/10; default: all files")
    parser.add_argument("--json", action="store_true", help="print the manifest instead of a sentence")
    arguments = vars(parser.parse_args())
    prints_json = arguments.pop("json")
    return ScoringConfig(**arguments), prints_json


def main() -> None:
    """Read the command line, score, say what came of it."""
    config, prints_json = parse_arguments()
    manifest = score(config, is_quiet=prints_json)
    counts = manifest["counts"]
    if prints_json:
        print(json.dumps(manifest))
    else:
        print(
            f"Wrote {config.output}: {counts['answers']:,} answers in {counts['parts']:,} parts, "
            f"{counts['errors']:,} errors{' in ' + ERRORS + '/' if counts['errors'] else ''}."
        )
    if manifest["state"] == "stopped" or (counts["errors"] and not counts["answers"]):
        print(
            f"error: received {counts['errors']:,} rows or pictures that cannot be read; see {ERRORS}/ in the output.",
            file=sys.stderr,
        )
        sys.exit(TOO_MANY_ERRORS)


if __name__ == "__main__":
    with end_in_one_line("what is written stays; the same command goes on."):
        main()
