"""Calls that work with the vendor's `segops` 0.2.2; run as a program by test_vendor.py, under each of the two packages.

Usage: python vendor_calls.py URL SECRET_KEY PUBLIC_KEY SIGNING_SECRET
It prints what the calls returned, as JSON. Its caller reads what they stored.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import segops
from segops import Context, Event, SegOpsClient, UserContext, sign_user_id

WHEN = "2026-04-25T14:32:00Z"


def track(url: str, key: str) -> None:
    client = SegOpsClient(url, key)
    client.track(Event("u-1", "positional", WHEN, {"total": 42}))
    client.track(Event(user_id="u-1", event_type="keywords", occurred_at=WHEN, payload={"total": 42.5}))
    client.track(Event("u-1", "bare"))
    client.track({"user_id": "u-2", "event_type": "mapping", "occurred_at": WHEN, "payload": {"path": "/"}})
    client.track({"user_id": "u-2", "event_type": "no_payload", "payload": None, "occurred_at": None})
    client.track(user_id="u-3", event_type="order_placed", payload={"total": 42})
    client.track(None, user_id="u-3", event_type="all_given", occurred_at=WHEN, payload={})
    client.track(user_id="u-3", event_type="none_given", occurred_at=None, payload=None)
    client.track(user_id="u-3", event_type="empty_time", occurred_at="")
    client.track(Event("u-4", "event_wins"), user_id="u-5", event_type="not_this")
    client.track(user_id="u-4", event_type="time_with_offset", occurred_at="2026-04-25T16:32:00.250000+02:00")
    client.track(user_id="u-4", event_type="time_without_zone", occurred_at="2026-04-25T14:32:00")
    client.track(user_id="ü-✓", event_type="text", payload={"naïve": "☃ \U0001f600", "quote": '"\\\n\x01', "": ""})
    nested = {"list": [1, 2.5, None, True, {"deep": [[]]}], "tuple": (1, "two"), "big": 2**63 - 1, "tiny": -1e-300}
    client.track(user_id="u-4", event_type="values", payload=nested)
    keys: dict[Any, str] = {7: "int", False: "bool", None: "none", 2.5: "float"}
    client.track(user_id="u-4", event_type="keys", payload=keys)
    client.flush()
    client.shutdown()


def identify(url: str, key: str) -> None:
    with segops.SegOpsClient(url, key) as client:
        client.identify(Context("u-1", {"plan": "pro"}))
        client.identify(Context(user_id="u-1", traits={"email": "alice@example.com"}))
        client.identify(Context("u-1"))
        client.identify({"user_id": "u-2", "traits": {"plan": "starter"}})
        client.identify({"user_id": "u-2"})
        client.identify(user_id="u-123", traits={"email": "alice@example.com", "plan": "pro"})
        client.identify(user_id="u-3", traits=None)


def options(url: str, key: str) -> None:
    everything = SegOpsClient(
        url + "/",
        key,
        get_user=UserContext,
        batch=True,
        batch_size=3,
        flush_interval=60.0,
        on_error=print,
        transport=None,
        timeout=5.0,
    )
    for number in range(7):
        everything.track(user_id="u-1", event_type="of_seven", payload={"number": number})
    everything.close()
    by_name = SegOpsClient(api_url=url, api_key=key, get_user=None, on_error=None, flush_interval=1, timeout=5)
    by_name.track(user_id="u-1", event_type="options_by_name")
    by_name.close()
    by_name.shutdown()
    for size in (0, -1, 1, 500):
        with SegOpsClient(url, key, batch_size=size) as client:
            for number in range(25):
                client.track(user_id="u-1", event_type=f"batch_size_{size}", payload={"number": number})


def one_by_one(url: str, key: str) -> None:
    client = SegOpsClient(url, key, batch=False)
    for number in range(3):
        client.track(user_id="u-1", event_type="single", payload={"number": number})
    client.identify(user_id="u-1", traits={"single": True})
    client.flush()
    client.flush()
    client.shutdown()
    client.shutdown()


def flush_by_itself(url: str, key: str) -> None:
    client = SegOpsClient(url, key, flush_interval=0.05)
    client.track(user_id="u-1", event_type="by_interval")
    time.sleep(0.5)
    client.shutdown()


def sessions(url: str, key: str, secret: str) -> None:
    users = [
        UserContext(**sign_user_id(secret, "u-8")),
        UserContext("u-9", "device-9", **{k: v for k, v in sign_user_id(secret, "u-9").items() if k != "user_id"}),  # type: ignore[arg-type]
        UserContext(anonymous_id="device-1"),
        UserContext(user_id="", anonymous_id="device-2"),
        UserContext(None, "device-3", None, None),
        UserContext(),
    ]
    now = users[0]
    client = SegOpsClient(url, key, get_user=lambda: now)
    for index, user in enumerate(users):
        now = user
        client.reset_session()
        client.track(user_id="ignored", event_type="session", payload={"index": index})
        client.identify(user_id="ignored", traits={"index": index})
        client.flush()
    client.shutdown()
    with SegOpsClient(url, key, batch=False) as anonymous:
        anonymous.track(user_id="ignored", event_type="no_get_user")
    with SegOpsClient(url, "sk_unused_reset", batch=False) as secret_client:
        secret_client.reset_session()


def failures(url: str, *, batch: bool) -> bool:
    errors: list[Exception] = []
    collect: Callable[[Exception], None] = errors.append
    client = SegOpsClient(url, "sk_of_nobody", batch=batch, batch_size=1, on_error=collect)
    client.track(user_id="u-1", event_type="refused")
    deadline = time.monotonic() + 60
    while not errors and time.monotonic() < deadline:
        time.sleep(0.01)
    client.shutdown()
    return bool(errors) and all(isinstance(error, Exception) and "401" in str(error) for error in errors[:1])


def signatures(secret: str) -> list[object]:
    now = sign_user_id(secret, "u-1")
    return [
        sign_user_id(secret, "u-1", 1767225600),
        sign_user_id(secret.upper(), "ü-1", ts=1767225600),
        sign_user_id(secret_hex=secret, user_id="u-1", ts=0),
        sorted(now),
        abs(int(now["user_id_ts"]) - time.time()) < 60,
    ]


def attributes() -> list[object]:
    event, context, user = Event("u", "e"), Context("u"), UserContext()
    event.payload = {"set": 1}
    event.occurred_at = WHEN
    context.traits = {"set": 2}
    return [
        [event.user_id, event.event_type, event.occurred_at, event.payload],
        [context.user_id, context.traits],
        [user.user_id, user.anonymous_id, user.user_id_sig, user.user_id_ts],
        Event("u", "e", WHEN) == Event("u", "e", WHEN),
        isinstance(segops.__version__, str),
    ]


def main(url: str, key: str, public_key: str, secret: str) -> None:
    track(url, key)
    identify(url, key)
    options(url, key)
    one_by_one(url, key)
    flush_by_itself(url, key)
    sessions(url, public_key, secret)
    reported = [failures(url, batch=True), failures(url, batch=False)]
    json.dump({"reported": reported, "signatures": signatures(secret), "attributes": attributes()}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
