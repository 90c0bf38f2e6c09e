"""Session tokens: who gets one, its contents, and what it permits."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import pytest

from segops.core import Request, SegOpsConfigError
from segops.emulator import LocalSegOps
from segops.emulator.auth import Caller
from segops.emulator.database import Database
from segops.emulator.resources.ingestion import NewEvent
from segops.emulator.routing import RequestContext
from segops.emulator.tokens import Claims
from tests.emulator.local_service import START, Clock, Service, event, sign

SECRET = "00112233445566778899aabbccddeeff"
ZERO = "ab6db82217ee1fc710e53b83a1d87a73fced88e31cde75ce06168cec91033792"
VECTORS = [
    (SECRET, "user-123", 1767225600, "2162f24fefa89ecf15d185fd5ffdd1e61ad55d1a6578d9edc111e684a8f2802b"),
    ("ff" * 32, "zoë|x@example.org", 1767225600, "0f33c39bef01a531a46d7d6000a2f63e4fafbeca410cbcfdc52c4bbbc7af061d"),
    ("0a" * 32, "u", 0, ZERO),
]


def signed_key(service: Service, secret: str = SECRET) -> str:
    return service.segops.create_key("public", signing_secret=secret, require_signature=True).key


@pytest.mark.parametrize(
    ("body", "uid"),
    [
        ({"user_id": "u1"}, "u1"),
        ({"user_id": "u1", "anonymous_id": "dev"}, "u1"),
        ({"anonymous_id": "dev"}, "anon_dev"),
        ({"user_id": None, "anonymous_id": "dev", "user_id_sig": None, "user_id_ts": None}, "anon_dev"),
        ({"user_id": "", "anonymous_id": ""}, "anon_anonymous"),
        ({}, "anon_anonymous"),
    ],
)
def test_a_session_is_locked_to_one_identity(service: Service, body: object, uid: str) -> None:
    service.clock.now = START + 0.75
    status, response = service.session(body)
    assert (status, response["uid"], response["expires_at"]) == (200, uid, "2026-01-01T00:15:00Z")
    assert service.batch([event(5)], f"Bearer {response['token']}") == (202, {"queued": 1, "skipped": 0})
    assert service.track(event(6), f"bearer {response['token']}") == (202, {"queued": True})
    assert [each.user_id for each in service.segops.events()] == [uid, uid]


def test_a_token_is_a_json_web_token_of_its_own_each_time(service: Service) -> None:
    first, second = service.bearer({}), service.bearer({})
    assert first != second
    header, claims, _ = first.removeprefix("Bearer ").split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"] == START + 900


def test_a_session_token_opens_no_session(service: Service) -> None:
    assert service.post("/api/auth/session/", {}, service.bearer({}))[0] == 403


def test_a_token_expires_after_15_minutes(service: Service) -> None:
    token = service.bearer({"user_id": "u"})
    service.clock.now += 899.9
    assert service.track(event(), token)[0] == 202
    service.clock.now += 0.1
    assert service.track(event(), token) == (401, {"detail": "The session token has expired."})
    assert service.segops.summary().events == 1


def test_the_lifetime_can_be_chosen(clock: Clock) -> None:
    segops = LocalSegOps(clock=clock, session_lifetime=90.0)
    service = Service(segops, clock, segops.handle)
    assert service.session({})[1]["expires_at"] == "2026-01-01T00:01:30Z"
    token = service.bearer({})
    clock.now += 90
    assert service.track(event(), token)[0] == 401


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan")])
def test_a_lifetime_must_be_positive(lifetime: float) -> None:
    with pytest.raises(SegOpsConfigError, match="session_lifetime"):
        LocalSegOps(session_lifetime=lifetime)


def test_a_forged_token_is_rejected(service: Service) -> None:
    token = service.bearer({"user_id": "u"})
    scheme, _, jwt = token.partition(" ")
    head, claims, signature = jwt.split(".")
    mine = base64.urlsafe_b64encode(b'{"uid":"admin","key":2,"exp":9e9,"jti":""}').rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for forged in (
        f"{head}.{mine}.{signature}",
        f"{none}.{claims}.",
        f"{none}.{mine}.{signature}",
        f"{head}.{claims}",
        f"{head}.{claims}.{signature}x",
        f".{signature}",
        "..",
    ):
        assert service.track(event(), f"{scheme} {forged}") == (401, {"detail": "Invalid session token."})
    elsewhere = LocalSegOps()
    other = Service(elsewhere, service.clock, elsewhere.handle).bearer({})
    assert service.track(event(), other)[0] == 401
    assert service.segops.summary().events == 0


def test_sessions_can_be_ended(service: Service) -> None:
    token = service.bearer({})
    service.segops.expire_sessions()
    assert service.track(event(), token)[0] == 401
    assert service.track(event(), service.bearer({}))[0] == 202


def test_a_revoked_key_is_unknown_and_so_are_its_tokens(service: Service) -> None:
    key = service.segops.create_key("public").key
    token = service.bearer({}, key)
    service.segops.revoke_key(key)
    assert service.session({}, key)[0] == 401
    assert service.track(event(), token)[0] == 401
    service.segops.revoke_key(service.segops.secret_key)
    assert service.track(event()) == (401, {"detail": "Invalid API key."})


@pytest.mark.parametrize(("secret", "user_id", "ts", "signature"), VECTORS)
def test_the_published_signatures_are_accepted(
    service: Service, secret: str, user_id: str, ts: int, signature: str
) -> None:
    key = signed_key(service, secret)
    service.clock.now = float(ts)
    body = {"user_id": user_id, "user_id_sig": signature, "user_id_ts": ts}
    assert service.session(body, key)[1]["uid"] == user_id


@pytest.mark.parametrize(("skew", "status"), [(-301, 403), (-300, 200), (0, 200), (300, 200), (301, 403)])
def test_a_signature_is_good_for_five_minutes_either_way(service: Service, skew: int, status: int) -> None:
    key = signed_key(service)
    ts = int(START) + skew
    body = {"user_id": "u", "user_id_sig": sign(SECRET, "u", ts), "user_id_ts": ts}
    assert service.session(body, key)[0] == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_id_sig": sign(SECRET, "u", int(START))},
        {"user_id_ts": int(START)},
        {"user_id_sig": "", "user_id_ts": int(START)},
        {"user_id_sig": "00" * 32, "user_id_ts": int(START)},
        {"user_id_sig": "zoë", "user_id_ts": int(START)},
        {"user_id_sig": sign(SECRET, "other", int(START)), "user_id_ts": int(START)},
        {"user_id_sig": sign(SECRET, "u", int(START) + 1), "user_id_ts": int(START)},
        {"user_id_sig": sign(SECRET, "u", int(START)).upper(), "user_id_ts": int(START)},
        {"user_id_sig": sign(SECRET.encode().hex(), "u", int(START)), "user_id_ts": int(START)},
    ],
)
def test_a_required_signature_must_be_right(service: Service, body: dict[str, Any]) -> None:
    key = signed_key(service)
    status, response = service.session({"user_id": "u", "anonymous_id": "dev", **body}, key)
    assert (status, list(response)) == (403, ["detail"])
    assert service.segops.aliases() == {}


def test_a_signature_is_asked_for_only_where_it_is_required(service: Service) -> None:
    assert service.session({"anonymous_id": "dev"}, signed_key(service))[1]["uid"] == "anon_dev"
    unsigned = service.segops.create_key("public").key
    assert service.session({"user_id": "u", "user_id_sig": "wrong", "user_id_ts": 1}, unsigned)[0] == 200


@pytest.mark.parametrize(
    "body", [{"user_id": 5}, {"anonymous_id": []}, {"user_id_sig": 1}, {"user_id_ts": "1"}, {"user_id_ts": True}]
)
def test_wrong_types_are_rejected(service: Service, body: object) -> None:
    status, response = service.session(body)
    assert (status, list(response)) == (400, ["detail"])


def test_a_session_with_both_ids_records_the_alias_once(service: Service) -> None:
    service.session({"user_id": "u1", "anonymous_id": "dev"})
    service.session({"user_id": "u2", "anonymous_id": "dev"})
    service.session({"user_id": "anonymous", "anonymous_id": "other"})
    assert service.segops.aliases() == {"anon_dev": "u1"}


def test_an_anonymous_session_keeps_the_visitor_linkable(service: Service) -> None:
    service.track(event(anonymous_id="dev"), service.bearer({"anonymous_id": "dev"}))
    assert service.segops.aliases() == {}
    service.track(event(anonymous_id="dev"), service.bearer({"user_id": "u1", "anonymous_id": "dev"}))
    assert service.segops.aliases() == {"anon_dev": "u1"}
    assert service.segops.summary().users == 1


ALLOWED = ("https://shop.example.org", "https://*.example.net", "http://localhost:3000")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://shop.example.org", 200),
        ("HTTPS://Shop.Example.Org", 200),
        ("https://a.example.net", 200),
        ("http://localhost:3000", 200),
        (None, 403),
        ("null", 403),
        ("http://shop.example.org", 403),
        ("https://shop.example.org:8443", 403),
        ("https://shop.example.org.evil.test", 403),
        ("https://shopxexample.org", 403),
        ("https://example.net", 403),
        ("https://a.b.example.net", 403),
        ("https://.example.net", 403),
        ("https://evil.test/.example.net", 403),
        ("https://aXexample.net", 403),
        ("http://localhost:3001", 403),
    ],
)
def test_only_listed_origins_may_use_a_key(service: Service, origin: str | None, status: int) -> None:
    key = service.segops.create_key("public", origins=ALLOWED).key
    assert service.session({}, key, **({} if origin is None else {"Origin": origin}))[0] == status


@pytest.mark.parametrize("origin", ["", "*", "shop.example.org", "https://*", "https://a.*.org", "https://x.org/"])
def test_an_origin_must_be_one(segops: LocalSegOps, origin: str) -> None:
    with pytest.raises(SegOpsConfigError, match="invalid origin"):
        segops.create_key("public", origins=[origin])


def test_keys_can_be_given_and_are_kept_out_of_sight() -> None:
    segops = LocalSegOps(secret_key="sk_test_mine", public_key="pk_test_mine", signing_secret=SECRET)
    assert (segops.secret_key, segops.public_key, segops.signing_secret) == ("sk_test_mine", "pk_test_mine", SECRET)
    key = segops.create_key("public", require_signature=True)
    assert repr(key) == "ApiKey(id=3, kind='public')"
    assert repr(segops) == "LocalSegOps(':memory:')"
    fresh = LocalSegOps()
    assert fresh.secret_key.startswith("sk_test_")
    assert fresh.public_key.startswith("pk_test_")
    assert fresh.secret_key != LocalSegOps().secret_key


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("secret", {"key": "pk_test_x"}),
        ("public", {"key": "sk_test_x"}),
        ("public", {"key": "pk_test_é"}),
        ("public", {"key": "pk_test_\n"}),
        ("public", {"signing_secret": "abc"}),
        ("public", {"signing_secret": "zz"}),
        ("mcp", {}),
    ],
)
def test_a_key_must_be_of_its_kind(segops: LocalSegOps, kind: Any, options: dict[str, str]) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        segops.create_key(kind, **options)  # type: ignore[arg-type]
    assert not any(value in str(caught.value) for value in options.values())


def test_a_key_is_made_once_and_revoked_if_it_exists(segops: LocalSegOps) -> None:
    with pytest.raises(SegOpsConfigError, match="already exists"):
        segops.create_key("secret", key=segops.secret_key)
    with pytest.raises(SegOpsConfigError, match="does not exist"):
        segops.revoke_key("sk_test_unknown")


def test_a_further_secret_key_sends(segops: LocalSegOps) -> None:
    key = segops.create_key("secret")
    headers = {"AUTHORIZATION": f"ApiKey {key.key}"}
    body = json.dumps(event()).encode()
    assert segops.handle(Request("POST", "/api/ingestion/track/", headers, body)).status == 202


def test_the_clock_is_the_machines_unless_one_is_given() -> None:
    segops = LocalSegOps()
    response = Service(segops, Clock(), segops.handle).session({})[1]
    expires = datetime.strptime(response["expires_at"], "%Y-%m-%dT%H:%M:%S%z")
    left = (expires - datetime.now(expires.tzinfo)).total_seconds()
    assert 800 < left <= 900


def test_nothing_that_holds_a_secret_or_a_person_shows_it() -> None:
    segops = LocalSegOps()
    headers = {"Authorization": f"ApiKey {segops.secret_key}"}
    segops.handle(Request("POST", "/api/ingestion/track/", headers, json.dumps(event(1)).encode()))
    key = segops.create_key("secret")
    shown = [
        *segops.events(),
        Claims("user-1", 1, 2.0, ""),
        Caller("session", key, "user-1"),
        NewEvent("user-1", "order_placed"),
        RequestContext(Database(":memory:", ()), Caller("secret", key), headers, b"user-1", 0.0, 1.0),
    ]
    text = repr(shown)
    assert "order_placed" in text
    assert not any(secret in text for secret in ("user-1", key.key, segops.secret_key))
