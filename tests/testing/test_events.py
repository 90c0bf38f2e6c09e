"""The assertions about tracked events: what matches, and what a failure says."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsConfigError
from segops.testing import RunningSegOps, TrackedEvents, make_client, memory_transport


@pytest.fixture
def client() -> Iterator[SegOpsClient]:
    with make_client() as client:
        yield client


@pytest.fixture
def events(client: SegOpsClient) -> TrackedEvents:
    return TrackedEvents(client)


NOW = "2027-01-15T08:00:00Z"
ORDER: dict[str, Any] = {
    "total": 89.5,
    "currency": "EUR",
    "is_gift": True,
    "customer": {"name": "Ada", "tags": ["new", "vip"]},
    "items": [{"sku": "A", "count": 1}, {"sku": "B", "count": 2}],
}


@pytest.fixture(autouse=True)
def _ordered(client: SegOpsClient, events: TrackedEvents) -> None:
    assert len(events) == 0
    client.track(user_id="u-1", event_type="order_placed", payload=ORDER, anonymous_id="a-1")


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"user_id": "u-1", "anonymous_id": "a-1"},
        {"payload": {}},
        {"payload": {"total": 89.5, "is_gift": True}},
        {"payload": {"total": pytest.approx(89.5)}},
        {"payload": {"customer": {"tags": ["new", "vip"]}}},
        {"payload": {"customer": {"tags": ("new", "vip")}}},
        {"payload": {"items": [{"sku": "A"}, {"count": 2}]}},
        {"payload": ORDER},
        {"occurred_at": NOW},
        {"times": 1},
    ],
)
def test_an_event_matches_by_what_is_given(events: TrackedEvents, expected: dict[str, Any]) -> None:
    event = events.assert_tracked("order_placed", **expected)
    assert event["payload"] == ORDER


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"user_id": "u-2"}, "user_id: expected 'u-2', got 'u-1'"),
        ({"anonymous_id": "a-2"}, "anonymous_id: expected 'a-2', got 'a-1'"),
        ({"occurred_at": "2027-01-15"}, "occurred_at: expected '2027-01-15', got '2027-01-15T08:00:00Z'"),
        ({"payload": {"total": 90}}, "payload['total']: expected 90, got 89.5"),
        ({"payload": {"totals": 90}}, "payload['totals']: expected 90, got nothing"),
        ({"payload": {"is_gift": 1}}, "payload['is_gift']: expected 1, got True"),
        ({"payload": {"customer": {"name": "Eve"}}}, "payload['customer']['name']: expected 'Eve', got 'Ada'"),
        ({"payload": {"items": [{"sku": "A"}, {"sku": "C"}]}}, "payload['items'][1]['sku']: expected 'C', got 'B'"),
        ({"payload": {"items": [{"sku": "A"}]}}, "payload['items']: expected [{'sku': 'A'}], got [{"),
        ({"payload": {"currency": None}}, "payload['currency']: expected None, got 'EUR'"),
        ({"times": 2}, "expected 2 matching events, found 1"),
    ],
)
def test_a_failure_says_what_differs(events: TrackedEvents, expected: dict[str, Any], said: str) -> None:
    with pytest.raises(AssertionError) as failure:
        events.assert_tracked("order_placed", **expected)
    assert said in str(failure.value)


def test_a_failure_shows_the_nearest_event(client: SegOpsClient, events: TrackedEvents) -> None:
    nearest = {**ORDER, "total": 10}
    client.track(user_id="u-2", event_type="order_placed", payload=nearest)
    client.track(user_id="u-2", event_type="page_viewed", payload={"total": 20})
    with pytest.raises(AssertionError) as failure:
        events.assert_tracked("order_placed", user_id="u-2", payload={"total": 20, "currency": "EUR"})
    assert str(failure.value).splitlines() == [
        "no tracked event matches",
        "  expected: order_placed, user_id='u-2', payload={'total': 20, 'currency': 'EUR'}",
        f"  nearest:  order_placed, user_id='u-2', occurred_at={NOW!r}, payload={nearest} (event 2 of 3)",
        "    payload['total']: expected 20, got 10",
    ]


def test_a_misspelled_type_is_compared_with_the_most_similar(client: SegOpsClient, events: TrackedEvents) -> None:
    client.track(user_id="u-1", event_type="page_viewed")
    with pytest.raises(AssertionError, match="event_type: expected 'order_place', got 'order_placed'"):
        events.assert_tracked("order_place")


def test_nothing_tracked_is_said(client: SegOpsClient) -> None:
    later = TrackedEvents(client)
    with pytest.raises(AssertionError, match=r"expected: order_placed\n  nothing was tracked"):
        later.assert_tracked("order_placed")
    later.assert_nothing_tracked()
    assert list(later) == []


def test_nothing_tracked_fails_with_a_list(client: SegOpsClient, events: TrackedEvents) -> None:
    events.assert_nothing_tracked("page_viewed")
    for number in range(12):
        client.track(user_id=f"u-{number}", event_type="page_viewed")
    with pytest.raises(
        AssertionError, match=r"expected no events, found 12\n  page_viewed, user_id='u-0'.*"
    ) as failure:
        events.assert_nothing_tracked("page_viewed")
    assert str(failure.value).endswith("\n  … and 2 more")
    with pytest.raises(AssertionError, match="found 13"):
        events.assert_nothing_tracked()


def test_a_referral_is_asserted_by_its_assistant(client: SegOpsClient, events: TrackedEvents) -> None:
    with pytest.raises(AssertionError, match="no tracked event matches"):
        events.assert_ai_referral("perplexity")
    client.track_page_view("u-1", url="https://shop.example.org/k", referrer="https://perplexity.ai/?q=lamps")
    referral = events.assert_ai_referral("perplexity", user_id="u-1", payload={"query_hint": "lamps"})
    assert referral["payload"]["landing_url"] == "https://shop.example.org/k"
    with pytest.raises(AssertionError, match=r"payload\['source_provider'\]: expected 'claude', got 'perplexity'"):
        events.assert_ai_referral("claude")


def test_a_failure_says_that_events_were_not_delivered(client: SegOpsClient, events: TrackedEvents) -> None:
    assert client.flush()
    memory_transport(client).respond_with(401)
    client.track(user_id="u-1", event_type="order_paid")
    with pytest.raises(AssertionError, match="the client has not delivered 1 events"):
        events.assert_tracked("order_paid")


def test_a_closed_client_still_has_its_events(client: SegOpsClient, events: TrackedEvents) -> None:
    assert client.shutdown()
    events.assert_tracked("order_placed", times=1)


def test_times_below_one_are_refused(events: TrackedEvents) -> None:
    with pytest.raises(ValueError, match="times must be at least 1, got 0: use assert_nothing_tracked"):
        events.assert_tracked("order_placed", times=0)


def test_an_event_of_another_thread_is_waited_for(client: SegOpsClient, events: TrackedEvents) -> None:
    go = threading.Event()

    def late() -> None:
        go.wait(60)
        client.track(user_id="u-9", event_type="late_one")

    thread = threading.Thread(target=late)
    thread.start()
    threading.Timer(0.05, go.set).start()
    events.assert_tracked("late_one", within=60)
    thread.join()


def test_events_are_a_sequence_that_is_always_up_to_date(client: SegOpsClient, events: TrackedEvents) -> None:
    assert len(events) == 1
    client.track(user_id="u-2", event_type="page_viewed")
    assert [event["user_id"] for event in events] == ["u-1", "u-2"]
    assert events[-1]["event_type"] == "page_viewed"
    assert "u-1" not in repr(events)


def test_a_client_without_a_memory_is_refused() -> None:
    with SegOpsClient("local:") as client, pytest.raises(SegOpsConfigError, match=r"over memory:, got one over local:"):
        TrackedEvents(client)


def test_a_running_segops_has_events_and_hides_its_keys() -> None:
    with RunningSegOps() as segops:
        with SegOpsClient(segops.url, segops.secret_key) as client:
            client.track(user_id="u-1", event_type="order_placed", payload={"total": 5})
        stored = segops.events.assert_tracked("order_placed", payload={"total": 5})
        assert stored["user_id"] == "u-1"
        assert segops.secret_key not in repr(segops)
        assert segops.environment["SEGOPS_API_URL"] == segops.url
        assert segops.environment["SEGOPS_API_KEY"] == segops.secret_key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SEGOPS_DISABLED", "1"),
        ("SEGOPS_API_KEY", "not a key"),
        ("SEGOPS_SPOOL", "/no/such/folder/s.db"),
        ("SEGOPS_API_URL", "https://api.segops.ai"),
        ("SEGOPS_PLUGINS", "no_such_plugin"),
    ],
)
def test_the_client_of_tests_ignores_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with make_client() as client:
        client.track(user_id="u-1", event_type="order_placed")
        assert client.flush()
        assert len(memory_transport(client).events) == 1
    assert os.environ[name] == value
