"""Feed one SDK in a process that does nothing else, and print the cost as JSON.

Usage: python -I -S -c PROGRAM FOLDERS NAME URL EVENTS [SECONDS]
With SECONDS it prints what each call of `track` took, for so long at most. The interpreter knows the standard library
only; `PROGRAM` adds the folders, one to a line, in the order in which they are searched: the vendor's package and ours
have the same import name.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

from bench.load import TYPE, USER, nothing, payload
from bench.peers.adapters import PEERS, Peer

PROGRAM = "import sys; sys.path += sys.argv.pop(1).splitlines(); from bench.peers.drive import main; main()"

FIRST = 10_000_000
"""The number of the first event: all have eight digits, by which the sink knows them."""

STATUS = Path("/proc/self/status")


class Throughput(TypedDict):
    """The cost of delivering many events.

    Attributes:
        rate: Events per second, from the first that is tracked until the SDK says that all are delivered.
        cpu: Seconds of CPU of the whole process per event, without the loop that makes the events and calls `track`.
        peak: Most bytes of memory that the process had; 0 where the system does not tell.
        version: Of the distribution.
        found: Where its module was found.
    """

    rate: float
    cpu: float
    peak: float
    version: str
    found: str


def fresh(events: int, started: list[float]) -> Iterator[dict[str, Any]]:
    """Yield payloads; note the CPU and the wall clock when the first is asked for."""
    started[:] = time.process_time(), time.perf_counter()
    for number in range(FIRST, FIRST + events):
        yield payload(number)


def timed(events: int, seconds: float, taken: list[float]) -> Iterator[dict[str, Any]]:
    """Yield payloads for so long at most; note the seconds until the next one is asked for: a call of `track`."""
    clock = time.perf_counter
    end = clock() + seconds
    for number in range(FIRST, FIRST + events):
        event = payload(number)
        started = clock()
        if started > end:
            return
        yield event
        taken.append(clock() - started)


def throughput(peer: Peer, url: str, events: int) -> Throughput:
    started: list[float] = []
    for event in fresh(events, started):
        nothing(user_id=USER, event_type=TYPE, payload=event)
    loop = time.process_time() - started[0]
    finish = peer.feed(url, fresh(events, started))
    finish()
    cpu, wall = time.process_time() - started[0], time.perf_counter() - started[1]
    module = sys.modules[peer.module]
    return {
        "rate": events / wall,
        "cpu": (cpu - loop) / events,
        "peak": peak(),
        "version": str(module.__version__) if peer.ours else importlib.metadata.version(peer.distribution),
        "found": str(module.__file__),
    }


def calls(peer: Peer, url: str, events: int, seconds: float) -> list[float]:
    """Return the seconds of each call of `track`, and discard undelivered events."""
    taken: list[float] = []
    peer.feed(url, timed(events, seconds, taken))
    return taken


def peak() -> float:
    lines = STATUS.read_text(encoding="ascii").splitlines() if STATUS.exists() else ()
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def main() -> None:
    name, url, events, *seconds = sys.argv[1:]
    logging.disable(logging.INFO)  # some SDKs log each request
    peer = next(peer for peer in PEERS if peer.name == name)
    if seconds:
        print(json.dumps(calls(peer, url, int(events), float(seconds[0]))), flush=True)
    else:
        print(json.dumps(throughput(peer, url, int(events))), flush=True)
    os._exit(0)  # skips the delivery at exit
