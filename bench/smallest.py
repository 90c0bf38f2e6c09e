"""The smallest footprint that works, as a Markdown table: memory, import and installed size, each beside a baseline.

Usage: python -m bench.smallest
It takes about a minute, on Linux. What is compared runs in turn, in fresh processes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib.metadata import distribution
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from bench.processes import HERE, OURS, clean_environment
from bench.report import Unit, grid, show

EVENTS = 100_000
ROUNDS = 5
FEED = str(HERE / "feed.py")
DEPENDENCIES = "import msgspec, pluggy"
LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, [int(sys.argv[1])] * 2); "
STEP = 128 * 1024
"""The precision of the minimum address space, in bytes."""


class Fed(msgspec.Struct):
    """The output of `feed.py`."""

    peaks: dict[str, int]


class Line(NamedTuple):
    """A figure, its baseline, and their ratio."""

    figure: str
    measured: float
    against: str
    baseline: float
    unit: Unit = "B"

    def cells(self) -> tuple[str, ...]:
        measured, baseline = show(self.measured, self.unit), show(self.baseline, self.unit)
        return self.figure, measured, self.against, baseline, f"{self.measured / self.baseline:.3g}"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), "PYTHONPATH": str(OURS)}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def feed(folder: str, *words: str, file: str = "events.ndjson") -> dict[str, int]:
    """Return the peaks of one run, in bytes."""
    path = Path(folder, file)
    path.unlink(missing_ok=True)
    done = run(FEED, *words, str(path), str(EVENTS))
    done.check_returncode()
    return msgspec.json.decode(done.stdout, type=Fed).peaks


def feed_often(folder: str, *words: str, file: str = "events.ndjson") -> dict[str, float]:
    """Return the medians of the peaks of several runs, in bytes."""
    runs = [feed(folder, *words, file=file) for _ in range(ROUNDS)]
    return {stage: median(each[stage] for each in runs) for stage in runs[0]}


def find_least_limit(*arguments: str, file: Path) -> int:
    """Return the minimum address space, in bytes, in which a program completes."""
    low, high = 0, 256 * 2**20
    while high - low > STEP:
        middle = (low + high) // 2
        file.unlink(missing_ok=True)
        low, high = (low, middle) if run(*arguments, str(middle)).returncode == 0 else (middle, high)
    return high


def measure_import() -> tuple[float, float]:
    """Return the seconds of a process that imports the SDK, and of one that imports its dependencies."""
    pairs = [(_seconds("import segops"), _seconds(DEPENDENCIES)) for _ in range(4 * ROUNDS)]
    ours, theirs = zip(*pairs, strict=True)
    return median(ours), median(theirs)


def _seconds(statement: str) -> float:
    started = time.perf_counter()
    run("-c", statement).check_returncode()
    return time.perf_counter() - started


def installed_size(*names: str) -> int:
    """Return the bytes of the files that packages install, without bytecode."""
    files = [distribution(name).locate_file(file) for name in names for file in distribution(name).files or ()]
    return sum(Path(str(file)).stat().st_size for file in files if Path(str(file)).suffix != ".pyc")


def our_size() -> int:
    """Return the same for the SDK, which may be installed in editable mode."""
    files = [path for path in (OURS / "segops").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    files.append(OURS / "examples" / "data" / "cdnow_sample.txt")  # part of the package in the wheel
    return sum(path.stat().st_size for path in files)


def memory_lines(folder: str) -> list[Line]:
    small = feed_often(folder, "small", "native")
    bare, against = small["dependencies"], DEPENDENCIES
    runs = {
        f"{EVENTS:,} events through it": small["events"],
        f"{EVENTS:,} events, not compiled": feed_often(folder, "small", "pure")["events"],
        f"{EVENTS:,} events, default bounds": feed_often(folder, "default", "native")["events"],
        "the file cannot be written": feed_often(folder, "small", "native", file="none/e")["events"],
        "the same, default bounds": feed_often(folder, "default", "native", file="none/e")["events"],
    }
    return [
        Line(f"peak memory, {against}", bare, "Python itself", small["python"]),
        Line("peak memory, import segops", small["import"], against, bare),
        Line("peak memory, a client", small["client"], against, bare),
        *(Line(f"peak memory, {name}", taken, against, bare) for name, taken in runs.items()),
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        lines = memory_lines(folder)
        file = Path(folder, "events.ndjson")
        bare = find_least_limit("-c", LIMITED + DEPENDENCIES, file=file)
        least = find_least_limit(FEED, "small", "native", str(file), str(EVENTS), file=file)
        lines.append(Line(f"least RLIMIT_AS, {EVENTS:,} events", least, DEPENDENCIES, bare))
    ours, theirs = measure_import()
    lines.append(Line("import segops, whole process", ours, DEPENDENCIES, theirs, "s"))
    needed, all_four = installed_size("msgspec", "pluggy"), installed_size("msgspec", "pluggy", "urllib3", "structlog")
    lines.append(Line("installed, the SDK", our_size(), "msgspec, pluggy", needed))
    lines.append(Line("installed, the four dependencies", all_four, "msgspec, pluggy", needed))
    print(grid([("Figure", "measured", "against", "baseline", "ratio"), *(line.cells() for line in lines)]))


if __name__ == "__main__":
    main()
