"""The spool compared with a model: store, send, split, wait, and end processes in any order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from segops import Limits
from segops.core import BATCH_PATH, Batch, DropReason, Spool, SpoolContext, SpoolListener
from segops.delivery.batch import halves
from segops.spool import DiskSpool
from segops.testing import FakeClock
from tests.rig.harness import names

AGE = 1000.0


class Books(SpoolListener):
    """Counts what the spool says of itself."""

    def __init__(self) -> None:
        self.came = 0
        self.went = 0
        self.failures: list[Exception] = []

    def adopted(self, count: int) -> None:
        self.came += count

    def lost(self, count: int, reason: DropReason, why: str) -> None:
        assert reason == "undeliverable", why
        self.went += count

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


class SpoolMachine(RuleBasedStateMachine):
    """One process at a time holds the spool; its successor finds what it left, in the same order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.line: list[tuple[float, list[bytes]]] = []
        self.number = 0
        self.open()

    def open(self) -> None:
        self.books = Books()
        context = SpoolContext(listener=self.books, clock=self.clock, limits=Limits(spool_age=AGE))
        self.spool: Spool = DiskSpool(self.directory / "spool.db").open(context)
        self.loaded: Batch | None = None

    @rule(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3))
    def keep(self, sizes: list[int]) -> None:
        batches = []
        for size in sizes:
            events = [f"{self.number + index}".encode() for index in range(size)]
            batches.append(Batch.of(events, self.number, BATCH_PATH))
            self.number += size
            self.line.append((self.clock.time(), events))
        self.spool.keep(batches)
        assert all(batch.row is not None for batch in batches)

    @precondition(lambda self: self.loaded is None)
    @rule()
    def take(self) -> None:
        self.expire()
        self.loaded = self.spool.take(())
        first = self.line[0][1] if self.line else None
        assert (None if self.loaded is None else self.loaded.events) == first

    @precondition(lambda self: self.loaded is not None)
    @rule(fate=st.sampled_from(["delivered", "failed", "split"]))
    def settle(self, fate: str) -> None:
        batch, self.loaded = self.loaded, None
        assert batch is not None
        if fate == "delivered":
            self.spool.remove(batch)
            del self.line[0]
        elif fate == "failed":
            batch.attempts += 1
            self.spool.keep([batch])
        elif len(batch.events) > 1:
            parts = halves(batch)
            self.spool.split(batch, parts)
            born, _ = self.line[0]
            self.line[:1] = [(born, half.events) for half in parts]
        else:
            self.spool.keep([batch])

    @precondition(lambda self: self.loaded is None)
    @rule(seconds=st.sampled_from([40.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: self.loaded is None)
    @rule()
    def change_process(self) -> None:
        self.spool.close()
        self.open()

    def expire(self) -> None:
        self.line = [(born, events) for born, events in self.line if born >= self.clock.time() - AGE]

    @invariant()
    def nothing_failed(self) -> None:
        assert self.books.failures == []

    def teardown(self) -> None:
        if self.loaded is not None:
            self.settle("failed")
        self.expire()
        while (batch := self.spool.take(())) is not None:
            assert batch.events == self.line.pop(0)[1]
            self.spool.remove(batch)
        assert self.line == []
        assert self.spool.position() is None
        self.spool.close()
        assert list(self.directory.glob("*-lease-*")) == []
        shutil.rmtree(self.directory)


TestSpool = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=40, stateful_step_count=25)


def test_a_batch_of_500_can_be_split_to_the_last(tmp_path: Path) -> None:
    context = SpoolContext(listener=Books(), clock=FakeClock(), limits=Limits())
    spool = DiskSpool(tmp_path / "spool.db").open(context)
    events = [name.encode() for name in names(500)]
    spool.keep([Batch.of(events, 0, BATCH_PATH), Batch.of([b"behind"], 500, BATCH_PATH)])
    single: list[bytes] = []
    while (batch := spool.take(())) is not None:
        if len(batch.events) == 1:
            single += batch.events
            spool.remove(batch)
        else:
            spool.split(batch, halves(batch))
    assert single == [*events, b"behind"]
    spool.close()
