"""Mappings in place of events, contexts and page views: every key is read, or named in an error."""

from collections.abc import Iterator
from typing import Any

import pytest

from segops import SegOpsClient, SegOpsEventError
from segops.core import Event
from segops.delivery import read_event

USUAL = {"user_id": "u-1", "event_type": "order_placed"}


@pytest.fixture
def client() -> Iterator[SegOpsClient]:
    with SegOpsClient("memory:", worker="inline", strict=True) as client:
        yield client


@pytest.mark.parametrize(
    ("key", "likely"),
    [
        ("properties", "payload"),
        ("event_properties", "payload"),
        ("Payload", "payload"),
        ("payloads", "payload"),
        ("timestamp", "occurred_at"),
        ("event_time", "occurred_at"),
        ("occured_at", "occurred_at"),
        ("event", "event_type"),
        ("event-type", "event_type"),
        ("eventtype", "event_type"),
        ("distinct_id", "user_id"),
        ("userID", "user_id"),
        ("deviceId", "anonymous_id"),
    ],
)
def test_an_unknown_key_drops_the_event_and_names_the_likely_one(client: SegOpsClient, key: str, likely: str) -> None:
    with pytest.raises(SegOpsEventError) as caught:
        client.track({**USUAL, key: {"total": 1}})
    assert f"{key!r} (did you mean {likely!r}?)" in str(caught.value)
    assert client.stats().dropped == {"invalid": 1}


@pytest.mark.parametrize("key", ["zzz", "ada@example.org", "+49 151 2345678", 7, None, ("a",), b"user_id", ""])
def test_an_unknown_key_without_a_likely_one_shows_the_fields_and_no_personal_data(key: Any) -> None:
    errors: list[Exception] = []
    with SegOpsClient("memory:", worker="inline", on_error=errors.append) as client:
        client.track({**USUAL, key: "ada"})
    assert client.stats().dropped == {"invalid": 1}
    [error] = errors
    assert "it takes user_id, event_type, occurred_at, payload, anonymous_id" in str(error)
    assert "ada" not in str(error)
    assert "2345678" not in str(error)


def test_the_spellings_of_the_product_are_read(client: SegOpsClient) -> None:
    time = "2026-04-25T14:32:00Z"
    client.track({"userId": "u", "eventType": "e", "occurredAt": time, "payload": {"a": 1}, "anonymousId": "d"})
    client.flush()
    expected = {"user_id": "u", "event_type": "e", "occurred_at": time, "payload": {"a": 1}, "anonymous_id": "d"}
    assert client.transport.events == [expected]  # type: ignore[attr-defined]


def test_two_spellings_of_one_field_are_refused(client: SegOpsClient) -> None:
    with pytest.raises(SegOpsEventError, match="user_id is given in both spellings: remove userId"):
        client.track({**USUAL, "userId": "u-2"})


def test_keys_can_be_ignored() -> None:
    event = read_event({**USUAL, "insert_id": 7, "payload": None}, {"insert_id"})
    assert event == Event("u-1", "order_placed")
    with pytest.raises(SegOpsEventError, match="insert_id"):
        read_event({**USUAL, "insert_id": 7}, {"uuid"})
