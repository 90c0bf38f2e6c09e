"""The handshake of public keys: lazy, cached, refreshed in time, one flight, one re-mint."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import formatdate
from typing import Any, cast

import msgspec
import pytest

from segops import Limits, SegOpsClient, UserContext
from segops.core import (
    SESSION_PATH,
    Request,
    Response,
    SegOpsApiError,
    SegOpsEventError,
    SegOpsServerError,
    SegOpsTransportError,
)
from segops.core.retry import Clock
from segops.delivery.auth import SessionAuth
from segops.delivery.keys import ApiKey
from segops.testing import FakeClock
from tests.rig.harness import PUBLIC, MakeRig, Reply, Responder, Rig, events, idempotency_key, reply, users

DAY = 86_400.0


class Auth:
    """Mints tokens that last 15 minutes, and takes events only under the token of their user.

    Attributes:
        refused: Users whose events are answered with 401, whatever the token.
        revoked: Tokens that are answered with 401.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.minted: dict[str, str] = {}
        self.refused: set[str] = set()
        self.revoked: set[str] = set()
        self.mismatches: list[str] = []

    def __call__(self, request: Request) -> Reply:
        if request.path == SESSION_PATH:
            return self.mint(request)
        token = request.headers["Authorization"].removeprefix("Bearer ")
        owner = self.minted[token]
        self.mismatches += [user for user in users(request) if user != owner]
        return 401 if owner in self.refused or token in self.revoked else 202

    def mint(self, request: Request) -> Response:
        assert request.headers["Authorization"] == f"ApiKey {PUBLIC}"
        context = msgspec.json.decode(request.body)
        token = f"token-{len(self.minted)}"
        self.minted[token] = context.get("user_id") or f"anon_{context['anonymous_id']}"
        return session(token, self.clock.time() + 900)


def session(token: str, expires_at: float, **headers: str) -> Response:
    when = datetime.fromtimestamp(expires_at, timezone.utc)
    return reply(200, msgspec.json.encode({"token": token, "expires_at": when, "uid": "u"}), **headers)


class Current:
    """Says who the current user is."""

    def __init__(self, user: str = "a") -> None:
        self.user = user

    def __call__(self) -> dict[str, Any]:
        return {"user_id": self.user}


def public(make: MakeRig, auth: Responder, **options: Any) -> tuple[Rig, Current]:
    current = Current()
    clock = auth.clock if isinstance(auth, Auth) else FakeClock()
    return make(auth, key=PUBLIC, get_user=current, clock=clock, **options), current


def send(rig: Rig, current: Current, *who: str) -> bool:
    for user in who:
        current.user = user
        rig.track(user)
    return rig.client.flush()


def test_the_mint_is_lazy_and_cached(make: MakeRig) -> None:
    rig, current = public(make, Auth())
    rig.track("a")
    assert rig.server.requests == [], "nothing is minted before something is sent"
    assert send(rig, current, "a")
    assert send(rig, current, "a")
    assert (len(rig.server.mints()), len(rig.server.ingestion())) == (1, 2)
    assert {each.headers["Authorization"] for each in rig.server.ingestion()} == {"Bearer token-0"}


def test_a_token_is_refreshed_a_minute_before_it_expires(make: MakeRig) -> None:
    rig, current = public(make, Auth())
    send(rig, current, "a")
    rig.clock.advance(900 - 60 - 1)
    send(rig, current, "a")
    assert len(rig.server.mints()) == 1
    rig.clock.advance(1)
    send(rig, current, "a")
    assert len(rig.server.mints()) == 2


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_jump_of_the_wall_clock_leaves_no_stale_token_in_use(make: MakeRig, jump: float) -> None:
    """Row 52: only the server's clock tells what is expired."""
    auth = Auth()
    rig, current = public(make, auth)
    send(rig, current, "a")
    rig.clock.jump_wall(jump)
    assert send(rig, current, "a")
    assert len(rig.server.mints()) == (2 if jump > 0 else 1), "a suspended machine's monotonic clock stands still"
    rig.clock.advance(841)
    before = len(rig.server.mints())
    assert send(rig, current, "a")
    assert len(rig.server.mints()) > before or jump > 0
    assert rig.server.ingestion()[-1].headers["Authorization"] == f"Bearer token-{len(rig.server.mints()) - 1}"


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_wrong_local_clock_does_not_spoil_the_cache(make: MakeRig, wrong: float) -> None:
    """Row 52: the answer's own Date says how long the token lasts."""
    clock = FakeClock()
    there = clock.time() + wrong

    def answer(request: Request) -> Reply:
        if request.path != SESSION_PATH:
            return 202
        now = there + clock.monotonic()
        return session("t", now + 900, date=formatdate(now, usegmt=True))

    rig = make(answer, key=PUBLIC, clock=clock)
    for _ in range(84):
        rig.track("a")
        assert rig.client.flush()
        rig.clock.advance(9.99)
    assert len(rig.server.mints()) == 1
    rig.clock.advance(10)
    rig.track("a")
    assert rig.client.flush()
    assert len(rig.server.mints()) == 2


def test_a_401_is_answered_with_one_new_token_and_the_same_request(make: MakeRig) -> None:
    auth = Auth()
    auth.revoked.add("token-0")
    rig, current = public(make, auth)
    assert send(rig, current, "a")
    assert [each.path == SESSION_PATH for each in rig.server.requests] == [True, False, True, False]
    first, second = rig.server.ingestion()
    assert (first.body, idempotency_key(first)) == (second.body, idempotency_key(second))
    assert second.headers["Authorization"] == "Bearer token-1"
    assert rig.errors == [], "that is no trouble yet"


def test_a_refused_user_holds_only_his_own_lane(make: MakeRig) -> None:
    auth = Auth()
    auth.refused.add("mallory")
    rig, current = public(make, auth)
    assert not send(rig, current, "mallory", "a", "b", "mallory", "a")
    assert rig.server.stored == ["a", "a", "b"]
    assert rig.client.stats().pending == 2
    assert rig.clock.monotonic() == 0.0, "flush does not wait for him"
    before = len(rig.server.requests)
    assert not send(rig, current, "mallory")
    assert len(rig.server.requests) == before, "he is paused"
    assert send(rig, current, "b") is False, "his events are not delivered"
    assert len(rig.errors) == 1
    auth.refused.clear()
    rig.clock.advance(30)
    assert send(rig, current)
    assert rig.server.stored[-3:] == ["mallory"] * 3
    assert auth.mismatches == []


def test_a_refused_user_is_one_error_even_while_others_succeed(make: MakeRig) -> None:
    auth = Auth()
    auth.refused.add("mallory")
    rig, current = public(make, auth)
    for _ in range(5):
        send(rig, current, "mallory", "a")
        rig.clock.advance(30.0)
    assert rig.server.stored == ["a"] * 5
    assert len(rig.errors) == 1


def test_two_refused_users_are_two_errors_at_most(make: MakeRig) -> None:
    auth = Auth()
    auth.refused.update(("mallory", "trudy"))
    rig, current = public(make, auth)
    for _ in range(5):
        send(rig, current, "mallory", "trudy", "a")
        rig.clock.advance(30.0)
    assert 1 <= len(rig.errors) <= 2


def test_a_refused_lane_expires_by_itself(make: MakeRig) -> None:
    auth = Auth()
    auth.refused.add("mallory")
    rig, current = public(make, auth)
    send(rig, current, "mallory")
    for _ in range(12):
        rig.clock.advance(30.0)
        send(rig, current, "a")
    assert rig.client.stats().dropped == {"undeliverable": 1}
    assert rig.client.stats().pending == 0


def test_the_context_is_that_of_the_moment_of_tracking(make: MakeRig) -> None:
    rig, current = public(make, Auth())
    contexts: list[dict[str, Any]] = []
    for user in ("a", "b"):
        current.user = user
        rig.track(user)
    current.user = "somebody else"
    rig.client.flush()
    contexts = [msgspec.json.decode(each.body) for each in rig.server.mints()]
    assert contexts == [{"user_id": "a"}, {"user_id": "b"}]


def test_a_context_that_is_changed_later_does_not_change_the_event(make: MakeRig) -> None:
    shared = {"user_id": "a"}
    auth = Auth()
    rig = make(auth, key=PUBLIC, clock=auth.clock, get_user=lambda: shared)
    rig.track("a")
    shared["user_id"] = "b"
    rig.client.flush()
    assert auth.mismatches == []
    assert list(auth.minted.values()) == ["a"]


def test_all_of_a_context_is_sent_and_nothing_else(make: MakeRig) -> None:
    auth = Auth()
    whole = UserContext(user_id="a", anonymous_id="d", user_id_sig="ab" * 32, user_id_ts=7)
    rig = make(auth, key=PUBLIC, clock=auth.clock, get_user=lambda: whole)
    rig.track("a")
    assert rig.client.flush()
    assert msgspec.json.decode(rig.server.mints()[0].body) == {
        "user_id": "a",
        "anonymous_id": "d",
        "user_id_sig": "ab" * 32,
        "user_id_ts": 7,
    }


@pytest.mark.parametrize("get_user", [None, lambda: None, dict])
def test_nobody_is_an_anonymous_visitor(make: MakeRig, get_user: Callable[[], Any] | None) -> None:
    rig = make(lambda r: session("t", 1.9e9) if r.path == SESSION_PATH else 202, key=PUBLIC, get_user=get_user)
    rig.track("a")
    assert rig.client.flush()
    assert msgspec.json.decode(rig.server.mints()[0].body) in ({"anonymous_id": "anonymous"}, {})


@pytest.mark.parametrize("rubbish", [7, "a", {"user_id": 7}, {"user_id_ts": "now"}, ["a"]])
def test_rubbish_from_get_user_is_a_counted_drop(make: MakeRig, rubbish: object) -> None:
    rig = make(Auth(), key=PUBLIC, get_user=lambda: rubbish)
    rig.track("a")
    rig.client.flush()
    assert rig.client.stats().dropped == {"invalid": 1}
    assert isinstance(rig.errors[0], SegOpsEventError)


def test_get_user_that_raises_is_a_counted_drop(make: MakeRig) -> None:
    def broken() -> UserContext:
        raise RuntimeError("no request here: a@example.org")

    rig = make(Auth(), key=PUBLIC, get_user=broken)
    rig.track("a")
    rig.client.flush()
    assert rig.client.stats().dropped == {"invalid": 1}
    assert "example.org" not in str(rig.errors[0])


def test_of_several_signatures_of_a_user_the_newest_is_sent(make: MakeRig) -> None:
    auth = Auth()
    stamps = iter([1, 2])
    rig = make(auth, key=PUBLIC, clock=auth.clock, get_user=lambda: {"user_id": "a", "user_id_ts": next(stamps)})
    rig.track("a", "a")
    assert rig.client.flush()
    (mint,) = rig.server.mints()
    assert msgspec.json.decode(mint.body) == {"user_id": "a", "user_id_ts": 2}


def test_a_reset_forgets_all_tokens(make: MakeRig) -> None:
    rig, current = public(make, Auth())
    send(rig, current, "a", "b")
    rig.client.reset_session()
    send(rig, current, "a", "b")
    assert len(rig.server.mints()) == 4


def test_a_reset_does_nothing_for_a_secret_key(make: MakeRig) -> None:
    rig = make()
    rig.client.reset_session()
    rig.track("a")
    assert rig.client.flush()


GARBAGE = [
    b"",
    b"{}",
    b"null",
    b"<html>",
    b"\xff",
    b'{"token": 5, "expires_at": "2027-01-15T09:00:00Z"}',
    b'{"token": "t"}',
    b'{"token": "t", "expires_at": "soon"}',
    b'{"token": "t", "expires_at": null}',
    b'{"token": "", "expires_at": "2027-01-15T09:00:00Z"}',
    b'{"token": "t\\r\\nX-Evil: 1", "expires_at": "2027-01-15T09:00:00Z"}',
    b'{"token": "t\\u0000", "expires_at": "2027-01-15T09:00:00Z"}',
    b'{"token": "t\xc3\xa9", "expires_at": "2027-01-15T09:00:00Z"}',
    b'{"x":' + b"[" * 100_000,
]


@pytest.mark.parametrize("body", GARBAGE)
def test_a_session_that_is_none_is_repeated_and_never_used(make: MakeRig, body: bytes) -> None:
    auth = Auth()
    garbage = [reply(200, body)] * 2
    responder: Responder = lambda r: garbage.pop() if garbage and r.path == SESSION_PATH else auth(r)  # noqa: E731 - short
    rig = make(responder, key=PUBLIC, clock=auth.clock, get_user=Current())
    rig.track("a")
    assert rig.client.flush()
    assert len(rig.server.mints()) == 3
    assert [each.headers["Authorization"] for each in rig.server.ingestion()] == ["Bearer token-0"]
    (error, *_) = rig.errors
    assert isinstance(error, SegOpsTransportError)
    assert "session" in str(error)


@pytest.mark.parametrize("answer", [429, 500, 503, SegOpsTransportError("refused")], ids=str)
def test_a_mint_that_fails_for_now_is_repeated(make: MakeRig, answer: Reply) -> None:
    auth = Auth()
    failures = [answer] * 3
    responder: Responder = lambda r: failures.pop() if failures and r.path == SESSION_PATH else auth(r)  # noqa: E731 - short
    rig = make(responder, key=PUBLIC, clock=auth.clock, get_user=Current())
    rig.track("a")
    assert rig.client.flush()
    assert rig.server.stored == ["a"]
    assert len(rig.server.mints()) == 4


def test_a_mint_obeys_retry_after(make: MakeRig) -> None:
    auth = Auth()
    slow = [reply(429, retry_after="17")]
    responder: Responder = lambda r: slow.pop() if slow and r.path == SESSION_PATH else auth(r)  # noqa: E731 - short
    rig = make(responder, key=PUBLIC, clock=auth.clock, get_user=Current())
    rig.track("a")
    assert rig.client.flush()
    assert rig.server.times == [0.0, 17.0, 17.0]


@pytest.mark.parametrize("status", [301, 401, 404])
def test_a_refused_key_holds_everybody_with_one_error(make: MakeRig, status: int) -> None:
    rig, current = public(make, lambda _: status)
    assert not send(rig, current, "a", "b", "c")
    assert not send(rig, current, "a")
    assert len(rig.server.requests) == 1
    assert len(rig.errors) == 1


def test_a_refused_context_holds_only_that_user(make: MakeRig) -> None:
    auth = Auth()

    def answer(request: Request) -> Reply:
        return 403 if request.path == SESSION_PATH and b"mallory" in request.body else auth(request)

    rig = make(answer, key=PUBLIC, clock=auth.clock, get_user=(current := Current()))
    assert not send(rig, current, "mallory", "a", "mallory", "b")
    assert rig.server.stored == ["a", "b"]
    assert rig.client.stats().pending == 2


def test_a_token_stands_in_no_repr(make: MakeRig) -> None:
    rig, current = public(make, Auth())
    send(rig, current, "a")
    sessions = rig.client._pipeline.dispatcher.auth
    assert isinstance(sessions, SessionAuth)
    assert "token-0" not in repr(list(sessions._tokens.values()))


class Gate:
    """A handshake that is answered once it is let, while others queue up behind it."""

    def __init__(self, answer: Reply) -> None:
        self.answer = answer
        self.calls = 0
        self.entered = threading.Event()
        self.let = threading.Event()

    def __call__(self, request: Request, timeout: float) -> Response:
        assert request.path == SESSION_PATH
        assert timeout > 0
        self.calls += 1
        self.entered.set()
        assert self.let.wait(60)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, Response) else reply(self.answer)


class Door:
    """The lock of the sessions, which says who has come to it."""

    def __init__(self) -> None:
        self.came = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def rush(gate: Gate, count: int = 200) -> tuple[list[str], list[Exception]]:
    """Ask for the token of one user from many threads while the first mint is under way."""
    sessions = SessionAuth(ApiKey(PUBLIC), gate, cast("Clock", FakeClock()))
    tokens: list[str] = []
    failures: list[Exception] = []
    door = Door()
    sessions._lock = door  # type: ignore[assignment]

    def ask() -> None:
        try:
            tokens.append(sessions.token(UserContext(user_id="a"), 20))
        except (SegOpsApiError, SegOpsTransportError) as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    threads[0].start()
    assert gate.entered.wait(60)
    for thread in threads[1:]:
        thread.start()
    for _ in threads:
        assert door.came.acquire(timeout=60)
    gate.let.set()
    for thread in threads:
        thread.join(60)
    return tokens, failures


def test_200_threads_cause_one_mint() -> None:
    gate = Gate(session("t", FakeClock().time() + 900))
    tokens, failures = rush(gate)
    assert (gate.calls, tokens, failures) == (1, ["t"] * 200, [])


@pytest.mark.parametrize("answer", [500, SegOpsTransportError("refused")], ids=str)
def test_200_threads_share_one_error(answer: Reply) -> None:
    gate = Gate(answer)
    tokens, failures = rush(gate)
    assert (gate.calls, tokens, len(failures), len(set(map(id, failures)))) == (1, [], 200, 1)


def test_a_caller_after_a_failure_tries_again() -> None:
    gate = Gate(500)
    gate.let.set()
    sessions = SessionAuth(ApiKey(PUBLIC), gate, cast("Clock", FakeClock()))
    for _ in range(3):
        with pytest.raises(SegOpsServerError):
            sessions.token(UserContext(user_id="a"), 1)
    assert gate.calls == 3


def test_an_old_refusal_does_not_drop_a_new_token() -> None:
    gate = Gate(session("new", FakeClock().time() + 900))
    gate.let.set()
    sessions = SessionAuth(ApiKey(PUBLIC), gate, cast("Clock", FakeClock()))
    user = UserContext(user_id="a")
    sessions.token(user, 1)
    sessions.forget(user, "old")
    assert sessions.token(user, 1) == "new"
    assert gate.calls == 1


def test_tokens_of_many_users_are_bounded(make: MakeRig) -> None:
    auth = Auth()
    rig = make(auth, key=PUBLIC, clock=auth.clock, get_user=(current := Current()))
    send(rig, current, *[f"u{number}" for number in range(1100)])
    sessions = rig.client._pipeline.dispatcher.auth
    assert isinstance(sessions, SessionAuth)
    assert len(sessions._tokens) == 1000
    assert auth.mismatches == []


def test_a_request_never_mixes_users(make: MakeRig) -> None:
    auth = Auth()
    rig = make(auth, key=PUBLIC, clock=auth.clock, get_user=(current := Current()))
    send(rig, current, "a", "a", "b", "b", "b", "a", "c")
    assert [users(each) for each in rig.server.ingestion()] == [["a", "a", "a"], ["b", "b", "b"], ["c"]]
    assert sum(len(events(each)) for each in rig.server.ingestion()) == 7


@pytest.mark.parametrize("name", ["user_id", "anonymous_id", "user_id_sig"])
def test_the_text_of_users_counts_among_the_bytes_that_may_wait(name: str) -> None:
    text, limit = "x" * 1000, 500_000
    with SegOpsClient(
        "http://127.0.0.1:9",
        "pk_test_users",
        get_user=lambda: {name: text},
        worker="inline",
        batch_size=10_000,
        limits=Limits(max_bytes=limit, shutdown=0.0),
    ) as client:
        for _ in range(1000):
            client.track(user_id="u-1", event_type="a_b")
        stats = client.stats()
    assert stats.pending_bytes <= limit
    assert 0 < stats.pending < limit / len(text)
    assert stats.dropped == {"queue_full": 1000 - stats.pending}
