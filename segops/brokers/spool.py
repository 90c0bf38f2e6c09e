"""A broker as the spool of a client, which so forwards what producers added.

The engine cuts nothing here: the spool hands it one request per shard at a time, and learns what became of it.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TypeVar

from segops.brokers.shards import Buried, Entry, Lane, Settled, Source
from segops.core import (
    ADOPTED,
    BATCH_PATH,
    Batch,
    Claim,
    DropReason,
    SegOpsError,
    SegOpsSpoolError,
    Spool,
    SpoolContext,
)

_T = TypeVar("_T")

_MAX_CRASHES = 5
_MAX_WAIT = 1.0
"""Seconds that `take` waits for the rate; a longer wait is one for the next call."""

_NO_CLAIM: Claim = (None, None, None)


class BrokerSpool(Spool):
    """Hands the events of a broker to a client, and removes them once SegOps has accepted them.

    It stores nothing itself: events that the client tracks stay in its memory.

    Args:
        source: Opens the broker, once in each process.
    """

    def __init__(self, source: Callable[[], Source]) -> None:
        self._make_source = source
        self._latest = self
        self._start()

    def _start(self) -> None:
        self._opened: Source | None = None
        self._lanes: dict[str, Lane] = {}
        self._rows: dict[int, Lane] = {}
        self._row_numbers = itertools.count()
        self._turn = 0
        self._is_stopped = False
        self._is_failing = False

    def open(self, context: SpoolContext) -> BrokerSpool:
        """Return a spool with connections and shards of its own."""
        opened = copy.copy(self)
        opened._start()  # noqa: SLF001 - one of this class
        opened.context = context
        self._latest = opened
        return opened

    def stop(self) -> None:
        """Hand out nothing more, so that the client can be closed at once. Called from any thread."""
        self._latest._is_stopped = True  # noqa: SLF001 - one of this class

    def keep(self, batches: Sequence[Batch]) -> None:
        """Note that requests failed, so that they are sent again."""
        for batch in batches:
            if (lane := self._back(batch)) is not None:
                self._try(lane.shard.pause, None)

    def take(self, blocked: Collection[Claim]) -> Batch | None:
        """Return the content of the next request: that of the next shard that has one."""
        if self._is_stopped or _NO_CLAIM in blocked:
            return None
        return self._try(self._take, None)

    def remove(self, batch: Batch) -> None:
        """Remove events that SegOps accepted."""
        if (lane := self._back(batch)) is not None:
            self._settle(lane, None)

    def discard(self, batch: Batch, reason: DropReason, why: str) -> None:
        """Move events that SegOps rejected to the dead letters."""
        if (lane := self._back(batch)) is not None:
            self._settle(lane, Buried("too_large" if reason == "too_large" else "rejected", why))

    def split(self, batch: Batch, parts: Sequence[Batch]) -> None:
        """Have the two halves of a request sent one after the other."""
        if (lane := self._back(batch)) is not None:
            lane.split(parts[0].count)
            self._try(lane.shard.pause, None)
            for part in parts:
                part.row = batch.row  # they come back
            self.context.listener.adopted(-batch.count)

    def position(self, blocked: Collection[Claim] = ()) -> int | None:  # noqa: ARG002 - one claim has all
        """Return `ADOPTED` for as long as there may be something to forward."""
        return None if self._is_stopped else ADOPTED

    def advance(self) -> None:
        """Keep the shards while nothing is sent."""
        if not self._is_stopped:
            self._try(self._tend, None)

    def hurry(self, patience: float) -> None:  # noqa: ARG002 - a request to the broker has a timeout of its own
        """Hand out nothing more."""
        self._is_stopped = True

    def close(self) -> None:
        """Give the shards to other forwarders."""
        self._is_stopped = True
        for lane in [*self._lanes.values()]:
            self._try(partial(self._acknowledge, lane), None)
        if self._opened is not None:
            self._try(self._opened.close, None)

    def _try(self, action: Callable[[], _T], otherwise: _T) -> _T:
        """Do something with the broker, or return `otherwise`; an outage is reported once."""
        try:
            done = action()
        except SegOpsError as error:
            if not self._is_failing:
                self._is_failing = True
                self.context.listener.failed(error)
            return otherwise
        self._is_failing = False
        return done

    @property
    def _source(self) -> Source:
        if self._opened is None:
            self._opened = self._make_source()
        return self._opened

    def _tend(self) -> None:
        """Keep the shards, and adjust the lanes to those that this process has."""
        shards = {shard.name: shard for shard in self._source.tend(self._is_idle)}
        for lane in [*self._lanes.values()]:
            if shards.get(lane.shard.name) is not lane.shard:
                self._lose(lane)
        for name, shard in shards.items():
            self._lanes.setdefault(name, Lane(shard))
        for lane in [*self._lanes.values()]:
            self._acknowledge(lane)

    def _is_idle(self, name: str) -> bool:
        lane = self._lanes.get(name)
        return lane is None or not (lane.is_out or lane.settled)

    def _take(self) -> Batch | None:
        self._tend()
        lanes = [*self._lanes.values()]
        self._turn += 1
        for number in range(len(lanes)):
            lane = lanes[(self._turn + number) % len(lanes)]
            if self._prepare(lane):
                return self._hand_out(lane)
        return None

    def _prepare(self, lane: Lane) -> bool:
        """Cut the next request of a lane, and return whether there is one."""
        limits = self.context.limits
        while not (lane.is_out or lane.is_blocked or lane.settled):
            if lane.batch is not None:
                return True
            lane.load(limits.batch_events)
            if (entry := lane.first_problem()) is not None:
                self._pass_over(lane, entry)
                continue
            lane.cut = lane.make_cut(limits, self._source.stream)
            if lane.cut is None:
                return False
            if not lane.is_suspect or lane.shard.record.crashes < _MAX_CRASHES:
                return True
            why = f"{_MAX_CRASHES} forwarders in a row ended while they sent this"
            self._lose_events(len(lane.cut.ends), "undeliverable", why)
            self._settle(lane, Buried("crashes", why))
        return False

    def _pass_over(self, lane: Lane, entry: Entry) -> None:
        """Bury the first entry of a lane, which cannot be read, unless a later version of this SDK can."""
        what = f"entry {entry.id} of shard {lane.shard.name} of {self._source.stream!r} {entry.problem}"
        lane.is_blocked = entry.is_newer
        if entry.is_newer:
            self.context.listener.failed(SegOpsSpoolError(f"{what}: upgrade the forwarder, which then goes on here"))
        elif lane.shard.bury(entry, Buried("unreadable", what)):
            lane.drop_first()
            self._lose_events(1, "corrupt", f"{what}: it is in the dead letters")
        else:
            self._lose(lane)

    def _lose_events(self, count: int, reason: DropReason, why: str) -> None:
        self.context.listener.adopted(count)
        self.context.listener.lost(count, reason, why)

    def _hand_out(self, lane: Lane) -> Batch | None:
        if not self._may_send() or not self._prepare(lane):  # once more: entries came in meanwhile
            return None
        cut = lane.cut
        if cut is None or not lane.shard.begin(cut):
            self._lose(lane)
            return None
        if lane.batch is None:
            lane.batch = Batch(cut.body, len(cut.ends), ADOPTED, BATCH_PATH, None, key=cut.key)
            self.context.listener.adopted(lane.batch.count)
        lane.batch.row = next(self._row_numbers)
        lane.is_out = True
        self._rows[lane.batch.row] = lane
        return lane.batch

    def _may_send(self) -> bool:
        """Wait for the rate for a moment, and return whether a request may be sent."""
        while (wait := self._source.delay()) > 0:
            if wait > _MAX_WAIT or self._is_stopped:
                return False
            self.context.clock.sleep(wait)
        return True

    def _back(self, batch: Batch) -> Lane | None:
        """Return the lane of a batch whose request is over."""
        lane = None if batch.row is None else self._rows.pop(batch.row, None)
        if lane is not None:
            lane.is_out = False
        return lane

    def _settle(self, lane: Lane, buried: Buried | None) -> None:
        lane.settled = Settled(buried)
        self._try(lambda: self._acknowledge(lane), None)

    def _acknowledge(self, lane: Lane) -> None:
        """Tell the broker what became of a cut. Until it knows, the lane stands still."""
        if lane.cut is None or lane.settled is None:
            return
        if lane.shard.settle(lane.cut, lane.settled):
            lane.advance()
        else:
            self._lose(lane)

    def _lose(self, lane: Lane) -> None:
        """Forget a shard that another forwarder works on now."""
        self._lanes.pop(lane.shard.name, None)
        lane.is_blocked = True
        if lane.batch is not None and not lane.settled:
            self.context.listener.adopted(-lane.batch.count)
        lane.batch = None
