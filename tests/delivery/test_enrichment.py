"""Enrichers while they run: what they may do, and how failures are kept from events and applications."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from segops import Event, SegOpsClient, SegOpsPluginError, Stats
from segops.delivery.enrichment import MAX_ADDED, MAX_STRIKES, SLOW
from segops.transports.memory import MemoryTransport
from tests.rig.plugins import Enriching


class Run:
    """What came of tracking one payload a number of times with one enricher."""

    def __init__(self, enrich: Callable[[Event], Any], times: int = 1, *more: object) -> None:
        self.calls = 0
        self.errors: list[Exception] = []

        def counted(event: Event) -> Any:
            self.calls += 1
            return enrich(event)

        transport = MemoryTransport()
        plugins = [Enriching(counted, "mine", {"order_placed"}), *more]
        with SegOpsClient(transport=transport, worker="inline", plugins=plugins, on_error=self.errors.append) as client:
            for _ in range(times):
                client.track(
                    user_id="u-1", event_type="order_placed", occurred_at="2026-04-25T00:00:00Z", payload={"total": 1}
                )
        self.events = transport.events
        self.stats: Stats = client.stats()


PLAIN = {"user_id": "u-1", "event_type": "order_placed", "occurred_at": "2026-04-25T00:00:00Z", "payload": {"total": 1}}


def _raise(_event: Event) -> Event:
    raise RuntimeError("quotes the event")


def _endless(event: Event) -> Any:
    return itertools.repeat(event)


def _breaks_off(event: Event) -> Any:
    yield event
    raise RuntimeError


def _mutates_and_raises(event: Event) -> Event:
    event.payload["total"] = "lost"  # type: ignore[index]
    event.user_id = "u-2"
    raise RuntimeError


def _with(**fields: Any) -> Callable[[Event], Event]:
    def enrich(event: Event) -> Event:
        for name, value in fields.items():
            setattr(event, name, value)
        return event

    return enrich


FAILING = {
    "raises": _raise,
    "rubbish": lambda _: 7,
    "rubbish in a list": lambda event: [event, "x"],
    "text": lambda _: "event",
    "a mapping": lambda _: {"user_id": "u-1"},
    "endless": _endless,
    "too many": lambda event: [event] * (MAX_ADDED + 1),
    "breaks off": _breaks_off,
    "mutates and raises": _mutates_and_raises,
    "empties the user": _with(user_id=""),
    "number as user": _with(user_id=7),
    "no type": _with(event_type=None),
    "number as time": _with(occurred_at=7),
    "bad time": _with(occurred_at="soon"),
    "number as anonymous id": _with(anonymous_id=7),
    "no payload": _with(payload=None),
    "list as payload": _with(payload=[1]),
    "payload without JSON form": _with(payload={"a": object()}),
}


@pytest.mark.parametrize("enrich", FAILING.values(), ids=FAILING)
def test_the_event_passes_unenriched_if_the_enricher_fails(enrich: Callable[[Event], Any]) -> None:
    """Row 48."""
    run = Run(enrich)
    assert run.events == [PLAIN]
    assert (run.stats.accepted, run.stats.delivered, run.stats.dropped) == (1, 1, {})
    [error] = run.errors
    assert isinstance(error, SegOpsPluginError)
    assert str(error).startswith("enricher 'mine' raised ")
    assert "quotes" not in str(error)


@pytest.mark.parametrize("enrich", FAILING.values(), ids=FAILING)
def test_it_is_switched_off_after_repeated_failure(enrich: Callable[[Event], Any]) -> None:
    """Row 48."""
    run = Run(enrich, MAX_STRIKES + 3)
    assert run.calls == MAX_STRIKES
    assert len(run.errors) == MAX_STRIKES
    assert "turned off" in str(run.errors[-1])
    assert "turned off" not in str(run.errors[-2])
    assert run.events == [PLAIN] * (MAX_STRIKES + 3)


def test_a_success_in_between_forgives() -> None:
    numbers = itertools.count()

    def enrich(event: Event) -> Event:
        if next(numbers) % MAX_STRIKES:
            raise RuntimeError
        return event

    run = Run(enrich, 4 * MAX_STRIKES)
    assert run.calls == 4 * MAX_STRIKES
    assert "turned off" not in str(run.errors)


def test_one_that_is_slow_is_reported_and_switched_off_but_its_work_is_used() -> None:
    """Row 48."""

    def enrich(event: Event) -> Event:
        time.sleep(SLOW + 0.02)
        event.payload["slow"] = True  # type: ignore[index]
        return event

    run = Run(enrich, MAX_STRIKES + 2)
    assert run.calls == MAX_STRIKES
    assert "which delays every caller of track()" in str(run.errors[0])
    assert [event["payload"].get("slow", False) for event in run.events] == [True] * MAX_STRIKES + [False] * 2


def test_others_run_on_when_one_fails() -> None:
    def mark(event: Event) -> Event:
        event.payload["marked"] = True  # type: ignore[index]
        return event

    run = Run(_raise, 10, Enriching(mark, "other"))
    assert all(event["payload"] == {"total": 1, "marked": True} for event in run.events)


@pytest.mark.parametrize("nothing", [lambda _: None, lambda _: [], lambda _: iter(())])
def test_one_that_drops_an_event_is_counted_as_such(nothing: Callable[[Event], Any]) -> None:
    run = Run(nothing, 3)
    assert run.events == []
    assert (run.stats.accepted, run.stats.dropped) == (3, {"plugin": 3})
    assert run.errors == []


def test_events_are_added_in_order_up_to_a_bound() -> None:
    def enrich(event: Event) -> list[Event]:
        return [Event("u-1", f"step_{number}") for number in range(MAX_ADDED - 1)] + [event]

    run = Run(enrich)
    types = [event["event_type"] for event in run.events]
    assert types == [f"step_{number}" for number in range(MAX_ADDED - 1)] + ["order_placed"]
    assert run.stats.accepted == MAX_ADDED


def test_an_added_event_that_says_no_time_has_that_of_the_event_it_came_from() -> None:
    run = Run(lambda event: (event, Event("u-1", "order_repeated")))
    assert [event["occurred_at"] for event in run.events] == ["2026-04-25T00:00:00Z"] * 2


def test_an_added_event_is_seen_by_the_enrichers_after_but_not_before() -> None:
    seen: list[str] = []

    def look(event: Event) -> Event:
        seen.append(event.event_type)
        return event

    run = Run(lambda event: (event, Event("u-1", "order_repeated")), 1, Enriching(look, "later"))
    assert seen == ["order_placed", "order_repeated"]
    assert run.calls == 1


def test_one_that_wants_other_types_is_never_called() -> None:
    calls: list[Event] = []
    plugin = Enriching(calls.append, "other", {"page_viewed"})
    run = Run(lambda event: event, 5, plugin)
    assert (calls, len(run.events)) == ([], 5)


def test_it_may_change_its_copy_and_the_application_keeps_its_own() -> None:
    payload = {"total": 1}

    def enrich(event: Event) -> Event:
        event.payload["total"] = 2  # type: ignore[index]
        del event.payload["a"]  # type: ignore[attr-defined]
        return event

    payload["a"] = 1
    transport = MemoryTransport()
    given = Event("u-1", "order_placed", "2026-04-25T00:00:00Z", payload)
    with SegOpsClient(transport=transport, worker="inline", plugins=[Enriching(enrich)]) as client:
        client.track(given)
    assert transport.events[0]["payload"] == {"total": 2}
    assert payload == {"total": 1, "a": 1}
    assert given == Event("u-1", "order_placed", "2026-04-25T00:00:00Z", {"total": 1, "a": 1})


def test_one_added_event_that_is_too_large_does_not_take_the_others_with_it() -> None:
    run = Run(lambda event: [Event("u-1", "huge", payload={"a": "a" * 40_000}), event])
    assert run.events == [PLAIN]
    assert (run.stats.accepted, run.stats.dropped) == (2, {"too_large": 1})


def test_it_is_not_blamed_for_a_payload_of_the_application_that_has_no_json_form() -> None:
    errors: list[Exception] = []
    with SegOpsClient(
        "memory:", worker="inline", on_error=errors.append, plugins=[Enriching(lambda event: event)]
    ) as client:
        for _ in range(MAX_STRIKES + 1):
            client.track(user_id="u-1", event_type="order_placed", payload={"a": object()})
    assert client.stats().dropped == {"invalid": MAX_STRIKES + 1}
    assert not any(isinstance(error, SegOpsPluginError) for error in errors)
