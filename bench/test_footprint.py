"""What the SDK costs before it does anything: the import, and the memory of events that wait."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bench.processes import HERE, OURS, python
from bench.queue_up import EVENTS
from bench.report import Bench, Goal

QUEUE_UP = str(HERE / "queue_up.py")


def seconds(statement: str, package: Path = OURS) -> float:
    started = time.perf_counter()
    python("-c", statement, package=package)
    return time.perf_counter() - started


def test_import(bench: Bench) -> None:
    pairs = bench.alternate(lambda: seconds("import segops"), lambda: seconds("import msgspec, pluggy"), 25)
    bench.row("import segops, whole process", pairs, unit="s", against="import msgspec, pluggy")


def test_import_against_the_vendor(bench: Bench, vendor: Path) -> None:
    pairs = bench.alternate(lambda: seconds("import segops"), lambda: seconds("import segops", vendor), 25)
    bench.row("import segops, whole process", pairs, unit="s", against="vendor", goal=Goal("≤", 0.8))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_peak_memory(bench: Bench) -> None:
    sizes = [json.loads(text) for text in bench.repeat(lambda: python(QUEUE_UP, "peak"), 3)]
    pairs = [(peak, 26e6 + 1.4 * encoded) for peak, encoded in sizes]
    against = "26 MB + 1.4 x encoded"
    bench.row(f"peak memory, {EVENTS:,} events waiting", pairs, unit="B", against=against, goal=Goal("≤", 1.0))


def test_memory_of_an_event(bench: Bench) -> None:
    sizes = [json.loads(text) for text in bench.repeat(lambda: python(QUEUE_UP, "traced"), 1)]
    pairs = [(taken / EVENTS, encoded / EVENTS) for taken, encoded in sizes]
    bench.row("memory of a waiting event", pairs, unit="B", against="its encoded bytes")
