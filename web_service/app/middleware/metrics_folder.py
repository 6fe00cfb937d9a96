"""The folder in which several workers of one server share what they count, for prometheus_client's multiprocess mode.

prometheus_client reads `PROMETHEUS_MULTIPROC_DIR` once, when it is imported. A worker that is alone needs no folder.
"""

import hashlib
import multiprocessing
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "digits-metrics"


def share_metrics_folder() -> None:
    """Set the variable, if the operator has not, in a process that a parent started as one of its workers.

    All workers of a parent find the same folder: its name is made of the parent's process id and of the key that the
    parent hands to them alone. Where no folder can be made, each worker counts for itself.
    """
    parent = multiprocessing.parent_process()
    folder = os.environ.pop(_VARIABLE, "")
    with suppress(OSError):
        if not folder and parent is not None:
            key = hashlib.sha256(multiprocessing.current_process().authkey).hexdigest()[:16]
            folder = f"{tempfile.gettempdir()}/{_PREFIX}-{parent.pid}-{key}"
            _remove_stale_folders(Path(folder))
        if folder:
            Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            os.environ[_VARIABLE] = folder


def find_metrics_folder() -> Path | None:
    """Return the folder that several workers share; None if this worker counts for itself."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) if folder else None


def list_dead_workers(folder: Path) -> set[int]:
    """Return the process ids of the workers that have ended and whose gauges still lie in the folder."""
    return {pid for path in folder.glob("gauge_live*.db") if not _is_alive(pid := int(path.stem.rpartition("_")[2]))}


def has_live_workers() -> bool:
    """Return whether another worker of this server serves, as far as its metrics in a shared folder tell."""
    folder = find_metrics_folder()
    pids = {int(path.stem.rpartition("_")[2]) for path in folder.glob("*.db")} if folder else set()
    return any(pid != os.getpid() and _is_alive(pid) for pid in pids)


def list_filled_files(folder: Path) -> list[str]:
    """Return the paths of the metrics in the folder, without files that a worker has just made and not yet filled."""
    return [str(path) for path in folder.glob("*.db") if _is_filled(path)]


def _is_filled(path: Path) -> bool:
    # Another worker may remove the gauges of one that has ended.
    with suppress(FileNotFoundError):
        return path.stat().st_size > 0
    return False


def _remove_stale_folders(own: Path) -> None:
    """Remove the folders of servers that have ended, and of an earlier server with the process id of this one."""
    for path in own.parent.glob(f"{_PREFIX}-*-*"):
        pid = int(path.name.split("-")[2])
        if path != own and (pid == os.getppid() or not _is_alive(pid)):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        # Signal 0 reaches no process; sending it only tells whether there is one.
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
