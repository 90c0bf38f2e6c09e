"""How each SDK is fed: one function for each, that tracks what it is given and returns what waits for the delivery.

Each is used as its own documentation recommends for a server that sends much: in batches and, where there is one, with
its background thread. Options are the defaults, but for those that `Peer.options` names. A client is made before the
first event is asked for, so that making it is not counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from bench.load import TYPE, USER

EVENTS = 20_000
"""The events of one run, and the room that queues get which would drop some by default."""

Events = Iterable[dict[str, Any]]
Finish = Callable[[], object]


def feed_segops(url: str, events: Events, **options: int) -> Finish:
    """Feed ours or the vendor's, whichever is found first."""
    from segops import SegOpsClient

    client = SegOpsClient(url, "sk_bench", **options)  # type: ignore[arg-type]  # the vendor has fewer options
    for payload in events:
        client.track(user_id=USER, event_type=TYPE, payload=payload)
    return client.shutdown


def feed_mixpanel(url: str, events: Events) -> Finish:
    from mixpanel import BufferedConsumer, Mixpanel

    consumer = BufferedConsumer(events_url=f"{url}/track")
    client = Mixpanel("bench", consumer=consumer)
    for payload in events:
        client.track(USER, TYPE, payload)
    flush: Finish = consumer.flush
    return flush


def feed_rudder(url: str, events: Events) -> Finish:
    from rudderstack.analytics.client import Client

    client = Client("bench", host=url, max_queue_size=EVENTS)
    for payload in events:
        client.track(USER, TYPE, payload)
    flush: Finish = client.flush
    return flush


def feed_segment(url: str, events: Events) -> Finish:
    from segment.analytics.client import Client

    client = Client("bench", host=url, max_queue_size=EVENTS)
    for payload in events:
        client.track(USER, TYPE, payload)
    flush: Finish = client.flush
    return flush


def feed_amplitude(url: str, events: Events) -> Finish:
    from amplitude import Amplitude, BaseEvent, Config

    client = Amplitude("bench", Config(server_url=url))
    for payload in events:
        client.track(BaseEvent(TYPE, user_id=USER, event_properties=payload))
    shutdown: Finish = client.shutdown
    return shutdown


def feed_snowplow(url: str, events: Events) -> Finish:
    from snowplow_tracker import AsyncEmitter, SelfDescribing, SelfDescribingJson, Subject, Tracker

    schema = f"iglu:com.example/{TYPE}/jsonschema/1-0-0"
    subject = Subject().set_user_id(USER)
    tracker = Tracker("bench", AsyncEmitter(url), encode_base64=False)
    for payload in events:
        tracker.track(SelfDescribing(SelfDescribingJson(schema, payload), event_subject=subject))
    flush: Finish = tracker.flush
    return flush


def feed_posthog(url: str, events: Events) -> Finish:
    from posthog import Posthog

    client = Posthog("bench", host=url, max_queue_size=EVENTS)
    for payload in events:
        client.capture(TYPE, distinct_id=USER, properties=payload)
    flush: Finish = client.flush
    return flush


def feed_opentelemetry(url: str, events: Events) -> Finish:
    from opentelemetry._logs import LogRecord
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider()
    exporter = OTLPLogExporter(endpoint=f"{url}/v1/logs")
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=EVENTS))
    logger = provider.get_logger("bench")
    for payload in events:
        payload["user.id"] = USER
        logger.emit(LogRecord(timestamp=time.time_ns(), event_name=TYPE, attributes=payload))
    return provider.shutdown


class Peer(NamedTuple):
    """An SDK, and how it is used.

    Attributes:
        name: What the tables call it.
        distribution: Its name in the package index.
        module: The module that its users import.
        feed: Tracks the events of an iterable through a client that sends to a URL.
        options: What differs from its defaults, and why.
        ours: Whether it is found in this project, not among the installed peers.
    """

    name: str
    distribution: str
    module: str
    feed: Callable[[str, Events], Finish]
    options: str = ""
    ours: bool = False


ROOM = f"room for {EVENTS:,} events in its queue (default {{:,}}), so that it drops none"

OURS = "ours"
VENDOR = "vendor"
VENDOR_500 = "vendor, batch_size=500"

PEERS = (
    Peer(OURS, "segops-sdk", "segops", feed_segops, ours=True),
    Peer("ours, batch_size=500", "segops-sdk", "segops", partial(feed_segops, batch_size=500), ours=True),
    Peer(VENDOR, "segops", "segops", feed_segops),
    Peer(VENDOR_500, "segops", "segops", partial(feed_segops, batch_size=500)),
    Peer(
        "mixpanel", "mixpanel", "mixpanel", feed_mixpanel, "`BufferedConsumer`, without which each event is a request"
    ),
    Peer("rudder", "rudder-sdk-python", "rudderstack.analytics", feed_rudder, ROOM.format(10_000)),
    Peer("segment", "segment-analytics-python", "segment.analytics", feed_segment, ROOM.format(10_000)),
    Peer("amplitude", "amplitude-analytics", "amplitude", feed_amplitude),
    Peer(
        "snowplow",
        "snowplow-tracker",
        "snowplow_tracker",
        feed_snowplow,
        "`AsyncEmitter`, which sends in the background; JSON not in base64, so that the sink can count events",
    ),
    Peer("posthog", "posthog", "posthog", feed_posthog, ROOM.format(10_000)),
    Peer(
        "OpenTelemetry logs",
        "opentelemetry-sdk",
        "opentelemetry.sdk._logs.export",
        feed_opentelemetry,
        "OTLP over HTTP; " + ROOM.format(2048),
    ),
)
