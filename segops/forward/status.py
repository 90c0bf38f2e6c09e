"""What waits in a broker, and what a forwarder makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from segops.brokers import ShardStatus, Source, SourceOptions, open_source


class StreamStatus(msgspec.Struct, frozen=True):
    """The state of all shards.

    Attributes:
        url: The broker, without credentials.
        lag: Events that wait.
        bytes: Bytes that they take.
        oldest: Seconds that the oldest has waited; None if none waits.
        forwarders: Forwarders that work on a shard.
        dead: Entries in the dead letters.
        waits: How often SegOps asked forwarders with this API key to wait, in the last day.
        shards: The shards.
    """

    url: str
    lag: int
    bytes: int
    oldest: float | None
    forwarders: int
    dead: int
    waits: int
    shards: Sequence[ShardStatus]

    @classmethod
    def of(cls, source: Source) -> StreamStatus:
        """Ask a broker.

        Raises:
            SegOpsError: The broker fails.
        """
        shards = source.status()
        ages = [shard.oldest for shard in shards if shard.oldest is not None]
        return cls(
            url=source.url,
            lag=sum(shard.events for shard in shards),
            bytes=sum(shard.bytes for shard in shards),
            oldest=max(ages, default=None),
            forwarders=len({shard.holder for shard in shards if shard.holder is not None}),
            dead=sum(shard.dead for shard in shards),
            waits=source.waits(),
            shards=shards,
        )


class StreamWatch:
    """Looks at a stream without touching it.

    Args:
        url: The URL of the stream.

    Attributes:
        url: The same without credentials.

    Raises:
        SegOpsConfigError: The URL names no broker, or something in it is unknown.
    """

    def __init__(self, url: str) -> None:
        self._source = open_source(url, SourceOptions())
        self.url = self._source.url

    def look(self) -> StreamStatus:
        """Return the state of the stream.

        Raises:
            SegOpsError: The broker fails, or holds something else under this name.
        """
        self._source.check()
        return StreamStatus.of(self._source)
