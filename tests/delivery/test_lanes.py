"""Never one user's event under another's token, whatever the server answers, and in whatever order."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from segops.core import SESSION_PATH, Request, Response
from tests.delivery.test_session import Auth, Current
from tests.rig.harness import PUBLIC, Reply, Rig, build

USERS = ["ann", "bob", "mallory"]
ANSWERS = [202, 202, 202, 401, 403, 400, 413, 404, 429, 500, 503]


class Strict(Auth):
    """Checks that each event travels under the token of its user, then answers as the test draws."""

    def __init__(self) -> None:
        super().__init__()
        self.next: list[int] = []
        self.next_mint: list[int] = []

    def __call__(self, request: Request) -> Reply:
        if request.path == SESSION_PATH:
            return self.next_mint.pop() if self.next_mint else self.mint(request)
        judged = super().__call__(request)
        status = self.next.pop() if self.next else 202
        if judged == 401 or status == 401:
            self.revoked.add(request.headers["Authorization"].removeprefix("Bearer "))
            return 401
        return status if status != 202 else Response(202)


class Lanes(RuleBasedStateMachine):
    """Random users, answers, pauses and resets."""

    @initialize(batch_events=st.sampled_from([1, 2, 5]), batch=st.booleans())
    def start(self, batch_events: int, *, batch: bool) -> None:
        from segops.core.options import Limits  # noqa: PLC0415 - as the rig wants it

        self.auth = Strict()
        self.current = Current()
        self.tracked: dict[str, list[str]] = {user: [] for user in USERS}
        options: dict[str, Any] = {"limits": Limits(batch_events=batch_events), "batch": batch}
        self.rig: Rig = build(self.auth, key=PUBLIC, clock=self.auth.clock, get_user=self.current, **options)

    @rule(user=st.sampled_from(USERS), count=st.integers(1, 4))
    def track(self, user: str, count: int) -> None:
        self.current.user = user
        self.rig.track(*[user] * count)

    @rule(answers=st.lists(st.sampled_from(ANSWERS), max_size=4))
    def answer(self, answers: list[int]) -> None:
        self.auth.next += answers

    @rule(status=st.sampled_from([401, 403, 404, 429, 500]))
    def refuse_a_mint(self, status: int) -> None:
        self.auth.next_mint.append(status)

    @rule(seconds=st.sampled_from([0.1, 30.0, 400.0, 900.0]))
    def wait(self, seconds: float) -> None:
        self.rig.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-86_400.0, 86_400.0]))
    def jump(self, seconds: float) -> None:
        self.rig.clock.jump_wall(seconds)

    @rule()
    def reset(self) -> None:
        self.rig.client.reset_session()

    @rule(timeout=st.sampled_from([0.0, 1.0, 60.0]))
    def flush(self, timeout: float) -> None:
        self.rig.client.flush(timeout)

    @rule()
    @precondition(lambda self: len(self.auth.next) < 3)
    def recover(self) -> None:
        self.auth.next.clear()
        self.auth.next_mint.clear()
        self.rig.clock.advance(301)
        self.rig.client.flush()
        assert self.rig.client.stats().pending == 0

    @invariant()
    def nothing_travels_under_a_foreign_token(self) -> None:
        if hasattr(self, "auth"):
            assert self.auth.mismatches == []
            assert self.rig.balanced()

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self.rig.client.shutdown(0)


TestLanes = Lanes.TestCase
TestLanes.settings = settings(max_examples=60, stateful_step_count=25)
