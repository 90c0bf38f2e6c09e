"""The events of the benchmarks, and the timing of calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from statistics import median, quantiles
from typing import Any

USER = "user-1234"
TYPE = "order_placed"


def payload(number: int) -> dict[str, Any]:
    """Return five properties that differ for each number."""
    return {
        "order_id": f"ord-{number}",
        "total": number * 0.25,
        "quantity": number % 7,
        "currency": "USD",
        "is_first": number % 2 == 0,
    }


PAYLOAD = payload(4567)


def nothing(**_: Any) -> None:
    """Replace `track`, to measure the loop that calls it."""


def per_call(function: Callable[[], object], calls: int) -> float:
    """Return the seconds of one call, including the loop."""
    started = time.perf_counter()
    for _ in repeat(None, calls):
        function()
    return (time.perf_counter() - started) / calls


def samples(function: Callable[[], object], calls: int) -> list[float]:
    """Return the seconds of each call, without those of the clock."""
    clock = time.perf_counter_ns
    empty = []
    taken = []
    for _ in repeat(None, calls):
        started = clock()
        empty.append(clock() - started)
    for _ in repeat(None, calls):
        started = clock()
        function()
        taken.append(clock() - started)
    own = median(empty)
    return [(one - own) / 1e9 for one in taken]


def p50(function: Callable[[], object], calls: int = 2000) -> float:
    return median(samples(function, calls))


def p999(function: Callable[[], object], calls: int = 20_000) -> float:
    return quantiles(samples(function, calls), n=1000)[-1]
