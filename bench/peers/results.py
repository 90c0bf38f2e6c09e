"""Lay out what was measured as the page bench/RESULTS.md."""

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
# Beside other SDKs

Written by `make bench-peers`, which installs the peers ([pins](peers/requirements.txt)) from the package index.

{machine}

## Delivery

{events:,} events of five properties, each with a fresh payload, over loopback HTTP to one sink, which takes everything
and answers at once. Each SDK runs in a fresh process, in turns with the others. The figures are medians of {rounds}
rounds (of the import {rounds_import}), the ratios medians of the ratios within a round.

{delivery}

- *Events* per second: from the first `track()` until the SDK's own flush or shutdown has returned. Making the client is
  not counted.
- *CPU* per event: of all threads of the process, without a loop that makes the payloads and calls a function that does
  nothing.
- *Peak memory*: of the whole process, with the interpreter and the events that waited.
- *Import*: a whole process that does nothing else.
- *Delivered*: what the sink counted, at worst of all rounds. It knows each event by a number in its payload, whatever
  the format, and sees which are missing or came twice.

## Goals

{goals}

## A slow server

Each answer takes {slow:g} s. Single calls of `track()` are timed: {calls:,}, or as many as there are in {seconds:g} s.
The figures are medians of {rounds_slow} rounds.

{blocking}

## Options

All have their default options and are used as their documentation recommends for servers that send much, but for these:

{options}

For all alike, log records below warnings are off, and no proxy, `.netrc` or variable of the environment reaches the
process.
"""


class Measured(NamedTuple):
    """What was measured of one SDK, round by round.

    Attributes:
        deliveries: What delivering took.
        imports: Seconds of a process that only imports it.
        calls: Seconds of each call of `track` while the server is slow; rounds may be fewer.
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
"""By the name of the SDK, in the order of the tables."""


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Return the median of the ratios within the rounds."""
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def delivered(deliveries: Sequence[Delivery]) -> str:
    """Tell how many events arrived, at worst, and how many came more than once."""
    least = min(delivery.events for delivery in deliveries)
    most = max(delivery.repeated for delivery in deliveries)
    text = "all" if least == EVENTS else f"{least:,} of {EVENTS:,}"
    return f"{text}, {most:,} repeated" if most else text


def delivery_table(results: Results) -> str:
    """Return what delivery took, as a table."""
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
    """Return the ratios that must hold, as a table."""
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
    """Return the least of the values that is not exceeded by this share of them."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def blocking_table(results: Results) -> str:
    """Return how long calls of `track` took while the server was slow, as a table."""
    lines: list[Sequence[str]] = [("SDK", "calls", "p50", "p99", "p99.9")]
    for name, measured in results.items():
        shares = (median(percentile(calls, share) for calls in measured.calls) for share in (0.5, 0.99, 0.999))
        calls = median(map(len, measured.calls))
        lines.append((name, f"{calls:,.0f}", *(show(value, "s") for value in shares)))
    return grid(lines)


def options_list(peers: Iterable[Peer]) -> str:
    return "\n".join(f"- {peer.name}: {peer.options}." for peer in peers if peer.options)


def machine(root: Path) -> str:
    """Tell when, where and with which commit it was measured."""
    models = [line for line in CPUS.read_text().splitlines() if line.startswith("model name")] if CPUS.exists() else []
    compiled = "with" if find_spec("segops.delivery._speedups") else "without"
    facts = {
        "Date": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "Ours": f"commit {commit(root)}, {compiled} its compiled part",
        "CPU": f"{models[0].partition(': ')[2] if models else platform.machine()}, {os.cpu_count()} cores",
        "Load before": f"{os.getloadavg()[0]:.1f}",
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def commit(root: Path) -> str:
    """Return the commit of the sources, and whether the package was changed since."""
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "segops"], check=False).returncode
    return head.stdout.strip() + (", with changes" if changed else "")
