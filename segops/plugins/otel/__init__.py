"""OpenTelemetry metrics of a client: pass `OpenTelemetry()` as a plugin. Needs the extra `otel`.

    SegOpsClient(…, plugins=[OpenTelemetry()])

| Metric | Kind | Attributes |
|---|---|---|
| `segops.events.delivered` | counter | |
| `segops.events.dropped` | counter | `reason` |
| `segops.requests.retried` | counter | `error`: the class of the error |
| `segops.request.duration` | histogram, s | |

`OpenTelemetry().watch(StreamWatch(url).look)` adds what waits in a broker; `StreamWatch` is in `segops.forward`.

| Metric | Kind |
|---|---|
| `segops.stream.events` | gauge: events that wait |
| `segops.stream.oldest` | gauge, s: how long the oldest has waited |
| `segops.stream.dead` | gauge: dead letters |
| `segops.stream.waits` | gauge: how often SegOps asked to wait, in the last day |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from segops.core import DropReason, Observer, SegOpsError, hookimpl

__all__ = ["OpenTelemetry"]


class Stream(Protocol):
    """What waits in a broker."""

    @property
    def lag(self) -> int:
        """Events that wait."""
        ...

    @property
    def oldest(self) -> float | None:
        """Seconds that the oldest has waited; None if none waits."""
        ...

    @property
    def dead(self) -> int:
        """Dead letters."""
        ...

    @property
    def waits(self) -> int:
        """How often SegOps asked to wait, in the last day."""
        ...


class OpenTelemetry(Observer):
    """Counts deliveries, drops, and retries of any number of clients.

    Args:
        provider: Creates the instruments. Default: the global one.
    """

    name = "otel"

    def __init__(self, provider: MeterProvider | None = None) -> None:
        meter = self._meter = get_meter("segops", meter_provider=provider)
        self._delivered = meter.create_counter("segops.events.delivered", "{event}", "Events that SegOps accepted")
        self._dropped = meter.create_counter("segops.events.dropped", "{event}", "Events dropped, by reason")
        self._retried = meter.create_counter("segops.requests.retried", "{request}", "Requests repeated, by error")
        self._duration = meter.create_histogram("segops.request.duration", "s", "Duration of accepted requests")

    def watch(self, look: Callable[[], Stream]) -> OpenTelemetry:
        """Report what waits in a broker at each collection, and return this observer.

        Args:
            look: Returns it, such as `segops.forward.StreamWatch(url).look`. Nothing is reported while it raises.
        """
        values: dict[str, Callable[[Stream], float]] = {
            "events": lambda stream: stream.lag,
            "oldest": lambda stream: stream.oldest or 0.0,
            "dead": lambda stream: stream.dead,
            "waits": lambda stream: stream.waits,
        }
        for name, value in values.items():
            self._meter.create_observable_gauge(f"segops.stream.{name}", [_observing(look, value)])
        return self

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        """Register itself."""
        return [self]

    def on_delivered(self, count: int, seconds: float) -> None:
        """Count delivered events and record the duration."""
        self._delivered.add(count)
        self._duration.record(seconds)

    def on_retry(self, error: Exception, delay: float) -> None:  # noqa: ARG002 - as the base class has it
        """Count a request that will be repeated."""
        self._retried.add(1, {"error": type(error).__name__})

    def on_drop(self, reason: DropReason, count: int) -> None:
        """Count dropped events."""
        self._dropped.add(count, {"reason": reason})


def _observing(
    look: Callable[[], Stream], value: Callable[[Stream], float]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        try:
            return [Observation(value(look()))]
        except SegOpsError:
            return []

    return observe
