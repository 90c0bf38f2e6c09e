"""Random events and random definitions, compared with an independent evaluation."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.local_service import START
from tests.emulator.segments.segment_desk import Desk
from tests.emulator.segments.segment_reference import Happening

NOW = datetime.fromtimestamp(START, timezone.utc)
DAY = timedelta(days=1)

TYPES = ["context_identified", "ünïcode'\"; --"]
KEYS = ['a"b', "$.x", "total"]
USERS = ["u1", "u2", "anon_d1", "anon_d2", "ü'; DROP TABLE events"]
ALIASES = {"anon_d1": "u1"}

texts = st.sampled_from(["", "a", "b", "aba", "é", "10", "%", "true", "😀", "a\nb"])
numbers = st.sampled_from([0, 1, -1, 2, 10, 1.5, 2.0, 1e3, -0.25, 2**60, 2**70, 0.1])
scalars = st.one_of(texts, numbers, st.booleans())
values = st.one_of(scalars, scalars, st.none(), st.lists(st.one_of(scalars, st.none()), max_size=3), st.just({"a": 1}))
payloads = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)
moments = st.one_of(
    st.integers(-80, 10).map(lambda hours: NOW + timedelta(hours=hours)),
    st.integers(-4, 1).map(lambda days: NOW + days * DAY),
)
events = st.lists(
    st.builds(Happening, st.sampled_from(USERS), st.sampled_from(TYPES), moments, payloads), min_size=1, max_size=12
)

days = st.sampled_from([0.5, 1, 1.5, 2, 3])
comparisons = st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"])
types = st.sampled_from([*TYPES, "unseen"])
keys = st.sampled_from([*KEYS, "unseen"])
windows = st.one_of(st.none(), days)


def _operators(condition: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    def one(
        names: str, value: st.SearchStrategy[Any], value2: st.SearchStrategy[Any] | None = None
    ) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                "operator": st.sampled_from(names.split()),
                "value": value,
                "value2": st.none() if value2 is None else value2,
            }
        )

    return st.one_of(
        one("eq neq contains does_not_contain", scalars),
        one("gt gte lt lte", st.one_of(texts, numbers)),
        one("between not_between", texts, texts),
        one("between not_between", numbers, numbers),
        one("in not_in", st.lists(scalars, max_size=4)),
        one("starts_with ends_with", texts),
        one("matches_regex", st.sampled_from(["", "a", "^a+b?$", "[^a-z]", r"\d{2}", "a|é", r"\bb", "(a.)+", "."])),
        one("is_set is_not_set is_true is_false", st.none()),
    ).map(lambda chosen: {**condition, **chosen})


conditions = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("event_count"),
            "event_type": types,
            "operator": comparisons,
            "value": st.sampled_from([0, 1, 2, 1.5]),
            "window_days": windows,
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("recency"),
            "event_type": types,
            "operator": st.sampled_from(["gt", "lt", "eq"]),
            "window_days": days,
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("monetary"),
            "operator": comparisons,
            "value": st.sampled_from([0, 1, 2, 1.5, -0.25, 0.3]),
            "property": keys,
            "metric": st.sampled_from(["sum", "avg", "max"]),
            "window_days": windows,
        },
        optional={"event_type": types},
    ),
    st.builds(lambda t, k: {"type": "event_property", "event_type": t, "property": k}, types, keys).flatmap(_operators),
    st.builds(lambda k: {"type": "user_property", "property": k}, keys).flatmap(_operators),
    st.fixed_dictionaries(
        {
            "type": st.just("event_sequence"),
            "events": st.lists(types, min_size=1, max_size=3),
            "window_days": days,
            "strict": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("segment_membership"), "segment_id": st.just(1), "operator": st.sampled_from(["in", "not_in"])}
    ),
)
logics = st.sampled_from(["AND", "OR"])
definitions = st.recursive(
    conditions,
    lambda inner: st.fixed_dictionaries({"logic": logics, "conditions": st.lists(inner, max_size=3)}),
    max_leaves=5,
).map(lambda node: node if "conditions" in node else {"logic": "AND", "conditions": [node]})


def leaves(node: dict[str, Any]) -> list[dict[str, Any]]:
    if "conditions" not in node:
        return [node]
    return [leaf for inner in node["conditions"] for leaf in leaves(inner)]


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(happened=events, wanted=st.lists(definitions, min_size=1, max_size=4))
def test_members_and_explanations_are_those_of_an_independent_evaluation(
    happened: list[Happening], wanted: list[dict[str, Any]]
) -> None:
    desk = Desk()
    other = {"type": "event_count", "event_type": TYPES[0], "operator": "gte", "value": 1}
    assert desk.create({"logic": "AND", "conditions": [other]}) == 1
    desk.track(*happened)
    with desk.segops._database.transaction() as connection:
        connection.execute("INSERT OR IGNORE INTO aliases VALUES ('anon_d1', 'u1', '')")
    desk.compute(1)
    world = desk.world(happened, aliases=ALIASES)
    world.segments = {1: set(world.members({"logic": "AND", "conditions": [other]}))}
    assert desk.stored_members(1) == sorted(world.segments[1])
    for definition in wanted:
        assert desk.preview(definition) == world.members(definition)
        segment = desk.create(definition)
        for user in world.by_user:
            rows = desk.explain(segment, user)
            assert [row.matches for row in rows] == [world.holds(leaf, user) for leaf in leaves(definition)]
            assert [row.index for row in rows] == list(range(len(rows)))
    desk.segops.close()
