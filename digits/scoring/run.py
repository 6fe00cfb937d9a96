"""Read many digits or numbers, from files to files.

Usage:
    python -m digits.scoring.run data/test.csv.gz scores/
    python -m digits.scoring.run 'scans/**/*.png' scores/ --task read
    python -m digits.scoring.run s3://bucket/rows/ s3://bucket/scores/ --engine ray --address auto

The exit status is 0, or 3 if more rows or pictures could not be read than --max-errors allows, or all of them.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import joblib
from tqdm import tqdm

from digits.errors import ConfigurationError, end_in_one_line
from digits.inference.artifact import read_artifact
from digits.scoring.answers import Job
from digits.scoring.local import run_local
from digits.scoring.manifest import Counts, Manifest, begin_manifest, check_manifest, write_manifest
from digits.scoring.parts import ERRORS, Output, Report, list_done, remove_unfinished
from digits.scoring.sources import Summary, list_sources, summarise_input
from digits.scoring.storage import locate

ROWS_PER_PART = 8_192  # So many rows are read in a second or two.
TOO_MANY_ERRORS = 3


def score(arguments: argparse.Namespace) -> Manifest:
    """Score an input as the command line says, and return the manifest.

    Raises:
        ScoringError: If the input cannot be used, or the output belongs to another run.
        ArtifactError: If a model cannot be used.
    """
    started = perf_counter()
    output = Output(locate(arguments.output), arguments.format)
    summary = summarise_input(arguments.input, output.folder, arguments.task)
    job = Job(arguments.model, arguments.line_model, arguments.task, summary.has_numbers, arguments.probabilities)
    manifest = begin_manifest(
        arguments.input, summary, job, output, arguments.rows_per_part, _hash_models(job, summary)
    )
    check_manifest(output.folder, manifest)
    remove_unfinished(output)
    done = list_done(output)
    counts = Counts(
        sum(one.num_answers for one in done.values()), sum(one.num_faults for one in done.values()), len(done)
    )
    write_manifest(output.folder, manifest, "running", counts)
    sources = list_sources(arguments.input, output.folder, summary.is_one_file)
    if arguments.engine == "ray":
        from digits.scoring.cluster import run_on_ray

        reports = run_on_ray(sources, done, job, output, arguments.rows_per_part, arguments.workers, arguments.address)
    else:
        num_workers = _choose_workers(arguments)
        reports = run_local(sources, done, job, output, arguments.rows_per_part, num_workers)
    counts = _follow(reports, counts, summary, arguments)
    is_stopped = arguments.max_errors is not None and counts.errors > arguments.max_errors
    return write_manifest(
        output.folder,
        manifest,
        "stopped" if is_stopped else "finished",
        counts,
        engine=arguments.engine,
        seconds=round(perf_counter() - started, 3),
    )


def _hash_models(job: Job, summary: Summary) -> dict[str, str]:
    """Read the models that the run needs and return the SHA-256 of each, by its path."""
    paths = [job.classifier]
    if job.task == "read" or not summary.kinds <= {"csv", "idx"}:
        paths.append(job.line_reader)
    return {str(path): read_artifact(path).sha256 for path in paths}


def _choose_workers(arguments: argparse.Namespace) -> int:
    # No other process sees this one's memory.
    if locate(arguments.output).is_in_memory or arguments.input.startswith("memory://"):
        return 1
    return int(arguments.workers or joblib.cpu_count())


def _follow(reports: Iterator[Report], counts: Counts, summary: Summary, arguments: argparse.Namespace) -> Counts:
    """Count what is done and show it where there is a terminal; stop early if there are too many errors."""
    started, num_answered = perf_counter(), 0
    with tqdm(
        total=summary.num_bytes, unit="B", unit_scale=True, disable=True if arguments.json else None, leave=False
    ) as bar:
        for report in reports:
            num_answered += report.num_answers
            counts = Counts(counts.answers + report.num_answers, counts.errors + report.num_faults, counts.parts + 1)
            rate = num_answered / (perf_counter() - started)
            bar.set_postfix_str(f"{counts.answers:,} answers, {rate:,.0f}/s, {counts.errors:,} errors", refresh=False)
            bar.update(report.num_bytes)
            if arguments.max_errors is not None and counts.errors > arguments.max_errors:
                break
    return counts


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Read many digits or numbers, from files to files.")
    parser.add_argument("input", help="a file, a folder or a quoted glob; also s3://, gs:// or memory://")
    parser.add_argument("output", help="a folder; the same command goes on with what it holds")
    parser.add_argument("--task", choices=("predict", "read"), default="predict", help="a digit or a number each")
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    parser.add_argument("--probabilities", action="store_true", help="write those of all ten digits, too")
    parser.add_argument("--model", type=Path, default=Path("models/digits.h5"))
    parser.add_argument("--line-model", type=Path, default=Path("models/lines.h5"))
    parser.add_argument("--max-errors", type=int, help="stop with exit status 3 beyond so many; default: never")
    parser.add_argument("--rows-per-part", type=int, default=ROWS_PER_PART)
    parser.add_argument("--workers", type=int, help="processes; default: one a core")
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--address", help="Ray's cluster, such as auto; default: one on this machine for this run")
    parser.add_argument("--json", action="store_true", help="print the manifest instead of a sentence")
    arguments = parser.parse_args()
    for name, least in (("rows_per_part", 1), ("workers", 1), ("max_errors", 0)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            option = name.replace("_", "-")
            raise ConfigurationError(f"Received --{option} {value}, expected {least} or more.")
    return arguments


def main() -> None:
    """Read the command line, score, say what came of it."""
    arguments = parse_arguments()
    manifest = score(arguments)
    counts = manifest["counts"]
    if arguments.json:
        print(json.dumps(manifest))
    else:
        print(
            f"Wrote {arguments.output}: {counts['answers']:,} answers in {counts['parts']:,} parts, "
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
