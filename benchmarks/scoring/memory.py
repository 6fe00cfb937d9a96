"""The memory of one long run, minute by minute.

python -m benchmarks.scoring.make_rows rows.parquet --rows 10000000
python -m benchmarks.scoring.memory rows.parquet scores/ --workers 2

Memory is the proportional set size in MB of 10^6 bytes: of all processes together, and of the largest one.
"""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.scoring.compare import list_memory

_SAMPLE_SECONDS = 0.5
_LINE_SECONDS = 60


def main() -> None:
    """Run the command with the given arguments, and print what it uses."""
    arguments = sys.argv[1:]
    output = Path(arguments[1])
    process = subprocess.Popen([sys.executable, "-m", "digits.scoring.run", *arguments])
    started = printed = time.monotonic()
    most = most_of_one = 0
    print("minutes,parts,peak_mb,peak_mb_of_one_process", flush=True)
    while True:
        has_ended = process.poll() is not None
        sizes = list_memory(process.pid)
        most, most_of_one = max(most, sum(sizes)), max([most_of_one, *sizes])
        if has_ended or time.monotonic() - printed >= _LINE_SECONDS:
            printed = time.monotonic()
            parts = sum(1 for _ in output.glob("part-*"))
            print(f"{(printed - started) / 60:.1f},{parts},{most / 1e6:.0f},{most_of_one / 1e6:.0f}", flush=True)
        if has_ended:
            sys.exit(process.returncode)
        time.sleep(_SAMPLE_SECONDS)


if __name__ == "__main__":
    main()
