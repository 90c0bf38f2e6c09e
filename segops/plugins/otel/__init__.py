"""OpenTelemetry metrics of a client: pass `OpenTelemetry()` as a plugin. Needs the extra `otel`.

    SegOpsClient(…, plugins=[OpenTelemetry()])

| Metric | Kind | Attributes |
|---|---|---|
| `segops.events.delivered` | counter | |
| `segops.events.dropped` | counter | `reason` |
| `segops.requests.retried` | counter | `error`: the class of the error |
| `segops.request.duration` | histogram, s | |
"""

from __future__ import annotations

from opentelemetry.metrics import MeterProvider, get_meter

from segops.core import DropReason, Observer, hookimpl

__all__ = ["OpenTelemetry"]


class OpenTelemetry(Observer):
    """Counts what became of events, for any number of clients.

    Args:
        provider: Where the instruments are made. Default: the global one.
    """

    name = "otel"

    def __init__(self, provider: MeterProvider | None = None) -> None:
        meter = get_meter("segops", meter_provider=provider)
        self._delivered = meter.create_counter("segops.events.delivered", "{event}", "Events that SegOps took")
        self._dropped = meter.create_counter("segops.events.dropped", "{event}", "Events given up, by reason")
        self._retried = meter.create_counter("segops.requests.retried", "{request}", "Requests that failed, by error")
        self._duration = meter.create_histogram("segops.request.duration", "s", "Time that accepted requests took")

    @hookimpl
    def segops_register_observers(self) -> list[Observer]:
        """Register itself."""
        return [self]

    def on_delivered(self, count: int, seconds: float) -> None:
        """Count delivered events and how long it took."""
        self._delivered.add(count)
        self._duration.record(seconds)

    def on_retry(self, error: Exception, delay: float) -> None:  # noqa: ARG002 - as the base class has it
        """Count a request that failed."""
        self._retried.add(1, {"error": type(error).__name__})

    def on_drop(self, reason: DropReason, count: int) -> None:
        """Count events that were given up."""
        self._dropped.add(count, {"reason": reason})
