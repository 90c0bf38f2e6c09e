"""What `track` is given: ids, times, payloads of the wrong kind, the size limit, and changes behind its back."""

import json
import sys
import threading
from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from segops import Event, Limits, SegOpsClient, SegOpsEncodingError, SegOpsEventError
from segops.transports.memory import MemoryTransport
from tests.rig.tracking import FIELDS, Outcome

UTC = timezone.utc
ODD = timezone(timedelta(hours=5, minutes=30, seconds=29))


class SafeString(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError


class FakeDatetime(datetime):
    """As freezegun has it while time is frozen, and pandas' Timestamp always."""


class NaT(datetime):
    """As pandas has it: a datetime that equals nothing."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


class BrokenZone(tzinfo):
    def utcoffset(self, _moment: datetime | None) -> timedelta:
        raise RuntimeError("secret")

    def dst(self, _moment: datetime | None) -> None:
        return None

    def tzname(self, _moment: datetime | None) -> None:
        return None


class NoOffset(tzinfo):
    def utcoffset(self, _moment: datetime | None) -> None:
        return None

    dst = utcoffset

    def tzname(self, _moment: datetime | None) -> None:
        return None


class BrokenMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("secret")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("secret")

    def __len__(self) -> int:
        raise RuntimeError("secret")


class BrokenTruth(str):
    __slots__ = ()

    def __bool__(self) -> bool:
        raise RuntimeError("secret")

    def __len__(self) -> int:
        raise RuntimeError("secret")


NOT_TEXT = [None, "", 0, 7, 1.5, True, b"u-1", UUID(int=1), ["u-1"], object(), SafeString(""), BrokenTruth("u")]


@pytest.mark.parametrize("value", NOT_TEXT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", ["user_id", "event_type"])
def test_an_id_that_is_no_text_drops_the_event(name: str, value: Any) -> None:
    """Row 62."""
    error = Outcome(**{name: value}).dropped("invalid")
    assert isinstance(error, SegOpsEventError)
    assert "secret" not in str(error)


@pytest.mark.parametrize("name", ["user_id", "event_type"])
def test_a_missing_id_drops_the_event(name: str) -> None:
    """Row 62."""
    mapping = {key: value for key, value in FIELDS.items() if key != name}
    with SegOpsClient("memory:", worker="inline") as client:
        client.track(mapping)
        client.track(**mapping)
    assert client.stats().dropped == {"invalid": 2}


@pytest.mark.parametrize("value", [0, 7, b"d-1", UUID(int=1), ["d-1"]], ids=lambda value: type(value).__name__)
def test_an_anonymous_id_that_is_no_text_drops_the_event(value: Any) -> None:
    assert "anonymous_id must be a non-empty string" in str(Outcome(anonymous_id=value).dropped("invalid"))


@pytest.mark.parametrize("name", ["user_id", "event_type", "anonymous_id"])
@pytest.mark.parametrize("payload", [{"a": 1}, {"a": (1,)}], ids=["plain", "not plain"])
def test_ids_are_subclasses_of_str_or_hold_lone_surrogates(name: str, payload: dict[str, Any]) -> None:
    """Rows 54 and 57."""
    assert Outcome(payload=payload, **{name: SafeString("x-1")}).event[name] == "x-1"
    outcome = Outcome(payload=payload, **{name: "x-\ud800"})
    assert outcome.event[name] == "x-\ufffd"
    assert outcome.stats.coerced == 1


def test_all_that_is_wrong_raises_if_strict_and_is_counted_all_the_same() -> None:
    """Row 62."""
    with SegOpsClient("memory:", worker="inline", strict=True, limits=Limits(max_event_bytes=200)) as client:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"user_id": ""}, "invalid"),
            ({"event_type": None}, "invalid"),
            ({"anonymous_id": 7}, "invalid"),
            ({"occurred_at": "soon"}, "invalid"),
            ({"payload": [1]}, "invalid"),
            ({"payload": {"a": "a" * 200}}, "too_large"),
            ({"payload": BrokenMapping()}, "invalid"),
        ]
        for fields, reason in cases:
            with pytest.raises(SegOpsEventError) as caught:
                client.track(**{**FIELDS, **fields})
            assert caught.value.reason == reason
        with pytest.raises(SegOpsEventError, match="expected an Event, a mapping, or keywords, got"):
            client.track("order_placed")  # type: ignore[arg-type]
    assert client.stats().dropped == {"invalid": 7, "too_large": 1}


RFC3339 = [
    "2026-04-25T14:32:00Z",
    "2026-04-25T14:32:00.5Z",
    "2026-04-25T14:32:00.123456789Z",
    "2026-04-25T14:32:00+02:00",
    "2026-04-25T14:32:00-00:00",
]


@pytest.mark.parametrize("text", RFC3339)
def test_a_time_as_rfc_3339_text_is_passed_on_as_it_is(text: str) -> None:
    assert Outcome(occurred_at=text).event["occurred_at"] == text
    assert Outcome(occurred_at=text, payload={"a": (1,)}).event["occurred_at"] == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2015-02-17 20:50:06.100000", "2015-02-17T20:50:06.100000Z"),
        ("2015-02-17 20:50:06.1", "2015-02-17T20:50:06.1Z"),
        ("2026-04-25T14:32:00,123456789", "2026-04-25T14:32:00.123456789Z"),
        ("2026-04-25T14:32:00", "2026-04-25T14:32:00Z"),
        ("2026-04-25T14:32", "2026-04-25T14:32:00Z"),
        ("2026-04-25T14", "2026-04-25T14:00:00Z"),
        ("2026-04-25T14:32+02:00", "2026-04-25T14:32:00+02:00"),
        ("2026-04-25T14:32Z", "2026-04-25T14:32:00Z"),
        ("2026-04-25 14:32:00Z", "2026-04-25T14:32:00Z"),
        ("2026-04-25t14:32:00z", "2026-04-25T14:32:00Z"),
        ("2026-04-25T14:32:00-0730", "2026-04-25T14:32:00-07:30"),
        ("2026-04-25T14:32:00+0000", "2026-04-25T14:32:00+00:00"),
        ("2026-04-25 14:32:00 +0200", "2026-04-25T14:32:00+02:00"),
        ("2026-04-25 14:32:00+02", "2026-04-25T14:32:00+02:00"),
        ("2026-04-25 14:32:00 UTC", "2026-04-25T14:32:00Z"),
        ("2026-04-25T14:32:00+05:30:29", "2026-04-25T09:01:31Z"),
        ("2026-04-25T14:32:00.123456789-05:30:29", "2026-04-25T20:02:29.123456789Z"),
        ("2026-04-25T14:32:00+05:30:00", "2026-04-25T14:32:00+05:30"),
        ("20260425T143200Z", "2026-04-25T14:32:00Z"),
        ("20260425T143200.5+0200", "2026-04-25T14:32:00.5+02:00"),
        ("2026-04-25", "2026-04-25T00:00:00Z"),
        ("20260425", "2026-04-25T00:00:00Z"),
        ("2026-W17-6", "2026-04-25T00:00:00Z"),
        ("2026W176T14:32", "2026-04-25T14:32:00Z"),
    ],
)
def test_a_time_in_another_form_of_iso_8601_is_sent_as_rfc_3339(text: str, read: str) -> None:
    assert Outcome(occurred_at=text).event["occurred_at"] == read


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        (datetime(2026, 4, 25, 14, 32, tzinfo=UTC), "2026-04-25T14:32:00Z"),
        (datetime(2026, 4, 25, 14, 32), "2026-04-25T14:32:00Z"),  # noqa: DTZ001 - a naive one is what is tested
        (datetime(2026, 4, 25, 14, 32, tzinfo=timezone(timedelta(hours=2))), "2026-04-25T14:32:00+02:00"),
        (FakeDatetime(2026, 4, 25, 14, 32, tzinfo=UTC), "2026-04-25T14:32:00Z"),
        (FakeDatetime(2026, 4, 25, 14, 32), "2026-04-25T14:32:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (SafeString("2026-04-25T14:32:00Z"), "2026-04-25T14:32:00Z"),
        (datetime(2026, 4, 25, 14, 32, tzinfo=ODD), "2026-04-25T09:01:31Z"),
        (FakeDatetime(2026, 4, 25, 14, 32, 0, 5, tzinfo=ODD), "2026-04-25T09:01:31.000005Z"),
        (datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")), "1899-12-31T23:40:28Z"),
        (datetime(2026, 4, 25, 14, 32, tzinfo=NoOffset()), "2026-04-25T14:32:00Z"),
    ],
    ids=lambda case: f"{type(case).__name__}",
)
@pytest.mark.parametrize("payload", [{"a": 1}, {"a": (1,)}], ids=["plain", "not plain"])
def test_a_time_is_sent_with_its_offset(moment: Any, sent: str, payload: dict[str, Any]) -> None:
    assert Outcome(occurred_at=moment, payload=payload).event["occurred_at"] == sent


@pytest.mark.parametrize("missing", [None, ""])
def test_a_time_that_is_not_given_is_that_of_the_call(missing: str | None) -> None:
    before = datetime.now(UTC)
    arrived = Outcome(occurred_at=missing).event["occurred_at"]
    assert before <= datetime.strptime(arrived, "%Y-%m-%dT%H:%M:%S.%f%z") <= datetime.now(UTC)


@pytest.mark.parametrize(
    "when",
    [
        "now",
        " 2026-04-25",
        "2026",
        "2026-04",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-04-25T25:00:00Z",
        "2026-04-25T24:00:00Z",
        "2026-12-31T23:59:60Z",
        "2026-04-25T14:32:00+25:00",
        "2026-04-25T14:32:00+05:30:99",
        "2026-W54-1",
        "2026-04-25T14:32:00Z ",
        "2026-04-25T14:32:00 CEST",
        "\uff12026-04-25T14:32:00Z",
        "0001-01-01T00:00:00+05:30:29",
        "25.04.2026",
        "1714055520",
        "\ud800",
        "x" * 100_000,
        1714055520,
        1714055520.5,
        date(2026, 4, 25),
        timedelta(days=1),
        b"2026-04-25",
        np.datetime64("2026-04-25"),
        ["2026-04-25"],
        object(),
        NaT(1, 1, 1, tzinfo=UTC),
        NaT(1, 1, 1),
        datetime(2026, 4, 25, tzinfo=BrokenZone()),
        datetime(1, 1, 1, tzinfo=ODD),
        datetime(2026, 4, 25, tzinfo=timezone(timedelta(microseconds=1))),
    ],
    ids=lambda when: f"{type(when).__name__}",
)
def test_a_time_that_is_none_drops_the_event(when: Any) -> None:
    error = Outcome(occurred_at=when).dropped("invalid")
    assert "secret" not in str(error)
    assert len(str(error)) < 200


@pytest.mark.parametrize("payload", [[1], "a", 7, object(), {"a"}, iter(())], ids=lambda value: type(value).__name__)
def test_a_payload_that_is_no_mapping_drops_the_event(payload: Any) -> None:
    assert "payload must be a mapping" in str(Outcome(payload=payload).dropped("invalid"))


@pytest.mark.parametrize("payload", [{"a": 1}, OrderedDict(a=1), UserDict(a=1)], ids=lambda value: type(value).__name__)
def test_a_payload_is_any_mapping(payload: Any) -> None:
    assert Outcome(payload=payload).payload == {"a": 1}


@pytest.mark.parametrize("payload", [None, {}, UserDict()], ids=lambda value: type(value).__name__)
def test_an_empty_payload_is_no_mistake(payload: Any) -> None:
    assert Outcome(payload=payload).payload == {}


def test_a_mapping_or_an_event_that_fails_when_read_drops_the_event() -> None:
    with SegOpsClient("memory:", worker="inline") as client:
        client.track(BrokenMapping())
        client.track(**FIELDS, payload=BrokenMapping())
        client.track(Event("u-1", "order_placed", payload=BrokenMapping()))
        client.track(Event(7, "order_placed"))  # type: ignore[arg-type]
    assert client.stats().dropped == {"invalid": 4}


@pytest.mark.parametrize(
    "url", [["a"], object(), b"/a", 7, np.arange(3), BrokenTruth("a")], ids=lambda v: type(v).__name__
)
def test_a_page_view_of_a_url_that_is_no_text_is_sent_or_dropped(url: Any) -> None:
    with SegOpsClient("memory:", worker="inline") as client:
        client.track_page_view("u-1", url=url)
        client.track_page_view(url)
    stats = client.stats()
    assert (stats.accepted, stats.pending) == (2, 0)
    assert set(stats.dropped) <= {"invalid"}


def test_whatever_identify_is_given_it_never_raises() -> None:
    with SegOpsClient("memory:", worker="inline") as client:
        client.identify(BrokenMapping())
        client.identify(7)  # type: ignore[arg-type]
        client.identify(user_id="u-1", traits=BrokenMapping())
    assert client.stats().dropped == {"invalid": 3}


def test_a_plugin_is_not_blamed_for_what_the_application_passed() -> None:
    errors: list[Exception] = []
    with SegOpsClient("memory:", worker="inline", on_error=errors.append) as client:
        for _ in range(10):
            client.track_page_view("u-1", url=object())  # type: ignore[arg-type]
    assert client.stats().dropped == {"invalid": 10}
    assert {type(error) for error in errors} == {SegOpsEncodingError}


def _size(text: str) -> int:
    return len(Outcome(occurred_at="2026-04-25", payload={"a": text}).bodies[0]) - len(b'{"events":[]}')


@pytest.mark.parametrize("unit", ["a", "é", '"', "\x00"], ids=["ascii", "two bytes", "escaped", "six bytes"])
def test_the_size_limit_is_32_kib_of_the_encoded_event_to_the_byte(unit: str) -> None:
    """Row 61."""
    limit = 32 * 1024
    width = _size(unit) - _size("")
    room = limit - _size("")
    text = unit * (room // width) + "a" * (room % width)
    assert _size(text) == limit
    error = Outcome(occurred_at="2026-04-25", payload={"a": text + "a"}).dropped("too_large")
    assert f"{limit + 1} bytes" in str(error)


def test_what_is_changed_after_the_call_is_sent_as_it_was() -> None:
    """Row 47."""
    lines = [{"sku": "a"}]
    payload = {"lines": lines, "total": 1}
    when = {"user_id": "u-1", "event_type": "order_placed", "payload": payload}
    transport = MemoryTransport()
    with SegOpsClient(transport=transport, worker="inline") as client:
        client.track(when)
        lines[0]["sku"] = "b"
        lines.append({"sku": "c"})
        payload.clear()
        when["user_id"] = "u-2"
    [event] = transport.events
    assert (event["user_id"], event["payload"]) == ("u-1", {"lines": [{"sku": "a"}], "total": 1})


@pytest.mark.parametrize("value", [1, (1,)], ids=["plain", "not plain"])
def test_what_another_thread_changes_meanwhile_never_raises_and_is_counted_once(value: Any) -> None:
    payload = {f"k{number}": [value] for number in range(200)}
    stop = threading.Event()

    def change() -> None:
        number = 200
        while not stop.is_set():
            payload[f"k{number}"] = [value]
            payload.pop(f"k{number - 100}", None)
            number += 1

    calls = 300
    transport = MemoryTransport()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        with SegOpsClient(transport=transport, worker="inline") as client:
            for _ in range(calls):
                client.track(**FIELDS, payload=payload)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)
    stats = client.stats()
    assert stats.accepted == calls
    assert stats.delivered == len(transport.events)
    assert set(stats.dropped) <= {"invalid"}
    for request in transport.requests:
        json.loads(request.body)
