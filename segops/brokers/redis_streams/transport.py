"""The producing side: add batches to the shards of a stream."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence

from segops.brokers.redis_streams.scripts import ADD
from segops.brokers.redis_streams.server import Address, Server, check_metadata, foreign
from segops.brokers.requests import BrokerTransport, UnavailableError
from segops.brokers.shards import FORMAT
from segops.core import ADOPTED, BATCH_PATH, Batch, SegOpsConfigError

_REMEMBERED = 600
"""Seconds for which a batch that is repeated after a lost response is recognized: longer than one is held in memory."""


class RedisTransport(BrokerTransport):
    """Adds events to a stream in Redis, from which `segops forward` sends them to SegOps.

    Source: docs/scale-out.md.
    """

    def __init__(self, address: Address) -> None:
        self.url = address.url
        self._address = address
        self._server = Server(address)

    @classmethod
    def from_url(cls, url: str) -> RedisTransport:
        """Return the transport for a URL.

        Raises:
            SegOpsConfigError: Something in it is unknown or invalid.
        """
        return cls(Address.from_url(url))

    def add(self, events: Sequence[tuple[bytes, bytes]], key: str, timeout: float) -> None:
        """Add events, all or none."""
        shards: dict[int, list[bytes]] = {}
        for user, event in events:
            shards.setdefault(zlib.crc32(user) % self._address.shards, []).append(event)
        if shards and not self._add(shards, key, timeout):
            raise UnavailableError(f"{self.url} is full ({self._address.max_bytes} bytes): see max_bytes")

    def _add(self, shards: dict[int, list[bytes]], key: str, timeout: float) -> bool:
        """Add the events, and return whether there was room."""
        at = self._address
        keys = [at.stream, f"{{{at.stream}}}:added:{key}"]
        args: list[str | bytes | float] = [FORMAT, at.shards, at.max_bytes // at.shards, key, _REMEMBERED]
        args.append(int(time.time() * 1000))
        for shard, encoded in shards.items():
            keys += [at.key(shard, "entries"), at.key(shard, "state")]
            args += [len(encoded), Batch.of(encoded, ADOPTED, BATCH_PATH).body]
        run = self._server.script_and_wait if at.replicas else self._server.script
        result, *details = (bytes(part).decode() for part in run(ADD, keys, *args, timeout=timeout))
        if result == "other":
            check_metadata(at, *details)
        if result == "foreign":
            raise SegOpsConfigError(foreign(at))
        return result == "added"

    def close(self) -> None:
        """Close the connections; a later `send` opens others."""
        self._server.close()
