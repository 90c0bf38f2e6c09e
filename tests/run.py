"""Run the tests in the steps that they need, and print one summary: `make test` and `make test-full`.

Most tests wait more than they work, so four processes run them together. A test that fails on the busy machine runs
once more alone, and that result counts. Tests of exits, signals and other servers run alone. The tests of the core and
the engine run a second time without the compiled extension.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SERVERS = "tests/integrations/test_servers.py"
ENGINES = "tests/engines"
"""Tests with Spark and Dask, which are heavy: `make test-engines`."""
ALONE = ["tests/lifecycle", "tests/network", "tests/soak", "tests/delivery/test_exit.py", SERVERS]
PURE = ["tests/core", "tests/delivery", "--ignore=tests/delivery/test_exit.py"]
SHARED = ["--numprocesses", "4", "--dist", "loadfile"]
NEEDS_REDIS = "segops/brokers/*,segops/forward/*"
"""What only the tests with a Redis reach: without one, the minimum of coverage does not include it."""

AGAIN = ["--last-failed", "--last-failed-no-failures", "none"]

TESTS_FAILED = 1


class Step(NamedTuple):
    """One run of pytest, or another command.

    Attributes:
        name: What it is called in the summary.
        arguments: The arguments of pytest, or of Python if `is_pytest` is False.
        environment: Environment variables to set.
        repeats: Whether failed tests run once more, alone.
        is_pytest: Whether it is a run of pytest, measured for coverage.
    """

    name: str
    arguments: list[str]
    environment: Mapping[str, str] = MappingProxyType({})
    repeats: bool = False
    is_pytest: bool = True


STEPS = [
    Step("together", [*SHARED, *[f"--ignore={path}" for path in [*ALONE, ENGINES]]], repeats=True),
    Step("without the extension", [*SHARED, *PURE], {"SEGOPS_TEST_QUEUE": "pure"}, repeats=True),
    Step("alone", ALONE),
]
FULL = [
    Step("soak, 120 s", ["tests/soak"], {"SEGOPS_SOAK_SECONDS": "120"}),
    Step(
        "300 kills",
        ["tests/spool/test_sharing.py", "tests/forward/test_kills.py", "-k", "by_a_kill"],
        {"SEGOPS_KILL_ROUNDS": "300"},
    ),
    Step("web servers", [SERVERS], {"SEGOPS_TEST_SERVERS": "all"}),
    Step("100 kills of send", ["tests/cli/test_send_checkpoints.py", "-k", "kills"], {"SEGOPS_KILL_ROUNDS": "100"}),
    Step("mutants", ["-m", "tests.mutants.run"], is_pytest=False),
    Step("other Pythons", ["-m", "tests.interpreters"], is_pytest=False),
]


class Result(NamedTuple):
    """What a step found.

    Attributes:
        name: The name of the step.
        counts: How many tests passed, failed and were skipped.
        failed: The tests that failed, after the repetition.
        repeated: The tests that failed at first and passed alone.
        skipped: Why tests were skipped, and how many.
        seconds: How long it took.
        is_good: Whether the step succeeded.
    """

    name: str
    counts: Counter[str]
    failed: list[str]
    repeated: list[str]
    skipped: Counter[str]
    seconds: float
    is_good: bool


def run(step: Step, folder: Path) -> Result:
    """Run a step and return what it found."""
    started = time.monotonic()
    environment = {**os.environ, **step.environment}
    if not step.is_pytest:
        code = subprocess.run([sys.executable, *step.arguments], cwd=ROOT, env=environment, check=False).returncode
        return Result(step.name, Counter(), [], [], Counter(), time.monotonic() - started, code == 0)
    report = folder / f"{len(list(folder.iterdir()))}.xml"
    code = pytest(step.arguments, report, environment)
    counts, failed, skipped = read(report)
    repeated: list[str] = []
    if code == TESTS_FAILED and step.repeats:
        again = folder / f"{report.stem}-again.xml"
        code = pytest(AGAIN, again, environment)
        repeated, (_, failed, _) = failed, read(again)
        repeated = [test for test in repeated if test not in failed]
        counts["passed"] += len(repeated)
        counts["failed"] = len(failed)
    return Result(step.name, counts, failed, repeated, skipped, time.monotonic() - started, code == 0)


def pytest(arguments: list[str], report: Path, environment: dict[str, str]) -> int:
    """Run pytest with coverage, and return its exit code."""
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "--no-header", f"--junit-xml={report}"]
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False).returncode


def read(report: Path) -> tuple[Counter[str], list[str], Counter[str]]:
    """Return the counts, the failed tests, and the reasons for skipping from a report of pytest."""
    counts: Counter[str] = Counter()
    failed: list[str] = []
    skipped: Counter[str] = Counter()
    for case in ET.parse(report).iter("testcase") if report.exists() else ():
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
            failed.append(f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}")
        elif (skip := case.find("skipped")) is not None:
            counts["skipped"] += 1
            skipped[skip.get("message", "")] += 1
        else:
            counts["passed"] += 1
    return counts, failed, skipped


def summary(results: list[Result], coverage: str) -> str:
    """Return the summary of all steps."""
    lines = ["", "Summary"]
    for result in results:
        counts = ", ".join(f"{result.counts[name]:,} {name}" for name in ("passed", "failed", "skipped"))
        outcome = counts if result.counts else "passed" if result.is_good else "failed"
        lines.append(f"  {result.name:22} {outcome} ({result.seconds / 60:.1f} min)")
    lines.append(f"  {'coverage':22} {coverage}")
    lines += section("Failed at first, passed alone", [test for result in results for test in result.repeated])
    skipped = sum((result.skipped for result in results), Counter[str]())
    lines += section("Skipped", [f"{count} x {reason}" for reason, count in skipped.most_common()])
    lines += section("FAILED", [test for result in results for test in result.failed])
    return "\n".join(lines)


def section(title: str, entries: list[str]) -> list[str]:
    """Return the lines of a list with its title, or none if it is empty."""
    return [title, *[f"  {entry}" for entry in entries]] if entries else []


def has_redis() -> bool:
    """Return whether the tests of brokers ran."""
    return any(shutil.which(name) for name in ("redis-server", "valkey-server"))


def measure_coverage() -> tuple[str, bool]:
    """Combine and print the coverage; return it in words, and whether it reaches the minimum."""
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "combine", "--quiet"], cwd=ROOT, check=False)
    report = [*coverage, "report", *([] if has_redis() else [f"--omit={NEEDS_REDIS}"])]
    is_enough = subprocess.run(report, cwd=ROOT, check=False).returncode == 0
    total = subprocess.run(
        [*report, "--format=total", "--precision=1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    percent = total.stdout.partition("\n")[0]
    return f"{percent} % of lines and branches{'' if is_enough else ', which is below the minimum'}", is_enough


def main() -> int:
    """Run all steps; return 0 if everything passed."""
    subprocess.run([sys.executable, "-m", "coverage", "erase"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="segops-tests-") as folder:
        results = [run(step, Path(folder)) for step in (STEPS + FULL if "--full" in sys.argv else STEPS)]
    coverage, is_enough = measure_coverage()
    sys.stdout.write(summary(results, coverage))
    is_good = is_enough and all(result.is_good for result in results)
    sys.stdout.write("\nAll passed.\n" if is_good else "\nNot everything passed.\n")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
