"""The local engine: joblib's processes on one machine, each with the model loaded once."""

import warnings
from collections.abc import Collection, Iterator
from itertools import chain

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from digits.errors import ScoringError
from digits.scoring.answers import Job
from digits.scoring.parts import Output, Report, write_piece
from digits.scoring.pieces import Piece
from digits.scoring.sources import Source, cut


def run_local(
    sources: Iterator[Source], done: Collection[str], job: Job, output: Output, rows_at_once: int, num_workers: int
) -> Iterator[Report]:
    """Answer all pieces that are not done, and yield a report of each once it is written.

    Pieces are cut as workers take them, so that memory does not grow with the input.

    Args:
        sources: What to cut.
        done: The names of the parts that are there.
        job: What to do.
        output: Where to write.
        rows_at_once: A piece has at most so many rows.
        num_workers: How many processes; with 1 it is this one.

    Raises:
        ScoringError: If the system ended a worker.
    """
    cutter = _Cutter(
        piece
        for piece in chain.from_iterable(cut(source, rows_at_once) for source in sources)
        if piece.part not in done
    )
    if num_workers == 1:
        for piece in cutter:
            yield write_piece(job, output, piece)
    else:
        # Each worker has a piece in hand and one waiting. They are pickled, because joblib would write large arrays to
        # files first.
        parallel = joblib.Parallel(
            num_workers, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1, max_nbytes=None
        )
        try:
            with warnings.catch_warnings():
                # A run that stops at too many errors leaves tasks behind on purpose.
                warnings.filterwarnings(
                    "ignore", "[0-9]+ tasks (which were still being processed|have been successfully executed)"
                )
                yield from parallel(joblib.delayed(write_piece)(job, output, piece) for piece in cutter)
        except TerminatedWorkerError as error:
            raise ScoringError(
                "The system ended a worker, perhaps because memory ran out. What is written stays: give the same "
                "command again, with fewer --workers."
            ) from error
    cutter.raise_error()


class _Cutter:
    """Keeps what cutting raises until the workers have finished, because joblib cuts in a thread of its own."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[Piece]:
        try:
            yield from self._pieces
        except Exception as error:
            self._error = error

    def raise_error(self) -> None:
        """Raise it, if there was one."""
        if self._error is not None:
            raise self._error
