"""The producing side: add batches to the shards of a stream."""

from __future__ import annotations

import time
import uuid
import zlib
from collections.abc import Sequence

import msgspec

from segops.brokers.redis_streams.scripts import ADD
from segops.brokers.redis_streams.server import Address, Server, UnavailableError, check_metadata, foreign
from segops.brokers.shards import FORMAT
from segops.core import (
    ADOPTED,
    BATCH_PATH,
    SINGLE_PATH,
    Batch,
    Request,
    Response,
    SegOpsConfigError,
    SegOpsTransportError,
    Transport,
)

_JSON = {"content-type": "application/json"}
_REMEMBERED = 600
"""Seconds for which a batch that is repeated after a lost response is recognized: longer than one is held in memory."""


class _Batch(msgspec.Struct):
    events: list[msgspec.Raw]


class _Who(msgspec.Struct):
    user_id: str | None = None
    anonymous_id: str | None = None


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
        if request.method != "POST" or request.path not in {BATCH_PATH, SINGLE_PATH}:
            raise SegOpsTransportError(
                f"{self.url} accepts only events, got {request!r}: use an https: or local: URL for other requests"
            )
        try:
            shards = self._sorted(request)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return _response(400, {"detail": str(error)})
        count = sum(len(events) for events in shards.values())
        try:
            is_full = bool(shards) and not self._add(shards, request.headers.get("Idempotency-Key"), timeout)
        except UnavailableError as error:
            return _response(503, {"detail": str(error)})
        if is_full:
            return _response(503, {"detail": f"{self.url} is full ({self._address.max_bytes} bytes): see max_bytes"})
        return _response(202, {"queued": True} if request.path == SINGLE_PATH else {"queued": count, "skipped": 0})

    def _sorted(self, request: Request) -> dict[int, list[bytes]]:
        """Return the events of a request by shard, as they were encoded."""
        if request.path == SINGLE_PATH:
            events: Sequence[bytes] = [request.body]
        else:
            events = [bytes(event) for event in msgspec.json.decode(request.body, type=_Batch).events]
        shards: dict[int, list[bytes]] = {}
        for event in events:
            who = msgspec.json.decode(event, type=_Who)
            user = who.user_id or who.anonymous_id or ""
            shard = zlib.crc32(user.encode("utf-8", "surrogatepass")) % self._address.shards
            shards.setdefault(shard, []).append(event.translate(None, b"\r\n"))
        return shards

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


def _response(status: int, body: object) -> Response:
    return Response(status, _JSON, msgspec.json.encode(body))
