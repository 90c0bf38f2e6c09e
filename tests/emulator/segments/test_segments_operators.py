"""Each operator with each type of value, in segments and product segments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.segments.segment_desk import Desk, group
from tests.emulator.segments.segment_reference import MISSING, Happening, suits

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    1.0,
    -2.5,
    10,
    2**63,
    "",
    "1",
    "a",
    "ab",
    "true",
    "É",
    [],
    [1],
    ["a", True],
    {},
]
SCALARS: list[Any] = [True, False, 0, 1, 1.5, 10, "", "1", "a", "b", "true", "É"]
ORDERED = [value for value in SCALARS if not isinstance(value, bool)]
PAIRS = [(0, 1), (1, 0), (-5, 2**64), ("", "b"), ("b", "a"), ("1", "1")]
OPERANDS: dict[str, list[tuple[Any, Any]]] = {
    **{name: [(value, None) for value in SCALARS] for name in ("eq", "neq", "contains", "does_not_contain")},
    **{name: [(value, None) for value in ORDERED] for name in ("gt", "gte", "lt", "lte")},
    **{name: list(PAIRS) for name in ("between", "not_between")},
    **{name: [([], None), (SCALARS, None), ([1, "a"], None), ([True], None)] for name in ("in", "not_in")},
    **{name: [(text, None) for text in ("", "a", "b", "É", "tru")] for name in ("starts_with", "ends_with")},
    "matches_regex": [(text, None) for text in ("", "^a", "b$", "[0-9]", "é", "(?i)é")],
    **{name: [(None, None)] for name in ("is_set", "is_not_set", "is_true", "is_false")},
}
CASES = [(operator, *operands) for operator, pairs in OPERANDS.items() for operands in pairs]


@pytest.fixture(scope="module")
def desk() -> Desk:
    desk = Desk()
    events = [
        Happening(json.dumps(value), "context_identified", desk.now, {"p": value, "other": 1}) for value in VALUES
    ]
    desk.track(*events, Happening("missing", "context_identified", desk.now), Happening("no event", "x", desk.now))
    return desk


def test_the_whole_vocabulary_of_section_7_3_is_tried() -> None:
    vocabulary = (
        "eq neq gt gte lt lte between not_between in not_in contains does_not_contain starts_with ends_with "
        "matches_regex is_set is_not_set is_true is_false"
    )
    assert sorted(OPERANDS) == sorted(vocabulary.split())


@pytest.mark.parametrize(("operator", "value", "value2"), CASES)
def test_an_operator_on_each_kind_of_value(desk: Desk, operator: str, value: Any, value2: Any) -> None:
    condition = {"type": "user_property", "property": "p", "operator": operator, "value": value, "value2": value2}
    expected = {
        json.dumps(each) for each in VALUES if suits(operator, MISSING if each is None else each, value, value2)
    }
    if suits(operator, MISSING, value, value2):
        expected |= {"missing", "no event"}
    assert set(desk.preview(group(condition))) == expected


def test_null_and_a_property_that_is_not_there_are_the_same(desk: Desk) -> None:
    for operator, value, value2 in CASES:
        condition = {"type": "user_property", "property": "p", "operator": operator, "value": value, "value2": value2}
        found = desk.preview(group(condition))
        assert len({"null", "missing", "no event"} & set(found)) in (0, 3)


def test_of_a_repeated_key_the_last_counts(desk: Desk) -> None:
    body = b'{"user_id":"twice","event_type":"context_identified","payload":{"q":1,"q":2,"\\u0071":3}}'
    assert desk.send("POST", "/api/ingestion/track/", body).status == 202
    for value, found in ((1, []), (2, []), (3, ["twice"])):
        condition = {"type": "user_property", "property": "q", "operator": "eq", "value": value}
        assert desk.preview(group(condition)) == found
        assert desk.preview(group({"type": "monetary", "property": "q", "operator": "eq", "value": value})) == found


def test_numbers_beyond_what_sqlite_adds_up_exactly() -> None:
    desk = Desk()
    for _ in range(4):
        desk.track(Happening("rich", "order_placed", desk.now, {"total": 2**62}))
    body = b'{"user_id":"max","event_type":"order_placed","payload":{"total":1e999}}'
    assert desk.send("POST", "/api/ingestion/track/", body).status == 202
    condition = {"type": "monetary", "operator": "gte", "value": 2**64}
    assert desk.preview(group(condition)) == ["max", "rich"]


def test_events_of_the_same_time_are_in_order_of_arrival() -> None:
    desk = Desk()
    desk.track(Happening("ab", "a", desk.now, {"p": 1}), Happening("ab", "b", desk.now), Happening("ab", "c", desk.now))
    desk.track(Happening("ba", "b", desk.now), Happening("ba", "a", desk.now, {"p": 1}))
    desk.track(Happening("ba", "a", desk.now, {"p": 2}))
    for strict in (False, True):
        sequence = {"type": "event_sequence", "events": ["a", "b"], "window_days": 1, "strict": strict}
        assert desk.preview(group(sequence)) == ["ab"]
    skipping = {"type": "event_sequence", "events": ["a", "c"], "window_days": 1}
    assert desk.preview(group(skipping)) == ["ab"]
    assert desk.preview(group({**skipping, "strict": True})) == []
    latest = {"type": "event_property", "event_type": "a", "property": "p", "operator": "eq", "value": 2}
    assert desk.preview(group(latest)) == ["ba"]
