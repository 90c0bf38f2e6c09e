"""Signatures are not stored: stored events are sent under their own claim or under none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from segops.core import SESSION_PATH, Request
from tests.delivery.test_session import session
from tests.rig.harness import PUBLIC, MakeRig, Reply, Rig, events

FIVE_MINUTES = 300


class Signing:
    """A server that takes signatures which begin with "ok" and are fresh, when it is up; and what visitors say."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {"user_id": "alice"}
        self.is_down = False
        self.rig: Rig | None = None
        self.stored: list[str] = []

    def __call__(self, request: Request) -> Reply:
        assert self.rig is not None
        if self.is_down:
            return 503
        if request.path != SESSION_PATH:
            self.stored += [event["event_type"] for event in events(request)]
            return 202
        claim = msgspec.json.decode(request.body)
        is_genuine = claim.get("user_id_sig", "").startswith("ok")
        is_fresh = abs(self.rig.clock.time() - claim.get("user_id_ts", 0)) <= FIVE_MINUTES
        return session("t", self.rig.clock.time() + 900) if is_genuine and is_fresh else 403

    def start(self, make: MakeRig, **options: Any) -> Rig:
        self.rig = make(self, key=PUBLIC, get_user=lambda: dict(self.says), **options)
        return self.rig

    def track(self, what: str, signature: str | None = None, age: float = 0.0) -> None:
        assert self.rig is not None
        self.says = {"user_id": "alice"}
        if signature is not None:
            self.says |= {"user_id_sig": signature, "user_id_ts": int(self.rig.clock.time() - age)}
        self.rig.client.track(user_id="alice", event_type=what)


def settle(rig: Rig, minutes: int = 3) -> None:
    for _ in range(2 * minutes):
        rig.client.flush(1)
        rig.clock.advance(30)


@pytest.mark.parametrize("policy", ["overflow", "always"])
def test_what_was_stored_travels_under_its_own_signature(make: MakeRig, policy: str) -> None:
    server = Signing()
    rig = server.start(make, spool_policy=policy)
    server.is_down = True
    for what, signature in (("forged", "no"), ("good", "ok"), ("unsigned", None), ("forged", "no-2"), ("good", "ok")):
        server.track(what, signature)
        rig.client.flush(0.01)
    assert rig.client.stats().spooled == 5
    server.is_down = False
    settle(rig)
    assert server.stored == ["good", "good"]
    rig.client.reset_session()
    server.track("good", "ok-again")
    settle(rig, 10)
    assert server.stored == ["good"] * 3
    assert rig.client.stats().pending == 3


def test_a_signature_that_got_too_old_in_an_outage_is_replaced_by_the_next_one(make: MakeRig) -> None:
    server = Signing()
    rig = server.start(make)
    server.is_down = True
    server.track("early", "ok")
    server.track("stale", "ok", age=1000)
    server.track("unsigned")
    rig.client.flush(0.01)
    rig.clock.advance(1000)
    server.is_down = False
    settle(rig)
    assert server.stored == []
    server.track("late", "ok-again")
    settle(rig)
    assert server.stored == ["late", "early"]


def test_what_another_process_left_unsigned_stays_unsigned(make: MakeRig, spool: Path) -> None:
    server = Signing()
    first = server.start(make)
    server.is_down = True
    server.track("signed", "ok")
    server.track("unsigned")
    first.client.shutdown(0)
    assert b"ok" not in spool.read_bytes()
    server.is_down = False
    second = server.start(make)
    settle(second)
    server.track("new", "ok-again")
    settle(second)
    assert server.stored == ["new", "signed"]
    assert second.client.stats().pending == 1
