"""Definitions that are invalid, hostile, too large or too slow."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from segops.emulator.segments import evaluate
from tests.emulator.segments.segment_desk import PREFIX, Desk, group
from tests.emulator.segments.segment_reference import Happening


@pytest.fixture
def desk() -> Desk:
    return Desk()


def prop(operator: str, value: Any = None, value2: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "user_property", "property": "p", "operator": operator, "value": value, "value2": value2, **more}


COUNT = {"type": "event_count", "event_type": "e", "operator": "gte", "value": 1}
DEEP: Any = COUNT
for _ in range(11):
    DEEP = group(DEEP)

WRONG = {
    "not an object": [],
    "no logic": {"conditions": []},
    "unknown logic": {"logic": "XOR", "conditions": []},
    "no conditions": {"logic": "AND"},
    "conditions are not a list": {"logic": "AND", "conditions": {}},
    "condition is text": group("x"),
    "condition is null": group(None),
    "no type": group({"operator": "eq"}),
    "unknown type": group({"type": "telepathy"}),
    "unknown operator": group({**COUNT, "operator": "approximately"}),
    "operator of another type": group({**COUNT, "operator": "contains"}),
    "recency with gte": group({"type": "recency", "event_type": "e", "operator": "gte", "window_days": 1}),
    "recency without window": group({"type": "recency", "event_type": "e", "operator": "gt"}),
    "event type missing": group({"type": "event_count", "operator": "gte", "value": 1}),
    "event type empty": group({**COUNT, "event_type": ""}),
    "event type with U+0000": group({**COUNT, "event_type": "a\0b"}),
    "value is text": group({**COUNT, "value": "1"}),
    "value is boolean": group({**COUNT, "value": True}),
    "value is null": group({**COUNT, "value": None}),
    "window of zero": group({**COUNT, "window_days": 0}),
    "window below zero": group({**COUNT, "window_days": -1}),
    "window of ages": group({**COUNT, "window_days": 1e9}),
    "unknown metric": group({"type": "monetary", "operator": "gt", "value": 1, "metric": "median"}),
    "empty sequence": group({"type": "event_sequence", "events": [], "window_days": 1}),
    "long sequence": group({"type": "event_sequence", "events": ["e"] * 21, "window_days": 1}),
    "sequence without window": group({"type": "event_sequence", "events": ["e"]}),
    "segment is text": group({"type": "segment_membership", "segment_id": "x", "operator": "in"}),
    "segment compared": group({"type": "segment_membership", "segment_id": 1, "operator": "eq"}),
    "equal to nothing": group(prop("eq")),
    "equal to a list": group(prop("eq", [1])),
    "greater than true": group(prop("gt", value=True)),
    "between one bound": group(prop("between", 1)),
    "between two kinds": group(prop("between", 1, "2")),
    "between booleans": group(prop("not_between", value=True, value2=False)),
    "in a text": group(prop("in", "abc")),
    "in a list of lists": group(prop("in", [[1]])),
    "in too many": group(prop("not_in", list(range(1001)))),
    "starts with a number": group(prop("starts_with", 1)),
    "text with U+0000": group(prop("contains", "a\0")),
    "regex is a number": group(prop("matches_regex", 1)),
    "regex looks ahead": group(prop("matches_regex", "(?=a)")),
    "regex refers back": group(prop("matches_regex", r"(a)\1")),
    "regex is not closed": group(prop("matches_regex", "(")),
    "regex is huge": group(prop("matches_regex", "(a{1000}){1000}")),
    "too deep": DEEP,
    "too many": group(*[COUNT] * 101),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_definition_is_rejected_with_its_place(desk: Desk, name: str) -> None:
    for path, more in ((f"{PREFIX}preview/", {}), (PREFIX, {"name": "S"})):
        status, errors = desk.ask("POST", path, {"definition": WRONG[name], **more})
        assert (status, list(errors)) == (400, ["definition"])
        assert errors["definition"][0]
    assert desk.get(PREFIX)["count"] == 0


def test_the_place_is_reported_inside_nested_groups(desk: Desk) -> None:
    definition = group(COUNT, group(COUNT, {**COUNT, "operator": "no"}, logic="OR"))
    _, errors = desk.ask("POST", f"{PREFIX}preview/", {"definition": definition})
    assert errors == {"definition": ["Invalid enum value 'no' - at `$.conditions[1].conditions[1].operator`"]}


def test_the_largest_definitions_are_computed(desk: Desk) -> None:
    desk.track(Happening("u", "e", desk.now))
    deep: Any = COUNT
    for _ in range(10):
        deep = group(deep)
    long = {"type": "event_sequence", "events": ["e"] * 20, "window_days": 1}
    many = group(*[COUNT] * 90, *[prop("not_in", list(range(1000)))] * 8, long, {**long, "strict": True}, logic="OR")
    assert desk.preview(deep) == desk.preview(many) == ["u"]
    assert desk.preview(group(*[{**long, "strict": strict} for strict in (True, False)] * 50)) == []


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"definition":' * 5000, b"{", b"\xff", b"null", b'"x"'])
def test_a_body_that_is_not_a_definition_is_rejected(desk: Desk, body: bytes) -> None:
    assert desk.send("POST", f"{PREFIX}preview/", body).status == 400


INJECTIONS = [
    "'); DROP TABLE events; --",
    '"; DELETE FROM segments; --',
    ":p1",
    "?1",
    "$.a",
    '$."a"',
    'a"b',
    "a.b",
    "[0]",
    "#",
    "{0}",
    "%s",
    "\\",
    "' OR '1'='1",
    "ключ",
    "\u202egnp.exe",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_text_of_users_never_becomes_sql(desk: Desk, text: str) -> None:
    desk.track(
        Happening("hit", text, desk.now, {text: text, "n": 1}),
        Happening("hit", "context_identified", desk.now, {text: [text]}),
        Happening("miss", "other", desk.now, {"a": {"b": text}}),
        Happening("miss", "context_identified", desk.now, {"x": text}),
    )
    of_event = {"type": "event_property", "event_type": text, "property": text}
    conditions = [
        {"type": "event_count", "event_type": text, "operator": "eq", "value": 1},
        {"type": "recency", "event_type": text, "operator": "lt", "window_days": 1},
        {"type": "monetary", "event_type": text, "property": "n", "operator": "eq", "value": 1},
        {"type": "event_sequence", "events": [text, "context_identified"], "window_days": 1},
        {"type": "event_sequence", "events": [text, "context_identified"], "window_days": 1, "strict": True},
        {"type": "user_property", "property": text, "operator": "contains", "value": text},
        *(
            {**of_event, "operator": operator, "value": value, "value2": text}
            for operator, value in [
                ("eq", text),
                ("in", [text]),
                ("between", text),
                ("contains", text),
                ("starts_with", text),
                ("ends_with", text),
                ("matches_regex", f"^{re.escape(text)}$"),
                ("is_set", None),
            ]
        ),
    ]
    for condition in conditions:
        assert desk.preview(group(condition)) == ["hit"], condition
    status, response = desk.ask("POST", f"{PREFIX}preview/", {"definition": group(*conditions)})
    assert (status, response["matched_users"]) == (200, 1)
    assert text in {":p1", "#", "\\"} or text not in response["sql"]
    segment = desk.create(group(*conditions), name=text)
    assert all(row.matches for row in desk.explain(segment, "hit"))
    assert desk.get(f"{PREFIX}{segment}/")["name"] == text


def test_a_regex_that_explodes_elsewhere_is_handled_in_time(desk: Desk) -> None:
    desk.track(Happening("u", "context_identified", desk.now, {"p": "a" * 20_000 + "!"}))
    started = time.perf_counter()
    for pattern in ("^(a+)+$", "^(a|a)*$", "(a*)*b", "(.*)(.*)(.*)(.*)[^!a]"):
        assert desk.preview(group(prop("matches_regex", pattern))) == []
    assert time.perf_counter() - started < 60, "what explodes takes years"


def test_what_takes_too_long_is_given_up_and_the_server_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.track(Happening("u", "context_identified", desk.now, {"p": "ab" * 20_000}))
    monkeypatch.setattr(evaluate.time_limit.__wrapped__, "__defaults__", (0.0,))  # type: ignore[attr-defined]
    slow = group(prop("matches_regex", "^(a|b)*c"))
    status, response = desk.ask("POST", f"{PREFIX}preview/", {"definition": slow})
    assert status == 503
    assert "timed out after 0 s" in response["detail"]
    segment = desk.create(slow)
    desk.compute(segment)
    assert desk.get(f"{PREFIX}{segment}/")["last_computed_at"] is None
    monkeypatch.undo()
    desk.compute(segment)
    assert desk.get(f"{PREFIX}{segment}/")["last_computed_at"] is not None
