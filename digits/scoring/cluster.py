"""The engine `ray`: Ray Data on one machine or many, with the same pieces, the same function and the same parts.

A task cuts each source into pieces, and a pool of actors, which load the model once each, answers them. Both run at the
same time, and Ray holds back the cutting where the actors are slower. If a machine is lost, Ray does its pieces anew,
which is harmless. `requirements-ray.txt` beside this file names what to install.
"""

import logging
import pickle
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from digits.errors import ScoringError
from digits.scoring.answers import Job
from digits.scoring.parts import Output, Report, write_piece
from digits.scoring.sources import Source, cut

_ONE_ROW = 1
# One in hand and one waiting. With more, some actors would still have a queue when others are done.
_PIECES_AN_ACTOR = 2
# An actor and a task that cuts share a core. With a whole core for each actor nothing would be left to cut for them.
_WRITER_CORES = 0.75
_CUTTER_CORES = 0.25


def run_on_ray(
    sources: Iterator[Source],
    done: Collection[str],
    job: Job,
    output: Output,
    rows_at_once: int,
    num_workers: int | None,
    address: str | None,
) -> Iterator[Report]:
    """Answer all pieces that are not done, and yield a report of each once it is written.

    The sources are listed in full before anything is read: a few hundred bytes for each file, or for each picture.

    Args:
        sources: What to cut.
        done: The names of the parts that are there.
        job: What to do. Its models must lie at the same paths on all machines.
        output: Where to write; a place that all machines reach.
        rows_at_once: A piece has at most so many rows.
        num_workers: How many actors; by default as many as the cluster has cores, and more while it grows.
        address: The cluster's, such as `auto`; None starts one on this machine for this run.

    Raises:
        ScoringError: If Ray is not installed or the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise ScoringError(
            f"Ray cannot be imported ({error}). Install it: `pip install -r digits/scoring/requirements-ray.txt`, or "
            "leave out ENGINE=ray."
        ) from error
    if output.folder.is_in_memory:
        raise ScoringError(
            "Received an output in the memory of one process with ENGINE=ray, expected one that all workers reach."
        )
    packed = [pickle.dumps(source) for source in sources]
    if not packed:
        return
    # A cluster of this run alone needs no page to look at.
    place = {"address": address} if address else {"address": "local", "include_dashboard": False}
    try:
        ray.init(**place, log_to_driver=False, logging_level="ERROR", ignore_reinit_error=True)
    except (ConnectionError, RuntimeError) as error:
        raise ScoringError(f"Received --address {address}, where no Ray cluster answers ({error}).") from error
    try:
        yield from _stream(ray, packed, frozenset(done), job, output, rows_at_once, num_workers)
    finally:
        ray.shutdown()


def _stream(
    ray: Any,
    packed: list[bytes],
    done: frozenset[str],
    job: Job,
    output: Output,
    rows_at_once: int,
    num_workers: int | None,
) -> Iterator[Report]:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Each piece is a block of its own, so that actors share even a single file.
    context.target_max_block_size = 1
    num_actors = num_workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
    size = {"size": num_workers} if num_workers else {"min_size": 1, "initial_size": num_actors, "max_size": 10_000}
    reports = (
        ray.data.from_items([{"source": one} for one in packed], override_num_blocks=len(packed))
        .map_batches(
            _cut_batch,
            batch_size=_ONE_ROW,
            fn_kwargs={"done": done, "rows_at_once": rows_at_once},
            num_cpus=_CUTTER_CORES,
        )
        .map_batches(
            _Writer,
            fn_constructor_args=(job, output),
            batch_size=_ONE_ROW,
            compute=ray.data.ActorPoolStrategy(**size, max_tasks_in_flight_per_actor=_PIECES_AN_ACTOR),
            num_cpus=_WRITER_CORES,
        )
    )
    for row in reports.iter_rows():
        yield pickle.loads(row["report"])  # noqa: S301 -- This run wrote it.


def _cut_batch(batch: dict[str, Any], done: frozenset[str], rows_at_once: int) -> Iterator[dict[str, Any]]:
    """Cut the sources of a batch, and yield a batch for each piece that is not done."""
    for packed in batch["source"]:
        for piece in cut(pickle.loads(packed), rows_at_once):  # noqa: S301 -- This run wrote it.
            if piece.part not in done:
                yield {"piece": np.array([pickle.dumps(piece)], object)}


class _Writer:
    """An actor of the pool."""

    def __init__(self, job: Job, output: Output) -> None:
        self._job, self._output = job, output

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Answer the pieces of a batch and write their parts."""
        pieces = (pickle.loads(packed) for packed in batch["piece"])  # noqa: S301 -- This run wrote it.
        reports = [pickle.dumps(write_piece(self._job, self._output, piece)) for piece in pieces]
        return {"report": np.array(reports, object)}
