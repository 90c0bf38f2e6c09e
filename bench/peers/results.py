"""Write the measurements to the page bench/RESULTS.md."""

from __future__ import annotations

import math
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.peers.adapters import EVENTS, OURS, PEERS, VENDOR, VENDOR_500, Peer
from bench.peers.measure import Delivery
from bench.report import Goal, Row, Unit, grid, show, table

CPUS = Path("/proc/cpuinfo")

PAGE = """\
# Comparison with other SDKs

`make bench-peers` installs the peers ([pinned versions](peers/requirements.txt)) and writes this page.

{machine}

## Delivery

Each SDK sends {events:,} events of five properties over loopback HTTP to a sink that accepts everything and responds at
once. It runs in a fresh process, in turn with the others. Figures are medians of {rounds} rounds ({rounds_import} for
the import); ratios are medians of the ratios within a round.

{delivery}

- *Events* per second: from the first `track()` until the SDK's flush or shutdown returns, without creating the client.
- *CPU* per event: all threads of the process, minus a loop that creates the payloads and calls an empty function.
- *Peak memory*: the whole process, including the interpreter and queued events.
- *Import*: a process that only imports the SDK.
- *Delivered*: the events that the sink counted in the worst round. A number in the payload identifies each event, so
  that missing and repeated events are detected.

## Goals

{goals}

## A slow server

The sink delays each response by {slow:g} s. The table shows the times of single calls of `track()`: {calls:,} calls, or
as many as fit in {seconds:g} s. Figures are medians of {rounds_slow} rounds.

{blocking}

## Options

All SDKs run with their default options, as their documentation recommends for servers with many events, except for:

{options}

For all SDKs, log records below warnings are off, and the process sees no proxy, no `.netrc` and no environment
variables.
"""


class Measured(NamedTuple):
    """The measurements of one SDK, by round.

    Attributes:
        deliveries: The cost of delivery.
        imports: Seconds of a process that only imports the SDK.
        calls: Seconds of each call of `track` with a slow server; there may be fewer rounds.
    """

    deliveries: list[Delivery]
    imports: list[float]
    calls: list[list[float]]

    @property
    def rates(self) -> list[float]:
        return [delivery.took["rate"] for delivery in self.deliveries]

    @property
    def cpus(self) -> list[float]:
        return [delivery.took["cpu"] for delivery in self.deliveries]


Results = dict[str, Measured]
"""Measurements by the name of the SDK, in the order of the tables."""


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the median of the ratios within the rounds."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def delivered(deliveries: Sequence[Delivery]) -> str:
    """Describe how many events arrived in the worst round, and how many were repeated."""
    minimum = min(delivery.events for delivery in deliveries)
    repeated = max(delivery.repeated for delivery in deliveries)
    text = "all" if minimum == EVENTS else f"{minimum:,} of {EVENTS:,}"
    return f"{text}, {repeated:,} repeated" if repeated else text


def delivery_table(results: Results) -> str:
    """Return the table of delivery costs."""
    ours = results[OURS]
    lines = [
        ("SDK", "version", "events", "ours/its", "CPU", "ours/its", "peak memory", "import", "requests", "delivered")
    ]
    for name, measured in results.items():
        deliveries = measured.deliveries
        peak = median(delivery.took["peak"] for delivery in deliveries)
        lines.append(
            (
                name,
                deliveries[0].took["version"],
                show(median(measured.rates), "/s"),
                f"{ratio(ours.rates, measured.rates):.3g}",
                show(median(measured.cpus), "s"),
                f"{ratio(ours.cpus, measured.cpus):.3g}",
                show(peak, "B") if peak else "unknown",
                show(median(measured.imports), "s"),
                f"{median(delivery.requests for delivery in deliveries):,.0f}",
                delivered(deliveries),
            )
        )
    return grid(lines)


def fastest_other(results: Results) -> str:
    """Return the name of the peer, other than the vendor, that delivers the most events per second."""
    others = [peer.name for peer in PEERS if peer.distribution not in ("segops", "segops-sdk") and peer.name in results]
    return max(others, key=lambda name: median(results[name].rates))


def goals_table(results: Results) -> str:
    """Return the table of ratios that must hold."""
    other = fastest_other(results)

    def row(figure: str, against: str, unit: Unit, goal: Goal, values: Callable[[Measured], list[float]]) -> Row:
        ours, theirs = values(results[OURS]), values(results[against])
        return Row(figure, median(ours), against, median(theirs), unit, ratio(ours, theirs), goal)

    rates, cpus = "events, end to end", "CPU per event"
    return table(
        [
            row(rates, other, "/s", Goal("≥", 15), lambda one: one.rates),
            row(rates, VENDOR, "/s", Goal("≥", 8), lambda one: one.rates),
            row(rates, VENDOR_500, "/s", Goal("≥", 3.0), lambda one: one.rates),
            row(cpus, VENDOR, "s", Goal("≤", 1 / 10), lambda one: one.cpus),
            row(cpus, VENDOR_500, "s", Goal("≤", 1 / 4), lambda one: one.cpus),
            row("import, whole process", VENDOR, "s", Goal("≤", 0.8), lambda one: one.imports),
        ]
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def blocking_table(results: Results) -> str:
    """Return the table of times of `track` with a slow server."""
    lines: list[Sequence[str]] = [("SDK", "calls", "p50", "p99", "p99.9")]
    for name, measured in results.items():
        shares = (median(percentile(calls, share) for calls in measured.calls) for share in (0.5, 0.99, 0.999))
        calls = median(map(len, measured.calls))
        lines.append((name, f"{calls:,.0f}", *(show(value, "s") for value in shares)))
    return grid(lines)


def options_list(peers: Iterable[Peer]) -> str:
    return "\n".join(f"- {peer.name}: {peer.options}." for peer in peers if peer.options)


def machine(root: Path) -> str:
    """Describe the date, the commit and the machine."""
    models = [line for line in CPUS.read_text().splitlines() if line.startswith("model name")] if CPUS.exists() else []
    compiled = "with" if find_spec("segops.delivery._speedups") else "without"
    facts = {
        "Date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "This SDK": f"commit {commit(root)}, {compiled} the compiled extension",
        "CPU": f"{models[0].partition(': ')[2] if models else platform.machine()}, {os.cpu_count()} cores",
        "Load before": f"{os.getloadavg()[0]:.1f}",
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def commit(root: Path) -> str:
    """Return the commit of the sources, and whether the package has changed since."""
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "segops"], check=False).returncode
    return head.stdout.strip() + (", with changes" if changed else "")
