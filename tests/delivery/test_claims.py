"""What a signature protects: no event rides under a session that another claim's signature opened."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from segops import Limits, SegOpsClient, SegOpsEventError, sign_user_id
from segops.core import SESSION_PATH, Request, Response
from segops.delivery.auth import SessionAuth
from segops.emulator import LocalSegOps, LocalServer
from segops.transports.memory import MemoryTransport
from tests.delivery.test_session import session
from tests.rig.harness import PUBLIC, SECRET, MakeRig, Reply, Rig, build, reply

GOOD, FORGED, UNSIGNED, TAMPERED, STALE = "good", "forged", "unsigned", "tampered", "stale"
NEVER = 1_000_000
Claims = dict[str, dict[str, Any]]


class Site:
    """A client whose server demands signatures, and visitors who say that they are alice.

    Attributes:
        says: What the current request claims.
    """

    def __init__(self, segops: LocalSegOps, url: str, secret: str, key: str) -> None:
        now = int(time.time())
        good = sign_user_id(secret, "alice", now)
        self.segops = segops
        self.claims: Claims = {
            GOOD: dict(good),
            FORGED: {**good, "user_id_sig": "00" * 32},
            UNSIGNED: {"user_id": "alice"},
            TAMPERED: {**good, "user_id_ts": now - 1},
            STALE: dict(sign_user_id(secret, "alice", now - 1000)),
            "again": dict(sign_user_id(secret, "alice", now - 2)),
        }
        self.says = GOOD
        self.client = SegOpsClient(
            url,
            key,
            get_user=lambda: self.claims[self.says],
            flush_interval=60,
            batch_size=NEVER,
            limits=Limits(hold=1.0),
        )

    def track(self, *claims: str) -> None:
        for self.says in claims:
            self.client.track(user_id="alice", event_type="order_placed", payload={"by": self.says})

    def stored(self) -> list[str]:
        return [event.payload["by"] for event in self.segops.events()]


@pytest.fixture
def site() -> Iterator[Site]:
    segops = LocalSegOps()
    key = segops.create_key("public", require_signature=True)
    assert key.signing_secret is not None
    with LocalServer(segops) as server:
        site = Site(segops, server.url, key.signing_secret, key.key)
        yield site
        site.client.shutdown(0)
    segops.close()


@pytest.mark.parametrize("other", [FORGED, UNSIGNED, TAMPERED, STALE])
@pytest.mark.parametrize("step", ["one batch", "token cached", "after a reset"])
def test_only_what_was_signed_is_stored(site: Site, other: str, step: str) -> None:
    for claims in ([GOOD, other, GOOD], [other, GOOD, other]):
        for claim in claims:
            site.track(claim)
            if step != "one batch":
                site.client.flush(2)
            if step == "after a reset":
                site.client.reset_session()
    site.client.flush(2)
    assert site.stored() == [GOOD] * 3
    stats = site.client.stats()
    assert stats.delivered == 3
    assert stats.pending + sum(stats.dropped.values()) == 3


def test_a_new_signature_is_another_claim_and_costs_one_handshake(site: Site) -> None:
    handshakes = count_handshakes(site)
    for _ in range(20):
        site.track(GOOD, "again", "again", GOOD)
        assert site.client.flush(5)
    assert len(site.stored()) == 80
    assert handshakes() == 2


def count_handshakes(site: Site) -> Callable[[], int]:
    send = site.client.transport.send
    seen: list[str] = []

    def counting(request: Request, *, timeout: float) -> Response:
        seen.append(request.path)
        return send(request, timeout=timeout)

    site.client.transport.send = counting  # type: ignore[method-assign]
    return lambda: seen.count(SESSION_PATH)


def test_order_is_kept_across_the_signatures_of_a_user(site: Site) -> None:
    order = [GOOD, "again", "again", GOOD, "again", GOOD]
    site.track(*order)
    assert site.client.flush(5)
    assert site.stored() == order


def signed_rig(refusal: Reply, **options: Any) -> tuple[Rig, dict[str, Any]]:
    """Make a rig whose server takes the signature `ok` alone, and what its visitors say."""
    says: dict[str, Any] = {"user_id": "alice"}

    def answer(request: Request) -> Reply:
        if request.path != SESSION_PATH:
            return 202
        is_good = msgspec.json.decode(request.body).get("user_id_sig", "").startswith("ok")
        return session("t", 4e9) if is_good else refusal

    return build(answer, key=PUBLIC, get_user=lambda: dict(says), **options), says


@pytest.mark.parametrize("refusal", [400, 401, 403, 413, 422])
def test_a_forged_claim_holds_up_nobody_however_it_is_refused(refusal: int) -> None:
    rig, says = signed_rig(refusal)
    says.update(user_id_sig="forged", user_id_ts=1)
    rig.track("alice")
    says.update(user_id_sig="ok", user_id_ts=1)
    rig.track("alice")
    rig.client.flush(1)
    rig.clock.advance(30)  # with 401 the first refusal may concern the key
    rig.client.flush(1)
    assert rig.server.stored == ["alice"]
    rig.clock.advance(400)
    rig.client.flush(1)
    rig.clock.advance(400)
    rig.client.flush(1)
    assert rig.client.stats().pending == 0
    assert rig.client.stats().dropped == {"undeliverable": 1}
    rig.client.shutdown(0)


def test_few_tokens_are_kept_for_each_user(make: MakeRig) -> None:
    stamps = iter(range(10_000))
    rig = make(
        lambda r: session("t", 4e9) if r.path == SESSION_PATH else 202,
        key=PUBLIC,
        get_user=lambda: {"user_id": "a", "user_id_sig": "s", "user_id_ts": next(stamps)},
    )
    for _ in range(50):
        rig.track("a")
        assert rig.client.flush()
    sessions = rig.client._pipeline.dispatcher.auth
    assert isinstance(sessions, SessionAuth)
    assert len(sessions._tokens) == 4


def test_a_time_without_a_signature_makes_no_other_claim(make: MakeRig) -> None:
    stamps = iter(range(10_000))
    rig = make(
        lambda r: session("t", 4e9) if r.path == SESSION_PATH else 202,
        key=PUBLIC,
        get_user=lambda: {"user_id": "a", "user_id_ts": next(stamps)},
    )
    rig.track(*["a"] * 50)
    assert rig.client.flush()
    assert len(rig.server.requests) == 2


def test_thousands_of_forged_claims_are_refused_and_forgotten() -> None:
    rig, says = signed_rig(403, limits=Limits(hold=1.0))
    for number in range(2000):
        says.update(user_id_sig="ok" if number == 1000 else f"forged-{number}", user_id_ts=1)
        rig.track("alice")
    rig.client.flush(1)
    assert rig.server.stored == ["alice"]
    rig.clock.advance(31)
    rig.client.flush(1)
    dispatcher = rig.client._pipeline.dispatcher
    assert rig.client.stats().dropped == {"undeliverable": 1999}
    assert len(dispatcher._reported) <= 1000
    rig.clock.advance(31)
    rig.client.flush(1)
    assert not dispatcher._blocked_until
    rig.client.shutdown(0)


@pytest.mark.parametrize("field", ["user_id", "anonymous_id", "user_id_sig"])
@pytest.mark.parametrize("text", ["x" * 1025, "\ud800", "é" * 5000], ids=["long", "surrogate", "long and wide"])
def test_what_no_session_can_be_asked_for_with_is_refused_at_once(make: MakeRig, field: str, text: str) -> None:
    says: list[dict[str, Any]] = [{field: text}, {"user_id": "a"}]
    rig = make(lambda r: session("t", 4e9) if r.path == SESSION_PATH else 202, key=PUBLIC, get_user=lambda: says.pop(0))
    rig.track("a", "a")
    assert not rig.client.flush()
    assert rig.client.stats().dropped == {"invalid": 1}
    assert rig.client.stats().delivered == 1
    (error,) = rig.errors
    assert isinstance(error, SegOpsEventError)
    assert field in str(error)
    assert text not in str(error)


class Text(str):
    """As Django's SafeString, which msgspec does not write."""

    __slots__ = ()


class Whole(int):
    """As numpy's integers and IntEnum."""


def test_subclasses_of_str_and_int_are_read_past_their_own_methods(make: MakeRig) -> None:
    says = {"user_id": Text("a"), "anonymous_id": Text("d"), "user_id_sig": Text("s"), "user_id_ts": Whole(5)}
    rig = make(lambda r: session("t", 4e9) if r.path == SESSION_PATH else 202, key=PUBLIC, get_user=lambda: says)
    rig.track("a")
    assert rig.client.flush()
    (mint,) = rig.server.mints()
    assert msgspec.json.decode(mint.body) == says


@pytest.mark.parametrize("stamp", [2**63, -(2**70), 10**5000], ids=["63", "70", "5000"])
def test_a_time_beyond_64_bits_is_refused_at_once(make: MakeRig, stamp: int) -> None:
    rig = make(key=PUBLIC, get_user=lambda: {"user_id": "a", "user_id_sig": "s", "user_id_ts": stamp})
    rig.track("a")
    rig.client.flush()
    assert rig.client.stats().dropped == {"invalid": 1}


@pytest.mark.parametrize("length", [8, 1024])
def test_memory_is_bounded_by_what_owners_really_take(make: MakeRig, length: int) -> None:
    import tracemalloc  # noqa: PLC0415 - slows down whatever runs behind it

    limit = 4 * 1024 * 1024
    number = iter(range(NEVER))
    rig = make(
        key=PUBLIC,
        get_user=lambda: {"anonymous_id": f"{next(number):08}".ljust(length, "x")},
        limits=Limits(max_bytes=limit),
        on_error=lambda _: None,
    )
    rig.track("anonymous", "")  # loads what is loaded late, such as the log
    rig.client.flush(0)
    tracemalloc.start()
    try:
        for _ in range(30_000):
            rig.track("anonymous")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    stats = rig.client.stats()
    assert stats.dropped["queue_full"] > 0
    assert stats.pending_bytes <= limit
    assert taken < 1.25 * limit


def test_bytes_come_back_once_events_are_settled(make: MakeRig) -> None:
    says = iter([{"user_id": "é" * 9, "user_id_sig": "s", "user_id_ts": 1}, {}, {"anonymous_id": "d"}] * 20)
    answers = iter([413, 503, 400] * 3)
    rig = make(
        lambda r: session("t", 4e9) if r.path == SESSION_PATH else next(answers, 202),
        key=PUBLIC,
        get_user=lambda: next(says),
    )
    rig.track(*["a"] * 60)
    rig.client.flush()
    assert rig.client.stats().pending_bytes == 0
    assert rig.client._pipeline.queue.room == Limits().max_events


class Hanging:
    """Hangs in the first handshakes until it is let, and then gives out tokens by number."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.minted = 0
        self.used: list[str] = []

    def __call__(self, request: Request) -> Reply:
        if request.path != SESSION_PATH:
            self.used.append(request.headers["Authorization"])
            return 202
        self.entered.release()
        assert self.let.acquire(timeout=60)
        self.minted += 1
        return session(f"token-{self.minted}", 4e9)


def test_a_reset_does_not_wait_for_a_handshake_whose_token_is_never_used(make: MakeRig) -> None:
    server = Hanging()
    rig = make(server, key=PUBLIC, get_user=lambda: {"user_id": "a"})
    rig.track("a")
    flushing = threading.Thread(target=rig.client.flush)
    flushing.start()
    assert server.entered.acquire(timeout=60)
    reset = threading.Thread(target=rig.client.reset_session)
    reset.start()
    reset.join(30)
    assert not reset.is_alive(), "the handshake has not been let go of yet"
    server.let.release(9)
    flushing.join(60)
    assert rig.client.flush()
    assert server.used == ["Bearer token-2"]


PLANTED = ("planted.person@example.org", "5ec4e7" * 10, "4111-planted", "token.planted")


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("where", ["session", "events"])
def test_row_67_what_a_server_repeats_stays_out_of_messages(make: MakeRig, status: int, where: str) -> None:
    person, signature, card, token = PLANTED

    def answer(request: Request) -> Reply:
        if request.path == SESSION_PATH and where == "events":
            return session(token, 4e9)
        echo = {"detail": request.body.decode(), "code": card, "was": sorted(request.headers.values())}
        return reply(status, msgspec.json.encode(echo), location=f"https://example.org/?u={person}", x_code=signature)

    rig = make(
        answer,
        key=PUBLIC,
        get_user=lambda: {"user_id": person, "user_id_sig": signature, "user_id_ts": 1},
        limits=Limits(hold=0),
    )
    rig.client.track(user_id=person, event_type="x", payload={"card": card})
    rig.client.flush(1)
    rig.client.shutdown(0)
    shown = [*(f"{error} {error!r}" for error in rig.errors), str(rig.client.stats()), repr(rig.client)]
    assert rig.errors
    assert not [text for text in shown if any(secret in text for secret in PLANTED)]
    assert any(str(status) in text for text in shown)


def test_row_67_an_exception_of_the_application_is_reported_by_type_and_place(
    make: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    def on_error(_: Exception) -> None:
        raise LookupError(f"no such user: {PLANTED[0]}")

    rig = make(on_error=on_error)
    rig.track("")
    rig.client.flush()
    logged = [record.getMessage() for record in caplog.records]
    assert any("LookupError was raised at " in line and "test_claims.py:" in line for line in logged)
    assert not any(PLANTED[0] in line for line in logged)


def test_row_67_a_transport_that_keeps_credentials_in_its_url_shows_none() -> None:
    class Queue(MemoryTransport):
        url = "amqp://planted:secret@example.org/events@v1"

    client = SegOpsClient(api_key=SECRET, transport=Queue())
    client.track(user_id="a", event_type="x")
    client.shutdown()
    for text in (repr(client), str(client.stats())):
        assert "planted" not in text
        assert "secret" not in text
        assert "amqp://example.org/events@v1" in text
