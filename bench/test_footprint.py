"""The cost of the import, and the memory of queued events."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bench.environments import run
from bench.processes import HERE, python
from bench.queue_up import EVENTS
from bench.report import Bench, Goal

QUEUE_UP = str(HERE / "queue_up.py")


IMPORT = "import segops"
IMPORT_CLIENT = "from segops import SegOpsClient"
FIRST_EVENT = f"""
{IMPORT_CLIENT}
SegOpsClient("https://127.0.0.1:9", "sk_bench").track({{"user_id": "u", "event_type": "e", "payload": {{}}}})
import os
os._exit(0)
"""
"""Exits at once, so that delivery at exit is not measured."""

START = {
    IMPORT: (IMPORT, Goal("≤", 0.8)),
    IMPORT_CLIENT: (IMPORT_CLIENT, Goal("≤", 0.8)),
    "a client and its first event": (FIRST_EVENT, None),
}


def seconds(program: Path, statement: str) -> float:
    started = time.perf_counter()
    run(program, statement)
    return time.perf_counter() - started


def test_import(bench: Bench, our_environment: Path) -> None:
    dependencies = "import msgspec, pluggy"
    pairs = bench.alternate(
        lambda: seconds(our_environment, IMPORT), lambda: seconds(our_environment, dependencies), 25
    )
    bench.row("import segops, whole process", pairs, unit="s", against=dependencies)


@pytest.mark.parametrize("figure", START)
def test_start_against_the_vendor(bench: Bench, our_environment: Path, vendor_environment: Path, figure: str) -> None:
    statement, goal = START[figure]
    pairs = bench.alternate(
        lambda: seconds(our_environment, statement), lambda: seconds(vendor_environment, statement), 25
    )
    bench.row(f"{figure}, whole process", pairs, unit="s", against="vendor", goal=goal)


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
