"""The producing side: add batches to the shards of a stream."""

from __future__ import annotations

import time
import uuid
import zlib

from segops.brokers.redis_streams.scripts import ADD
from segops.brokers.redis_streams.server import Address, Server, UnavailableError, check_metadata, foreign
from segops.brokers.requests import UNREADABLE, accepted, read_events, respond
from segops.brokers.shards import FORMAT
from segops.core import ADOPTED, BATCH_PATH, Batch, Request, Response, SegOpsConfigError, Transport

_REMEMBERED = 600
"""Seconds for which a batch that is repeated after a lost response is recognized: longer than one is held in memory."""


class RedisTransport(Transport):
    """Adds events to a stream in Redis, from which `segops forward` sends them to SegOps.

    Source: docs/scale-out.md.
    """

    offline = True
    batch_size = 500

    def __init__(self, address: Address) -> None:
        self.url = address.url
        self._address = address
        self._server = Server(address)

    def __repr__(self) -> str:
        """Show the destination."""
        return f"RedisTransport({self.url!r})"

    @classmethod
    def from_url(cls, url: str) -> RedisTransport:
        """Return the transport for a URL.

        Raises:
            SegOpsConfigError: Something in it is unknown or invalid.
        """
        return cls(Address.from_url(url))

    def send(self, request: Request, *, timeout: float) -> Response:
        """Add the events of a request, all or none; return 202, 400 for an invalid body, or 503 where there is no room.

        Raises:
            SegOpsConfigError: The stream or the server cannot be used as they are.
            SegOpsTransportError: The server cannot be reached, or the request is not about events.
        """
        try:
            events = read_events(request, self.url)
        except UNREADABLE as error:
            return respond(400, {"detail": str(error)})
        shards: dict[int, list[bytes]] = {}
        for user, event in events:
            shards.setdefault(zlib.crc32(user) % self._address.shards, []).append(event)
        try:
            is_full = bool(shards) and not self._add(shards, request.headers.get("Idempotency-Key"), timeout)
        except UnavailableError as error:
            return respond(503, {"detail": str(error)})
        if is_full:
            return respond(503, {"detail": f"{self.url} is full ({self._address.max_bytes} bytes): see max_bytes"})
        return accepted(request, len(events))

    def _add(self, shards: dict[int, list[bytes]], key: str | None, timeout: float) -> bool:
        """Add the events, and return whether there was room."""
        at = self._address
        key = key or str(uuid.uuid4())
        keys = [at.stream, f"{{{at.stream}}}:added:{key}"]
        args: list[str | bytes | float] = [FORMAT, at.shards, at.max_bytes // at.shards, key, _REMEMBERED]
        args.append(int(time.time() * 1000))
        for shard, events in shards.items():
            keys += [at.key(shard, "entries"), at.key(shard, "state")]
            args += [len(events), Batch.of(events, ADOPTED, BATCH_PATH).body]
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
