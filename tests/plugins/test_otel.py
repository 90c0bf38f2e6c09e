"""The OpenTelemetry observer, with the real SDK and its reader in memory."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from segops import SegOpsClient, SegOpsTransportError
from segops.core import Request, Response, Transport
from segops.forward import StreamStatus
from segops.plugins.otel import OpenTelemetry


class Flaky(Transport):
    """Fails once."""

    offline = True

    def __init__(self) -> None:
        self.answers = [503, 202]

    def send(self, request: Request, *, timeout: float) -> Response:
        assert request.body
        assert timeout
        return Response(self.answers.pop(0))


def points(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    assert scope.scope.name == "segops"
    return {metric.name: list(metric.data.data_points) for metric in scope.metrics}


def test_metrics_tell_what_became_of_events() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    with SegOpsClient(transport=Flaky(), worker="inline", plugins=[OpenTelemetry(provider)]) as client:
        client.track(user_id="a", event_type="x")
        client.track(user_id="b", event_type="x")
        client.track(user_id="", event_type="x")
        client.flush()
    found = points(reader)
    [delivered] = found["segops.events.delivered"]
    [dropped] = found["segops.events.dropped"]
    [retried] = found["segops.requests.retried"]
    [duration] = found["segops.request.duration"]
    assert delivered.value == 2
    assert (dropped.value, dict(dropped.attributes)) == (1, {"reason": "invalid"})
    assert (retried.value, dict(retried.attributes)) == (1, {"error": "SegOpsServerError"})
    assert duration.count == 1
    provider.shutdown()


def test_without_a_provider_the_global_one_is_used() -> None:
    with SegOpsClient("memory:", plugins=[OpenTelemetry()]) as client:
        client.track(user_id="a", event_type="x")
    assert client.stats().delivered == 1


def test_what_waits_in_a_broker_is_observed() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    state = StreamStatus(url="", lag=30, bytes=1, oldest=None, forwarders=1, dead=2, waits=3, shards=())
    states = [state] * 4

    def look() -> StreamStatus:
        if not states:
            raise SegOpsTransportError("away")
        return states.pop()

    OpenTelemetry(provider).watch(look)
    found = {name: values[0].value for name, values in points(reader).items() if name.startswith("segops.stream.")}
    assert found == {
        "segops.stream.events": 30,
        "segops.stream.oldest": 0,
        "segops.stream.dead": 2,
        "segops.stream.waits": 3,
    }
    data = reader.get_metrics_data()
    assert data is None or not data.resource_metrics, "nothing is reported while the broker is away"
    provider.shutdown()
