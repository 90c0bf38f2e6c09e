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
    """Counts deliveries, drops, and retries of any number of clients.

    Args:
        provider: Creates the instruments. Default: the global one.
    """

    name = "otel"

    def __init__(self, provider: MeterProvider | None = None) -> None:
        meter = get_meter("segops", meter_provider=provider)
        self._delivered = meter.create_counter("segops.events.delivered", "{event}", "Events that SegOps accepted")
        self._dropped = meter.create_counter("segops.events.dropped", "{event}", "Events dropped, by reason")
        self._retried = meter.create_counter("segops.requests.retried", "{request}", "Requests repeated, by error")
        self._duration = meter.create_histogram("segops.request.duration", "s", "Duration of accepted requests")

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
