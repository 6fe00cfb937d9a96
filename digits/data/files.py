"""Files that are whole or absent: written to the side, then renamed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and rename that file to `path` once the block ends without an error.

    Until then an earlier file stays as it was, whatever happens.

    Raises:
        OSError: If its folder is missing, or the file cannot be renamed.
    """
    # In the same folder, because a rename is atomic only inside one file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        unfinished.replace(path)
