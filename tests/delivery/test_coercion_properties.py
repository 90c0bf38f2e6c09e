"""Encoding, as properties: JSON survives, and nothing at all makes `track` raise or miscount."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timezone
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segops import SegOpsClient
from segops.core.encoding import encode_plain, is_plain
from segops.core.events import Event
from segops.delivery.coercion import encode_event
from segops.transports.memory import MemoryTransport
from tests.rig.tracking import FIELDS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)


def _nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


JSON = st.dictionaries(TEXT, _nested(st.none() | st.booleans() | NUMBERS | TEXT, TEXT), max_size=5)


def _same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal, type by type and sign by sign."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other) and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))


@given(JSON)
@settings(max_examples=200)
def test_json_arrives_as_it_was_whichever_way_it_is_encoded(payload: dict[str, Any]) -> None:
    assert is_plain(payload)
    event = Event("u-1", "order_placed", "2026-04-25", payload)
    plain = encode_plain(event)
    assert (plain, 0) == encode_event(event)
    assert _same(json.loads(plain).get("payload", {}), payload)


@given(_nested(st.text(max_size=5) | st.integers() | st.floats(), st.text(max_size=3)))
@settings(max_examples=200)
def test_the_count_of_coerced_values_is_that_of_the_values_json_does_not_have(value: Any) -> None:
    _, coerced = encode_event(Event("u-1", "order_placed", "2026-04-25", {"value": value}))
    assert coerced == _lossy(value)


def _lossy(value: Any) -> int:
    if isinstance(value, dict):
        names = [key.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for key in value]
        return sum(map(_lossy, value)) + sum(map(_lossy, value.values())) + len(names) - len(set(names))
    if isinstance(value, list):
        return sum(map(_lossy, value))
    if isinstance(value, str):
        return int(any("\ud800" <= character <= "\udfff" for character in value))
    if isinstance(value, float):
        return int(not math.isfinite(value))
    return int(not -(2**63) <= value < 2**64)


class Hostile:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


@dataclass
class Line:
    sku: Any


def _cycle() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append({"again": cycle})
    return cycle


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.fractions(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.uuids(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.datetimes(timezones=st.none() | st.just(timezone.utc) | st.timezones()),
    st.builds(object),
    st.builds(Hostile),
    st.builds(_cycle),
    st.builds(Line, st.integers() | st.builds(object)),
    st.sampled_from(
        [int, len, math, range(3), np.float64("nan"), np.arange(3), np.longdouble(1), memoryview(b"ab"), {1, "a"}, ...]
    ),
)
KEYS = st.text(max_size=3) | st.none() | st.integers() | st.floats() | st.dates() | st.tuples(st.integers())
SOUP = _nested(LEAVES, KEYS)
FIELD = st.text(max_size=3) | SOUP


def _keywords(client: SegOpsClient, soup: dict[str, Any]) -> None:
    client.track(**soup)


def _mapping(client: SegOpsClient, soup: dict[str, Any]) -> None:
    client.track(soup)


def _event(client: SegOpsClient, soup: dict[str, Any]) -> None:
    client.track(Event(**{**FIELDS, **soup}))


def _anything(client: SegOpsClient, soup: dict[str, Any]) -> None:
    client.track(soup.get("payload"))


def _traits(client: SegOpsClient, soup: dict[str, Any]) -> None:
    client.identify(user_id=soup.get("user_id"), traits=soup.get("payload"))


def _page(client: SegOpsClient, soup: dict[str, Any]) -> None:
    client.track_page_view(soup.get("user_id"), soup.get("event_type"), url=soup.get("payload"))


@given(
    st.sampled_from([_keywords, _mapping, _event, _anything, _traits, _page]),
    st.fixed_dictionaries(
        {},
        optional={
            "user_id": st.just("u-1") | FIELD,
            "event_type": st.sampled_from(["order_placed", "page_viewed"]) | FIELD,
            "occurred_at": st.none() | st.datetimes() | FIELD,
            "payload": st.dictionaries(KEYS, SOUP, max_size=4) | SOUP,
            "anonymous_id": st.none() | FIELD,
        },
    ),
)
@settings(max_examples=400)
def test_whatever_is_tracked_nothing_raises_and_the_ledger_counts_it_once(
    verb: Callable[[SegOpsClient, dict[str, Any]], None], soup: dict[str, Any]
) -> None:
    transport = MemoryTransport()
    with SegOpsClient(transport=transport, worker="inline", on_error=lambda _: None) as client:
        verb(client, soup)
        stats = client.stats()
        assert (stats.accepted, stats.delivered) == (1, 0)
        assert stats.pending + sum(stats.dropped.values()) == 1
    stats = client.stats()
    assert stats.delivered == len(transport.events)
    assert (stats.accepted, stats.pending) == (1, 0)
    for request in transport.requests:
        json.loads(request.body, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
