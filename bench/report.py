"""Measure two things in turn, and print the results as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Literal, NamedTuple, TypeVar

from pytest_benchmark.fixture import BenchmarkFixture

Unit = Literal["s", "B", "/s"]

T = TypeVar("T")
U = TypeVar("U")

_STEPS: dict[Unit, Sequence[tuple[float, str]]] = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    "B": ((1e6, "MB"), (1e3, "kB"), (1.0, "B")),
    "/s": ((1e3, "k/s"), (1.0, "/s")),
}


class Goal(NamedTuple):
    """A bound on a ratio."""

    relation: Literal["≤", "≥"]
    limit: float

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.limit if self.relation == "≤" else ratio >= self.limit

    def __str__(self) -> str:
        return f"{self.relation} {self.limit:.3g}"


class Row(NamedTuple):
    """One measurement and its baseline."""

    figure: str
    measured: float
    against: str
    baseline: float
    unit: Unit
    ratio: float
    goal: Goal | None

    def cells(self) -> tuple[str, ...]:
        state = "" if self.goal is None else "met" if self.goal.is_met(self.ratio) else "missed"
        measured, baseline = (show(value, self.unit) for value in (self.measured, self.baseline))
        return self.figure, measured, self.against, baseline, f"{self.ratio:.3g}", str(self.goal or ""), state


class Bench:
    """Measures in turn (ABAB…), because the load of the machine changes."""

    def __init__(self, benchmark: BenchmarkFixture, rows: list[Row]) -> None:
        self._benchmark = benchmark
        self._rows = rows

    def alternate(self, measured: Callable[[], T], baseline: Callable[[], U], rounds: int) -> list[tuple[T, U]]:
        """Return the results of both, in pairs measured back to back, without a first pair that warms up."""
        before: list[U] = []
        after: list[T] = []
        self._run(lambda: after.append(measured()), lambda: before.append(baseline()), rounds + 1)
        return list(zip(after, before, strict=True))[1:]

    def repeat(self, measured: Callable[[], T], rounds: int) -> list[T]:
        """Return the result of each round."""
        results: list[T] = []
        self._run(lambda: results.append(measured()), lambda: None, rounds)
        return results

    def row(
        self, figure: str, pairs: Sequence[tuple[float, float]], *, unit: Unit, against: str, goal: Goal | None = None
    ) -> None:
        """Add a row to the table: the medians of both sides, and the median of the pairs' ratios."""
        measured, baseline = (median(side) for side in zip(*pairs, strict=True))
        ratio = median(one / other for one, other in pairs)
        self._rows.append(Row(figure, measured, against, baseline, unit, ratio, goal))
        self._benchmark.extra_info[f"{figure} / {against}"] = {
            "measured": measured,
            "baseline": baseline,
            "ratio": ratio,
        }

    def _run(self, measured: Callable[[], None], before_each: Callable[[], None], rounds: int) -> None:
        self._benchmark.pedantic(measured, setup=before_each, rounds=rounds)  # type: ignore[no-untyped-call]


def show(value: float, unit: Unit) -> str:
    """Format a value with three digits and a suitable unit."""
    size, name = next((step for step in _STEPS[unit] if abs(value) >= step[0]), _STEPS[unit][-1])
    return f"{value / size:.3g} {name}"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    return grid([("Figure", "measured", "against", "baseline", "ratio", "goal", ""), *(row.cells() for row in rows)])


def grid(lines: Sequence[Sequence[str]]) -> str:
    """Format lines of cells as a Markdown table; the first line is the header."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (lines[0], rule, *lines[1:])
    )
