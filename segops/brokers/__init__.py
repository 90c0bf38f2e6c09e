"""Brokers between the applications that track and the forwarders that send: see docs/scale-out.md.

This module registers the transports of the producing side. A forwarder opens the consuming side with `open_source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from segops.core import SegOpsConfigError, Transport, TransportFactory, hookimpl
from segops.utils import needs_modules

if TYPE_CHECKING:
    from segops.brokers.shards import DeadLetter, ShardStatus, Source, SourceOptions
    from segops.brokers.spool import BrokerSpool

__all__ = [
    "BrokerSpool",
    "DeadLetter",
    "ShardStatus",
    "Source",
    "SourceOptions",
    "open_source",
    "segops_register_transports",
]

_REDIS = ("redis+stream", "rediss+stream")


@hookimpl
def segops_register_transports() -> Mapping[str, TransportFactory]:
    """Return the transports for `redis+stream:`, `rediss+stream:` and `kafka:`."""
    return {**dict.fromkeys(_REDIS, _redis), "kafka": _kafka}


def _redis(url: str) -> Transport:
    with needs_modules("Redis", extra="redis"):
        from segops.brokers.redis_streams import RedisTransport  # noqa: PLC0415 - loads redis-py, an extra

    return RedisTransport.from_url(url)


def _kafka(url: str) -> Transport:
    with needs_modules("Kafka", extra="kafka"):
        from segops.brokers.kafka import KafkaTransport  # noqa: PLC0415 - loads librdkafka, an extra

    return KafkaTransport.from_url(url)


def open_source(url: str, options: SourceOptions) -> Source:
    """Return the broker that a URL names. Nothing is connected yet.

    Raises:
        SegOpsConfigError: The URL names no broker, something in it is unknown, or the extra is not installed.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "kafka":
        with needs_modules("Kafka", extra="kafka"):
            from segops.brokers.kafka import KafkaSource, Topic  # noqa: PLC0415 - loads librdkafka, an extra

        return KafkaSource(Topic.from_url(url), options)
    if scheme not in _REDIS:
        raise SegOpsConfigError(f"URL must be that of a broker, such as redis+stream://host:6379/0, got {url[:20]!r}")
    with needs_modules("Redis", extra="redis"):
        from segops.brokers.redis_streams import Address, RedisSource  # noqa: PLC0415 - loads redis-py, an extra

    return RedisSource(Address.from_url(url), options)


if not TYPE_CHECKING:  # type checkers would accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Load a public name on first use: every client imports this module."""
        if name == "BrokerSpool":
            from segops.brokers.spool import BrokerSpool  # noqa: PLC0415 - as above

            return BrokerSpool
        if name in __all__:
            from segops.brokers import shards  # noqa: PLC0415 - as above

            return getattr(shards, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
