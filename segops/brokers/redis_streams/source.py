"""The consuming side: the shards of a stream, those that this process has under a lease, and the dead letters."""

from __future__ import annotations

import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from segops.brokers.redis_streams import scripts
from segops.brokers.redis_streams.server import Address, Server, check_metadata, foreign
from segops.brokers.shards import (
    FORMAT,
    Buried,
    Cut,
    DeadLetter,
    Entry,
    Position,
    Record,
    Settled,
    Shard,
    ShardStatus,
    Source,
    SourceOptions,
    read_body,
)
from segops.core import SegOpsConfigError
from segops.utils import monotonic

_TIMEOUT = 5.0
_READ = 16
"""Entries that are read at once."""

_FIRST = "-"


class RedisSource(Source):
    """Reads a stream in Redis.

    Args:
        address: Where it is.
        options: How to read it.
    """

    def __init__(self, address: Address, options: SourceOptions) -> None:
        self.url = address.url
        self.stream = address.stream
        self.lease = round(options.lease * 1000)
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
        self._address = address
        self._server = Server(address)
        self._only = options.only
        self._rate = options.rate
        self._limit_key = f"{{segops:limit:{options.digest}}}"
        self._shards: dict[int, RedisShard] = {}
        self._tended_at = float("-inf")

    def check(self) -> None:
        """Raise SegOpsConfigError unless the stream can be used; one that does not exist yet can."""
        for shard in self._only or ():
            if shard >= self._address.shards:
                raise SegOpsConfigError(f"shard {shard} does not exist: {self.url} has 0 to {self._address.shards - 1}")
        version, shards = self.call("HMGET", self.stream, "format", "shards")
        if version is not None:
            check_metadata(self._address, version.decode(), (shards or b"").decode())
        elif self.call("EXISTS", self.stream):
            raise SegOpsConfigError(foreign(self._address))

    def call(self, *command: str | bytes | float) -> Any:
        """Run a command."""
        return self._server.call(*command, timeout=_TIMEOUT)

    def script(self, text: str, keys: list[str], *args: str | bytes | float) -> Any:
        """Run a script."""
        return self._server.script(text, keys, *args, timeout=_TIMEOUT)

    def key(self, shard: int, name: str) -> str:
        """Return a key of a shard."""
        return self._address.key(shard, name)

    def tend(self, is_idle: Callable[[str], bool]) -> Sequence[Shard]:
        """Renew the leases once a second, and take or give up shards until all forwarders have as many."""
        now = monotonic()
        if now - self._tended_at >= min(1.0, self.lease / 3000):
            forwarders = self.script(scripts.PRESENT, [self._present_key], self.holder, self.lease)
            for number in [*self._shards]:
                if not self.script(scripts.RENEW, [self.key(number, "lease")], self.holder, self.lease):
                    del self._shards[number]
            self._balance(forwarders, is_idle)
            self._tended_at = now
        return [*self._shards.values()]

    @property
    def _present_key(self) -> str:
        return f"{{{self.stream}}}:forwarders"

    def _balance(self, forwarders: int, is_idle: Callable[[str], bool]) -> None:
        candidates = self._only if self._only is not None else range(self._address.shards)
        share = len(candidates) if self._only is not None else -(-len(candidates) // max(1, forwarders))
        for shard in [*self._shards.values()][share:]:
            if is_idle(shard.name):
                self._release(shard)
        free = [number for number in candidates if number not in self._shards]
        for number in random.sample(free, len(free)):
            if len(self._shards) >= share:
                return
            self._acquire(number)

    def _acquire(self, number: int) -> None:
        keys = [self.key(number, "lease"), self.key(number, "state")]
        found = self.script(scripts.ACQUIRE, keys, self.holder, self.lease)
        if found is not None:
            skip, cut, crashes = found
            record = Record(int(skip or 0), _end_of(cut), int(crashes or 0))
            self._shards[number] = RedisShard(self, number, record)

    def _release(self, shard: RedisShard) -> None:
        self._shards.pop(shard.number, None)
        self.script(scripts.RELEASE, [shard.key("lease"), shard.key("state")], self.holder)

    def delay(self) -> float:
        """Take one request from the rate, or return the seconds until there is one."""
        return int(self.script(scripts.RATE, [self._limit_key], self._rate)) / 1000

    def hold_off(self, seconds: float) -> None:
        """Have all forwarders send nothing for so long."""
        self.script(scripts.HOLD_OFF, [self._limit_key], round(seconds * 1000))

    def status(self) -> Sequence[ShardStatus]:
        """Return the state of all shards."""
        return [self._status_of(number) for number in range(self._address.shards)]

    def _status_of(self, number: int) -> ShardStatus:
        events, size = self.call("HMGET", self.key(number, "state"), "events", "bytes")
        first = self.call("XRANGE", self.key(number, "entries"), _FIRST, "+", "COUNT", 1)
        holder = self.call("GET", self.key(number, "lease"))
        entry = _text(first[0][0]) if first else None
        return ShardStatus(
            shard=str(number),
            events=max(0, int(events or 0)),
            bytes=max(0, int(size or 0)),
            oldest=None if entry is None else max(0.0, time.time() - _seconds(entry)),
            holder=None if holder is None else _text(holder),
            dead=int(self.call("XLEN", self.key(number, "dead"))),
            first=entry,
        )

    def last_ids(self) -> Mapping[str, str]:
        """Return the id of the last entry of each shard that has one."""
        found = {
            str(number): self.call("XREVRANGE", self.key(number, "entries"), "+", _FIRST, "COUNT", 1)
            for number in range(self._address.shards)
        }
        return {shard: _text(entries[0][0]) for shard, entries in found.items() if entries}

    def is_after(self, entry_id: str, other: str) -> bool:
        """Compare two ids, which are a time and a number."""
        return _parts(entry_id) > _parts(other)

    def waits(self) -> int:
        """Return how often forwarders of this API key were asked to wait in the last day."""
        return int(self.call("HGET", self._limit_key, "waits") or 0)

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield the dead letters of all shards, oldest first in each."""
        for number in range(self._address.shards):
            after = _FIRST
            while found := self.call("XRANGE", self.key(number, "dead"), after, "+", "COUNT", _READ):
                for entry_id, fields in found:
                    yield _dead_letter(str(number), _text(entry_id), _fields(fields))
                after = f"({_text(found[-1][0])}"

    def replay(self, letter: DeadLetter) -> bool:
        """Put a dead letter at the end of its shard, and return whether it was still there."""
        keys = [self.key(int(letter.shard), name) for name in ("entries", "state", "dead")]
        return bool(self.script(scripts.REPLAY, keys, letter.id, int(time.time() * 1000), FORMAT))

    def purge(self, letter: DeadLetter) -> bool:
        """Delete a dead letter, and return whether it was still there."""
        return bool(self.call("XDEL", self.key(int(letter.shard), "dead"), letter.id))

    def close(self) -> None:
        """Give the leases back, and close the connections."""
        try:
            for shard in [*self._shards.values()]:
                self._release(shard)
            if self._tended_at > 0:
                self.script(scripts.PRESENT, [self._present_key], self.holder, 0)
        finally:
            self._server.close()


class RedisShard(Shard):
    """A shard under a lease of this process."""

    def __init__(self, source: RedisSource, number: int, record: Record) -> None:
        self.name = str(number)
        self.number = number
        self.record = record
        self._source = source

    def key(self, name: str) -> str:
        """Return a key of this shard."""
        return self._source.key(self.number, name)

    def read(self, after: str | None) -> Sequence[Entry]:
        """Return the next entries."""
        start = _FIRST if after is None else f"({after}"
        found = self._source.call("XRANGE", self.key("entries"), start, "+", "COUNT", _READ)
        return [_entry(_text(entry_id), _fields(fields)) for entry_id, fields in found]

    def begin(self, cut: Cut) -> bool:
        """Write the record of the request under the lease."""
        lease, state = self.key("lease"), self.key("state")
        (first, skip), (last, end) = cut.start, cut.ends[-1]
        written = f"{first} {skip} {last} {end}"
        return self._run(scripts.BEGIN, [lease, state], self._source.lease, written, cut.key)

    def pause(self) -> None:
        """Note that the request failed in an orderly way."""
        self._run(scripts.PAUSE, [self.key("lease"), self.key("state")])

    def settle(self, cut: Cut, settled: Settled) -> bool:
        """Delete the entries that are settled, and keep their events in the dead letters if SegOps rejected them."""
        letter: list[str | bytes] = []
        if settled.buried is not None:
            letter = ["v", str(FORMAT), "n", str(len(cut.ends)), "b", cut.body, "k", cut.key, *_why(settled.buried)]
        return self._settle(cut.rest, cut.done, len(cut.ends), letter)

    def bury(self, entry: Entry, buried: Buried) -> bool:
        """Move an entry into the dead letters as it is."""
        found = self._source.call("XRANGE", self.key("entries"), entry.id, entry.id)
        fields = _fields(found[0][1]) if found else {}
        letter = [part for pair in fields.items() for part in pair]
        count = _count(fields.get(b"n", b""))
        return self._settle(0, [entry], count, [*letter, *_why(buried)])

    def _settle(self, skip: int, done: Sequence[Entry], events: int, letter: Sequence[str | bytes]) -> bool:
        keys = [self.key(name) for name in ("lease", "state", "entries", "dead")]
        ids = [entry.id for entry in done]
        size = sum(entry.size for entry in done)
        return self._run(scripts.SETTLE, keys, skip, -size, -events, len(ids), *ids, *letter)

    def _run(self, text: str, keys: list[str], *args: str | bytes | float) -> bool:
        return bool(self._source.script(text, keys, self._source.holder, *args))


def _entry(entry_id: str, fields: Mapping[bytes, bytes]) -> Entry:
    """Read an entry, whatever it has become."""
    body = fields.get(b"b", b"")
    version = fields.get(b"v", b"")
    if version.isdigit() and int(version[:9]) > FORMAT:
        problem = f"has format {int(version[:9])}, and this version of segops-sdk reads {FORMAT}"
        return Entry(entry_id, (), len(body), problem, is_newer=True)
    events = read_body(body, _count(fields.get(b"n", b""))) if version == str(FORMAT).encode() else None
    if events is None:
        return Entry(entry_id, (), len(body), "cannot be read: its fields are not those of a batch of events")
    return Entry(entry_id, events, len(body))


def _count(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004 - no entry has so many events


def _end_of(cut: bytes | None) -> Position | None:
    parts = (cut or b"").decode("ascii", "replace").split(" ")
    return (parts[2], int(parts[3])) if len(parts) == 4 and parts[3].isdigit() else None  # noqa: PLR2004 - as written


def _why(buried: Buried) -> list[str | bytes]:
    return ["reason", buried.reason, "why", buried.why]


def _dead_letter(shard: str, entry_id: str, fields: Mapping[bytes, bytes]) -> DeadLetter:
    reason, why = (fields.get(name, b"").decode("utf-8", "replace") for name in (b"reason", b"why"))
    return DeadLetter(shard, entry_id, _count(fields.get(b"n", b"")), reason, why, _seconds(entry_id))


def _fields(found: Any) -> dict[bytes, bytes]:
    pairs = found.items() if isinstance(found, Mapping) else (found or {})
    return {bytes(name): bytes(value) for name, value in pairs}


def _parts(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def _seconds(entry_id: str) -> float:
    return _parts(entry_id)[0] / 1000


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
