"""Cases for the ingestion client."""

from __future__ import annotations

import hashlib
import hmac
import json

from tests.compat.vendor_desk import Desk, case, fresh

EVENTS = "SELECT user_id, event_type, occurred_at, payload FROM events WHERE user_id = ? ORDER BY id"

Call = tuple[str, tuple[object, ...], dict[str, object]]


def tracked(user: str, number: int = 0) -> Call:
    event = {"user_id": user, "event_type": "order_placed", "occurred_at": "2024-05-06T14:32:00Z"}
    return "track", (), {**event, "payload": {"number": number}}


def numbers(desk: Desk, user: str) -> list[int]:
    return [json.loads(payload)["number"] for _, _, _, payload in desk.rows(EVENTS, user)]


@case("track", "segops")
def track(desk: Desk) -> None:
    single, batched = fresh("zoë"), fresh("user")
    desk.calls(tracked(single, 7), batch=False)
    stored = (single, "order_placed", "2024-05-06T14:32:00.000000Z", '{"number": 7}')
    ((*columns, payload),) = desk.rows(EVENTS, single)
    assert (*columns, json.loads(payload)) == (*stored[:3], json.loads(stored[3]))
    desk.calls(*(tracked(batched, number) for number in range(20)))  # a full batch, without a flush
    assert numbers(desk, batched) == list(range(20))


@case("identify", "segops")
def identify(desk: Desk) -> None:
    user = fresh("user")
    traits = {"plan": "pro", "seats": 3}
    desk.calls(("identify", (), {"user_id": user, "traits": traits}), ("flush", (), {}))
    ((_, event_type, _, payload),) = desk.rows(EVENTS, user)
    assert (event_type, json.loads(payload)) == ("context_identified", traits)
    assert desk.api("GET", f"/api/explorer/users/{user}/")["properties"] == traits


@case("flush", "segops")
def flush(desk: Desk) -> None:
    user = fresh("user")
    desk.calls(tracked(user, 1), ("flush", (), {}), tracked(user, 2), flush_interval=60)
    assert numbers(desk, user) == [1]


@case("shutdown", "segops")
def shutdown(desk: Desk) -> None:
    user = fresh("user")
    desk.calls(tracked(user, 1), tracked(user, 2), ("shutdown", (), {}), ("shutdown", (), {}), flush_interval=60)
    assert numbers(desk, user) == [1, 2]


@case("close", "segops")
def close(desk: Desk) -> None:
    user = fresh("user")
    desk.calls(tracked(user, 1), ("close", (), {}), flush_interval=60)
    assert numbers(desk, user) == [1]


@case("reset_session", "segops")
def reset_session(desk: Desk) -> None:
    user, device = fresh("user"), fresh("device")
    calls = [tracked("ignored", 1), ("reset_session", (), {}), tracked("ignored", 2), ("reset_session", (), {})]
    public = {"api_key": desk.service.public_key, "get_user": {"user_id": user, "anonymous_id": device}}
    outcomes = desk.calls(*calls, batch=False, **public)
    assert all("error" not in outcome for outcome in outcomes)
    assert numbers(desk, user) == [1, 2]
    assert desk.column("SELECT user_id FROM aliases WHERE alias = ?", f"anon_{device}") == [user]
    assert [each["path"].split("/")[2] for each in desk.asked["reset_session"]] == ["auth", "ingestion"] * 2


@case("sign_user_id", "segops")
def sign_user_id(desk: Desk) -> None:
    secret, user = desk.service.signing_secret, fresh("user")
    ((outcome),) = desk.calls(("sign_user_id", (secret, user), {}))
    signed = outcome["result"]
    message = f"{user}|{signed['user_id_ts']}".encode()
    assert signed["user_id_sig"] == hmac.new(bytes.fromhex(secret), message, hashlib.sha256).hexdigest()
    desk.calls(tracked("ignored", 3), batch=False, api_key=desk.service.public_key, get_user=signed)
    assert numbers(desk, user) == [3]
