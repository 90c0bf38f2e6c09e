"""Buffer, ledger and delivery against a simple model, under random answers (rig G)."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from segops.core import Request, Response, SegOpsTransportError
from segops.core.options import Limits
from segops.delivery.ledger import AtomicCounter
from tests.rig.harness import Reply, Rig, build, names, users

REASONS = {400: "rejected", 422: "rejected", 413: "too_large"}
MAX_EVENTS = 40


class Model:
    """What must become of events: they wait in one line, of which only the head is ever sent.

    Attributes:
        line: The users whose events wait, oldest first.
        delivered: Those whose events the server took.
        lost: How many were dropped, by reason.
    """

    def __init__(self) -> None:
        self.line: deque[str] = deque()
        self.delivered: list[str] = []
        self.lost: dict[str, int] = {}
        self.wrong: list[str] = []

    def lose(self, reason: str, count: int = 1) -> None:
        self.lost[reason] = self.lost.get(reason, 0) + count

    def receive(self, request: Request, status: int, skipped: int) -> Response:
        """Take a request and answer it, keeping book of what that answer means."""
        sent = users(request)
        head = [self.line[index] for index in range(min(len(sent), len(self.line)))]
        if sent != head:
            self.wrong.append(f"sent {sent}, but {head} were first")
        skipped = min(skipped, len(sent)) if status == 202 else 0
        if status == 202:
            self.delivered += sent
            self.lose("rejected", skipped)
        elif status in REASONS and len(sent) == 1:
            self.lose(REASONS[status])
        else:
            return Response(status, {"retry-after": "1"} if status == 429 else {})
        for _ in sent:
            self.line.popleft()
        return Response(status, {}, b'{"skipped": %d}' % skipped)


class LedgerMachine(RuleBasedStateMachine):
    """Tracks, waits, flushes and closes while the server answers anything."""

    @initialize(batch_events=st.integers(1, 7))
    def start(self, batch_events: int) -> None:
        self.model = Model()
        self.answers: deque[tuple[int, int]] = deque()
        self.count = 0
        self.expired = 0
        self.closed = False
        limits = Limits(max_events=MAX_EVENTS, batch_events=batch_events, hold=1e9)
        self.rig: Rig = build(self._answer, limits=limits)

    def _answer(self, request: Request) -> Reply:
        status, skipped = self.answers.popleft() if self.answers else (202, 0)
        if status == 0:
            return SegOpsTransportError("reset")
        return self.model.receive(request, status, skipped)

    @rule(
        answers=st.lists(
            st.tuples(
                st.sampled_from([202, 202, 400, 422, 413, 401, 404, 307, 429, 500, 503, 0]),
                st.integers(0, 2),
            ),
            max_size=5,
        )
    )
    def script(self, answers: list[tuple[int, int]]) -> None:
        self.answers += answers

    @rule(count=st.integers(1, 15))
    def track(self, count: int) -> None:
        for name in names(count):
            self.count += 1
            user = f"{name}-{self.count}"
            if self.closed:
                self.model.lose("closed")
            elif len(self.model.line) >= MAX_EVENTS:
                self.model.lose("queue_full")
            else:
                self.model.line.append(user)
            self.rig.track(user)

    @rule()
    def track_rubbish(self) -> None:
        self.count += 1
        self.model.lose("invalid")
        self.rig.track("")

    @rule(seconds=st.sampled_from([0.1, 1.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.rig.clock.advance(seconds)

    @rule(timeout=st.sampled_from([0.0, 0.5, 40.0]))
    def flush(self, timeout: float) -> None:
        losses = sum(self.rig.client.stats().dropped.values())
        flushed = self.rig.client.flush(timeout)
        lost_now = sum(self.rig.client.stats().dropped.values()) - losses
        if flushed:
            assert not self.model.line
            assert lost_now == 0

    @rule()
    def recover(self) -> None:
        self.answers.clear()
        self.rig.clock.advance(300.0)
        self.rig.client.flush()
        assert not self.model.line, "nothing is stuck"
        assert self.rig.client.flush(), "each loss is reported once"

    @rule()
    def close(self) -> None:
        if not self.closed:
            self.rig.client.shutdown(3.0)
            self.closed = True
            if self.model.line:
                self.model.lose("undeliverable", len(self.model.line))
                self.model.line.clear()

    @invariant()
    def the_ledger_is_that_of_the_model(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.model.wrong == []
        stats = self.rig.client.stats()
        lost = {reason: count for reason, count in self.model.lost.items() if count}
        assert stats.dropped == lost
        assert stats.pending == len(self.model.line)
        assert stats.accepted == self.count
        assert stats.delivered == self.count - len(self.model.line) - sum(lost.values())
        assert (stats.pending_bytes == 0) is (stats.pending == 0)

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.client.shutdown(0)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=80, stateful_step_count=30)


def test_looking_at_a_tally_does_not_change_it() -> None:
    tally = AtomicCounter()
    assert [tally.value() for _ in range(3)] == [0, 0, 0]
    tally.add()
    tally.add()
    assert [tally.value() for _ in range(3)] == [2, 2, 2]
