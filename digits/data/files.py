"""Files that are whole or absent: written to the side, then renamed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and rename that file to `path` once the block ends without an error.

    Until then an earlier file stays as it was, whatever happens.

    Args:
        path: Its folder is made if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic only inside one file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        unfinished.replace(path)
