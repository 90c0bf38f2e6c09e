"""What the spools of all brokers share: entries, and how they are merged into requests.

A broker keeps events in shards, each in the order of its users. An entry is what a producer added to a shard in one
request. The first entries of a shard, up to 500 events, are a cut: the content of one request.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from segops.core import ADOPTED, BATCH_PATH, Batch, Limits
from segops.utils import stable_key

FORMAT = 1
"""The version of the format of entries."""

Position = tuple[str, int]
"""The id of an entry, and how many of its events lie before."""

BuriedReason = Literal["rejected", "too_large", "unreadable", "crashes"]

_ENVELOPE = (b'{"events":[', b"]}")


class Entry(msgspec.Struct, frozen=True):
    """What a producer added to a shard at once.

    Attributes:
        id: Its id in the broker.
        events: The encoded events.
        size: The bytes that the broker counts for it.
        problem: Why it cannot be read; empty if it can.
        is_newer: Whether only a later version of this SDK can read it.
    """

    id: str
    events: Sequence[bytes]
    size: int
    problem: str = ""
    is_newer: bool = False

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Entry({self.id}, {len(self.events)} events)"


class Cut(msgspec.Struct, frozen=True):
    """The events of one request.

    Attributes:
        ends: The position after each event.
        start: The position of the first event.
        body: The body of the request.
        key: Its Idempotency-Key.
        done: The entries that the cut ends, oldest first.
    """

    start: Position
    ends: Sequence[Position]
    body: bytes
    key: str
    done: Sequence[Entry]

    def __repr__(self) -> str:
        """Show no personal data."""
        return f"Cut({len(self.ends)} events from {self.start})"

    @property
    def rest(self) -> int:
        """How many events of the entry after those in `done` are settled along with this cut."""
        last, index = self.ends[-1]
        return 0 if self.done and self.done[-1].id == last else index


class Buried(msgspec.Struct, frozen=True):
    """Why events go to the dead letters."""

    reason: BuriedReason
    why: str


class Settled(msgspec.Struct, frozen=True):
    """That a cut is settled: accepted by SegOps, or else buried."""

    buried: Buried | None = None


class Record(msgspec.Struct, frozen=True):
    """What a shard remembers of the forwarder that had it before.

    Attributes:
        skip: How many events of the first entry are settled.
        end: Where the last cut ended whose response did not come; None if there is none.
        crashes: How often in a row a forwarder ended without a word while it sent this cut.
    """

    skip: int = 0
    end: Position | None = None
    crashes: int = 0


class Shard(abc.ABC):
    """A shard that belongs to this process for now. Each method raises an error of SegOps if the broker fails.

    Attributes:
        name: What identifies it in keys and messages.
        record: What it remembered when this process got it.
    """

    name: str
    record: Record

    @abc.abstractmethod
    def read(self, after: str | None) -> Sequence[Entry]:
        """Return the first entries, or those after an id; empty at the end.

        Where entries arrive one after the other, it is empty until those up to `record.end` are there.
        """

    @abc.abstractmethod
    def begin(self, cut: Cut) -> bool:
        """Record that a request is about to be sent, and return whether the shard still belongs to this process."""

    @abc.abstractmethod
    def pause(self) -> None:
        """Record that the request failed in an orderly way."""

    @abc.abstractmethod
    def settle(self, cut: Cut, settled: Settled) -> bool:
        """Remove the events, maybe into the dead letters; return whether the shard still belonged to this process."""

    @abc.abstractmethod
    def bury(self, entry: Entry, buried: Buried) -> bool:
        """Move the first entry, which cannot be read, into the dead letters; return as `settle` does."""


class Lane:
    """The progress of this process in one shard.

    Attributes:
        shard: The shard.
        cut: The cut that was handed out, or that must be sent again.
        batch: The batch of that cut.
        is_out: Whether its request is under way.
        is_blocked: Whether a later version of this SDK must go on.
        settled: What became of the cut, for as long as the broker does not know; None if nothing yet.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.cut: Cut | None = None
        self.batch: Batch | None = None
        self.is_out = False
        self.is_blocked = False
        self.settled: Settled | None = None
        self._entries: deque[Entry] = deque()
        self._skip = shard.record.skip
        self._ends = [shard.record.end] if shard.record.end else []

    @property
    def is_suspect(self) -> bool:
        """Whether the cut is the one that former forwarders ended with."""
        return self.cut is not None and self.cut.ends[-1] == self.shard.record.end

    def first_problem(self) -> Entry | None:
        """Return the first entry if it cannot be read."""
        return self._entries[0] if self._entries and self._entries[0].problem else None

    def load(self, limit: int) -> None:
        """Read entries until there are `limit` events, or no more entries."""
        while sum(len(entry.events) for entry in self._entries) - self._skip < limit:
            more = self.shard.read(self._entries[-1].id if self._entries else None)
            self._entries += more
            if not more:
                return

    def make_cut(self, limits: Limits, stream: str) -> Cut | None:
        """Return the next cut; None if there is nothing to send."""
        end = self._ends[-1] if self._ends else None
        found = self._gather(limits, end)
        if not found:
            return None
        if end is not None and found[-1][0] != end:  # its entries were deleted by hand, or changed
            self._ends.pop()
            return self.make_cut(limits, stream)
        ends = [position for position, _ in found]
        body = Batch.of([event for _, event in found], ADOPTED, BATCH_PATH).body
        start = (self._entries[0].id, self._skip)
        ended = {*ends}
        done = [entry for entry in self._entries if (entry.id, len(entry.events)) in ended]
        return Cut(start, ends, body, stable_key(body, stream, self.shard.name, *start, *ends[-1]), done)

    def _gather(self, limits: Limits, end: Position | None) -> list[tuple[Position, bytes]]:
        found: list[tuple[Position, bytes]] = []
        size = sum(map(len, _ENVELOPE))
        skip = self._skip
        for entry in self._entries:
            if entry.problem:
                break
            for index, event in enumerate(entry.events[skip:], skip + 1):
                size += len(event) + 2
                if found and (len(found) >= limits.batch_events or size > limits.batch_bytes):
                    return found
                found.append(((entry.id, index), event))
                if (entry.id, index) == end:
                    return found
            skip = 0
        return found

    def split(self, count: int) -> None:
        """Have the first `count` events of the cut sent by themselves, and the others after them."""
        if self.cut is not None:
            if not self._ends:
                self._ends.append(self.cut.ends[-1])
            self._ends.append(self.cut.ends[count - 1])
            self.cut = self.batch = None

    def advance(self) -> None:
        """Go on after the cut."""
        if self.cut is not None:
            for _ in self.cut.done:
                self._entries.popleft()
            self._skip = self.cut.rest
            if self._ends and self._ends[-1] == self.cut.ends[-1]:
                self._ends.pop()
        self.cut = self.batch = self.settled = None

    def drop_first(self) -> None:
        """Go on after the first entry, which could not be read."""
        self._entries.popleft()
        self._skip = 0


def read_body(body: bytes, count: int) -> Sequence[bytes] | None:
    """Return the events of an entry; None if its body is not that of `count` events."""
    opening, closing = _ENVELOPE
    if not (count > 0 and body.startswith(opening) and body.endswith(closing)):
        return None
    events = Batch(body, count, ADOPTED, BATCH_PATH, None).events
    return events if len(events) == count else None


class ShardStatus(msgspec.Struct, frozen=True):
    """The state of a shard.

    Attributes:
        shard: Its name.
        events: Events that wait.
        bytes: Bytes that they take.
        oldest: Seconds that the oldest has waited; None if none waits.
        holder: The forwarder that works on it; None if there is none.
        dead: Entries in the dead letters.
        first: The id of the first entry.
    """

    shard: str
    events: int
    bytes: int
    oldest: float | None
    holder: str | None
    dead: int
    first: str | None


class DeadLetter(msgspec.Struct, frozen=True):
    """Events that SegOps does not take, or that cannot be read.

    Attributes:
        shard: Where they came from.
        id: The id in the dead letters of this shard.
        events: How many there are; 0 if that cannot be read.
        reason: Why they are here, in a word.
        why: The same in full.
        at: When they got here, in unix seconds.
    """

    shard: str
    id: str
    events: int
    reason: str
    why: str
    at: float


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a forwarder reads a broker.

    Attributes:
        lease: Seconds after which another forwarder takes over the shards of one that was killed.
        only: The shards to work on; None for a fair share of all.
        rate: Requests per minute, over all forwarders of an API key; 0 for no limit.
        digest: A digest of the API key.
    """

    lease: float = 30.0
    only: Collection[int] | None = None
    rate: float = 0
    digest: str = ""


class Source(abc.ABC):
    """A broker that a forwarder reads. Each method raises an error of SegOps if the broker fails.

    Attributes:
        url: Where it is, without credentials.
        stream: The name that identifies its events.
    """

    url: str
    stream: str

    @abc.abstractmethod
    def check(self) -> None:
        """Raise SegOpsConfigError unless the broker holds events of this format, in as many shards as the URL says."""

    @abc.abstractmethod
    def tend(self, is_idle: Callable[[str], bool]) -> Sequence[Shard]:
        """Renew what belongs to this process, and return its shards; `is_idle` tells which of them it may give up."""

    @abc.abstractmethod
    def delay(self) -> float:
        """Take one request from the rate that all forwarders share, or return the seconds until there is one."""

    @abc.abstractmethod
    def hold_off(self, seconds: float) -> None:
        """Have all forwarders send nothing for so long."""

    @abc.abstractmethod
    def status(self) -> Sequence[ShardStatus]:
        """Return the state of all shards."""

    @abc.abstractmethod
    def last_ids(self) -> Mapping[str, str]:
        """Return the id of the last entry of each shard that has one."""

    @abc.abstractmethod
    def is_after(self, entry_id: str, other: str) -> bool:
        """Return whether an entry was added to a shard after another."""

    @abc.abstractmethod
    def waits(self) -> int:
        """Return how often forwarders of this API key were asked to wait in the last day."""

    @abc.abstractmethod
    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield the dead letters of all shards, oldest first in each."""

    @abc.abstractmethod
    def replay(self, letter: DeadLetter) -> bool:
        """Put a dead letter at the end of its shard, and return whether it was still there."""

    @abc.abstractmethod
    def purge(self, letter: DeadLetter) -> bool:
        """Delete a dead letter, and return whether it was still there."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give up all shards, and close the connections."""
