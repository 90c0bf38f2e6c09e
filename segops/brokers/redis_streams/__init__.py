"""Redis Streams: the transport that adds events to a stream, and the source that `segops forward` reads."""

from segops.brokers.redis_streams.server import Address
from segops.brokers.redis_streams.source import RedisSource
from segops.brokers.redis_streams.transport import RedisTransport

__all__ = ["Address", "RedisSource", "RedisTransport"]
