"""Invalid input gets the documented error, is not stored partially, and leaves the server running."""

from __future__ import annotations

import json
from typing import Any

import pytest

from segops.core import BATCH_PATH, SESSION_PATH, SINGLE_PATH
from segops.emulator import MAX_BODY
from segops.emulator.registry import ROUTES
from tests.emulator.served import Served, must_reject

# These look at no body, or do without one.
BODILESS = ("/compute/", "/estimate/", "/score/", "/score-all/", "/run/", "/regenerate/", "/publish/", "/sync/")
OPTIONAL = ("/bulk-generate/", "/export/", "/build/")
NOT_JSON = ("/shopify/", "/import/csv/")

BATCHED = [{"user_id": f"u-{number}", "event_type": "e"} for number in range(500)]


def reading() -> list[tuple[str, str]]:
    """Return the methods and paths of all endpoints that read a JSON object."""
    return [
        (route.method, route.path.replace("<int:id>", "1"))
        for route in ROUTES
        if route.method in {"POST", "PUT", "PATCH"}
        and not any(part in route.path for part in NOT_JSON)
        and (not route.path.endswith(BODILESS) or route.path.endswith("sandbox/publish/"))
        and not route.path.startswith("/api/auth/")
        and "/confirm/" not in route.path
    ]


MALFORMED = [
    b"{",
    b"\xff\xfe",
    b'{"name": "\xff"}',
    b'{"name": NaN}',
    b"{'name': 1}",
    b'{"name": 1,}',
    b'{"name": "a"} x',
    b'{"name": "\x00"}',
    b'{"name": "\\ud800',
    b'{"name": 1e',
    b"\x1f\x8b\x08\x00\x00",
    b"[" * 100_000,
    b'{"a":' * 100_000,
]
WRONG_TYPES: list[Any] = [[], [{}], "text", 5, 1.5, True, {"events": {}, "definition": 7, "products": "x"}]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_json_is_rejected_everywhere(hostile: Served, body: bytes) -> None:
    paths = reading()
    assert len(paths) > 35
    for method, path in paths:
        must_reject(hostile.ask(method, path, body), 400)


@pytest.mark.parametrize("body", WRONG_TYPES)
def test_wrong_types_are_rejected_everywhere(hostile: Served, body: object) -> None:
    for method, path in reading():
        if not isinstance(body, dict) or (method == "POST" and not path.endswith(OPTIONAL)):
            must_reject(hostile.ask(method, path, body), 400)


WRONG_EVENTS: list[Any] = [
    {},
    None,
    [],
    "event",
    {"user_id": 5, "event_type": "e"},
    {"user_id": "", "event_type": "e"},
    {"user_id": "u", "event_type": None},
    {"user_id": "u", "event_type": ["e"]},
    {"user_id": "u", "event_type": "e", "payload": []},
    {"user_id": "u", "event_type": "e", "payload": "{}"},
    {"user_id": "u", "event_type": "e", "occurred_at": 5},
    {"user_id": "u", "event_type": "e", "occurred_at": "yesterday"},
    {"user_id": "u", "event_type": "e", "occurred_at": "99999-01-01T00:00:00Z"},
    {"user_id": "u", "event_type": "e", "anonymous_id": {}},
    {"user_id": "u", "event_type": "typed", "payload": {"total": "5"}},
]


def test_wrong_events_are_rejected_alone_and_counted_in_a_batch(hostile: Served) -> None:
    for event in WRONG_EVENTS:
        must_reject(hostile.ask("POST", SINGLE_PATH, event), 400)
        must_reject(hostile.ask("POST", "/api/explorer/sandbox/publish/", event), 400)
    reply = hostile.ask("POST", BATCH_PATH, {"events": WRONG_EVENTS})
    assert (reply.status, json.loads(reply.body)) == (202, {"queued": 0, "skipped": len(WRONG_EVENTS)})


def test_501_events_are_rejected_whole(hostile: Served) -> None:
    must_reject(hostile.ask("POST", BATCH_PATH, {"events": [*BATCHED, BATCHED[0]]}), 400)
    must_reject(hostile.ask("POST", BATCH_PATH, {"events": BATCHED * 100}), 400)


@pytest.mark.parametrize("size", [MAX_BODY + 1, 3 * MAX_BODY])
def test_a_body_above_the_limit_is_rejected(hostile: Served, size: int) -> None:
    for path in (SINGLE_PATH, BATCH_PATH, SESSION_PATH, "/api/segments/", "/api/pim/import/csv/"):
        must_reject(hostile.ask("POST", path, b" " * size), 413)


def test_a_body_of_10_mib_of_anything_is_rejected(hostile: Served) -> None:
    long = b'{"name": "' + b"x" * (MAX_BODY - 13) + b'"}'
    wide = b'{"events": [' + b"1," * ((MAX_BODY - 16) // 2) + b"1]}"
    for body in (b" " * MAX_BODY, b"[" * MAX_BODY, b"\x00" * MAX_BODY, long, wide):
        assert len(body) <= MAX_BODY
        must_reject(hostile.ask("POST", BATCH_PATH, body), 400)
        must_reject(hostile.ask("POST", "/api/activations/", body), 400)


def nested(depth: int, inner: object, name: str = "a") -> bytes:
    return f'{{"{name}":'.encode() * depth + json.dumps(inner).encode() + b"}" * depth


@pytest.mark.parametrize("depth", [1100, 100_000])
def test_deep_nesting_is_rejected_or_skipped(hostile: Served, depth: int) -> None:
    event = b'{"user_id": "u", "event_type": "e", "payload": ' + nested(depth, 1) + b"}"
    must_reject(hostile.ask("POST", SINGLE_PATH, event), 400)
    batch = hostile.ask("POST", BATCH_PATH, b'{"events": [' + event + b"]}")
    assert batch.status == 400 or json.loads(batch.body) == {"queued": 0, "skipped": 1}
    for path in ("/api/pim/products/", "/api/segments/preview/", "/api/schemas/", "/api/ai-reach/simulate/"):
        must_reject(hostile.ask("POST", path, nested(depth, 1, "definition")), 400)
    groups = b'{"logic": "AND", "conditions": [' * depth + b"]}" * depth
    must_reject(hostile.ask("POST", "/api/segments/preview/", b'{"definition": ' + groups + b"}"), 400)


BAD_CONDITIONS: list[Any] = [
    {},
    None,
    {"type": "unknown"},
    {"type": ["event_count"]},
    {"type": "event_count", "event_type": "e", "operator": "is_probably", "value": 1},
    {"type": "event_count", "event_type": "e", "operator": "contains", "value": 1},
    {"type": "event_count", "event_type": "e", "operator": "gte", "value": "1"},
    {"type": "event_count", "event_type": "e", "operator": "gte", "value": 1, "window_days": -1},
    {"type": "user_property", "property": "p", "operator": "in", "value": 5},
    {"type": "segment_membership", "segment_id": 999_999, "operator": "in"},
    {"type": "user_property", "property": "p", "operator": "matches_regex", "value": "("},
    {"type": "user_property", "property": "p", "operator": "matches_regex", "value": "(a)\\1"},
    {"type": "user_property", "property": "p", "operator": "matches_regex", "value": "(?=a)"},
    {"type": "user_property", "property": "p", "operator": "matches_regex", "value": "((a{99}){99}){99}"},
    {"type": "user_property", "property": "p", "operator": "matches_regex", "value": "(" * 5000 + ")" * 5000},
]


@pytest.mark.parametrize("condition", BAD_CONDITIONS)
def test_unknown_conditions_and_operators_are_rejected(hostile: Served, condition: object) -> None:
    for definition in (
        {"logic": "AND", "conditions": [condition]},
        {"logic": "OR", "conditions": [{"logic": "AND", "conditions": [condition]}]},
    ):
        body = {"name": "Bad", "definition": definition}
        must_reject(hostile.ask("POST", "/api/segments/", body), 400)
        must_reject(hostile.ask("POST", "/api/segments/preview/", body), 400)
        must_reject(hostile.ask("PATCH", "/api/segments/1/", body), 400)
        must_reject(hostile.ask("POST", "/api/product-segments/", body), 400)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "^(a|a)*$", "(a*)*b", "(.*a){12}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){40}a{40}$"]
)
def test_regexes_that_explode_elsewhere_are_handled(hostile: Served, pattern: str) -> None:
    condition = {"type": "event_property", "event_type": "e", "property": "text", "operator": "matches_regex"}
    definition = {"logic": "AND", "conditions": [{**condition, "value": pattern}]}
    reply = hostile.ask("POST", "/api/segments/preview/", {"definition": definition})  # gives up after 20 s
    assert (reply.status, json.loads(reply.body)["matched_users"]) == (200, 0)


@pytest.mark.parametrize("logic", ["XOR", "and", None, 1, ["AND"]])
def test_unknown_logic_is_rejected(hostile: Served, logic: object) -> None:
    must_reject(hostile.ask("POST", "/api/segments/preview/", {"definition": {"logic": logic, "conditions": []}}), 400)


def test_what_is_not_json_is_checked_too(hostile: Served) -> None:
    must_reject(hostile.ask("POST", "/api/ingestion/shopify/local/", b"{}"), 401, 403)
    must_reject(hostile.ask("POST", "/api/pim/import/csv/", b"sku,name\r\nA,a\r\n"), 400)
    for kind in (
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 9999,
    ):
        must_reject(hostile.ask("POST", "/api/pim/import/csv/", b"--b\r\n" * 50_000, **{"Content-Type": kind}), 400)
