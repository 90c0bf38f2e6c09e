"""Verify and decode webhooks. Source: docs/webhooks-and-signing.md, and docs/reliability.md, row 66."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops import SegOpsWebhookError
from segops.core import SegOpsError
from segops.webhooks import WebhookEvent, parse_webhook, verify_webhook

SECRET = "whsec_test"
TEXT = (
    '{"event":"segment.recomputed","tenant_slug":"demo","segment_id":7,"segment_name":"Repeat café buyers",'
    '"member_count":31,"computed_at":"2027-01-05T09:30:00Z"}'
)
BODY = TEXT.encode()
SIGNATURE = "0ca76794f71442f0da30ac5173d78587b19aa486f0ad83de9b17e717161f5bb7"
HEADER = "sha256=" + SIGNATURE

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=5,
)


def signature(body: bytes, secret: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError

    def __bool__(self) -> bool:
        raise RuntimeError


class HostileText(str):
    __slots__ = ()

    def encode(self, *_: object, **__: object) -> bytes:
        raise KeyError(str(self))


def breaks_off() -> Iterator[str]:
    yield "another"
    raise OSError


def test_the_vector_has_the_documented_length() -> None:
    assert len(BODY) == 158


@pytest.mark.parametrize("body", [BODY, TEXT, bytearray(BODY), memoryview(BODY)])
@pytest.mark.parametrize("header", [HEADER, SIGNATURE, HEADER.encode(), SIGNATURE.encode()])
@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        SECRET.encode(),
        [SECRET],
        ("another", SECRET),
        (SECRET, b"another"),
        {SECRET},
        [None, "", "\ud800", SECRET],
    ],
)
def test_a_genuine_webhook_verifies(body: Any, header: Any, secret: Any) -> None:
    assert verify_webhook(body, header, secret) is True


def test_several_secrets_may_come_from_a_generator() -> None:
    """Row 66."""
    assert verify_webhook(BODY, HEADER, (secret for secret in ("another", SECRET))) is True


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        SIGNATURE.upper(),
        "sha256=" + SIGNATURE.upper(),
        "SHA256=" + SIGNATURE,
        "sha1=" + SIGNATURE,
        "sha256=sha256=" + SIGNATURE,
        SIGNATURE[:-1],
        SIGNATURE + "0",
        " " + SIGNATURE,
        SIGNATURE + "\n",
        "sha256=" + "é" * 64,
        SIGNATURE[:-1] + "\uff17",
        "\ud800" * 64,
        b"\xff" * 64,
        "0" * 1_000_000,
        17,
        [HEADER],
    ],
)
def test_a_wrong_header_does_not_match(header: Any) -> None:
    """Row 66."""
    assert verify_webhook(BODY, header, SECRET) is False


@pytest.mark.parametrize("body", [None, b"", "", BODY + b" ", BODY[:-1], TEXT.replace("31", "32"), 17, {}, "\ud800"])
def test_a_tampered_body_does_not_match(body: Any) -> None:
    """Row 66."""
    assert verify_webhook(body, HEADER, SECRET) is False


@pytest.mark.parametrize(
    "secret",
    [None, "", b"", [], [""], [None], "other", ["other", b"other"], 17, [17], "\ud800", breaks_off()],
)
def test_a_wrong_secret_does_not_match(secret: Any) -> None:
    """Row 66."""
    assert verify_webhook(BODY, HEADER, secret) is False


def test_an_object_that_refuses_everything_does_not_match() -> None:
    assert verify_webhook(BODY, HostileText(HEADER), SECRET) is False
    hostile: Any = Hostile()
    assert verify_webhook(hostile, HEADER, SECRET) is False
    assert verify_webhook(BODY, hostile, SECRET) is False
    assert verify_webhook(BODY, HEADER, hostile) is False
    assert verify_webhook(BODY, HEADER, [hostile]) is False


@pytest.mark.parametrize("secret", ["", b"", [""], [b"", ""]])
def test_an_empty_secret_never_matches_even_a_signature_made_with_it(secret: Any) -> None:
    """Row 66."""
    assert verify_webhook(BODY, signature(BODY, b""), secret) is False


@given(body=anything, header=anything, secret=anything)
def test_nothing_makes_it_raise(body: Any, header: Any, secret: Any) -> None:
    """Row 66."""
    assert verify_webhook(body, header, secret) is False


@given(body=st.binary(), secret=st.binary(min_size=1))
def test_what_was_signed_verifies(body: bytes, secret: bytes) -> None:
    assert verify_webhook(body, "sha256=" + signature(body, secret), ["other", secret])


@given(position=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed(position: int, bit: int) -> None:
    tampered = bytearray(BODY)
    tampered[position] ^= 1 << bit
    assert verify_webhook(tampered, HEADER, SECRET) is False


@pytest.mark.parametrize("body", [BODY, TEXT, bytearray(BODY), memoryview(BODY)])
def test_a_genuine_webhook_is_read(body: Any) -> None:
    assert parse_webhook(body, HEADER, ["another", SECRET]) == WebhookEvent(
        event="segment.recomputed",
        tenant_slug="demo",
        segment_id=7,
        segment_name="Repeat café buyers",
        member_count=31,
        computed_at=datetime(2027, 1, 5, 9, 30, tzinfo=timezone.utc),
    )


@pytest.mark.parametrize(
    ("header", "secret"), [(None, None), (HEADER, None), (None, SECRET), (HEADER, "other"), (HEADER, ""), ("é", SECRET)]
)
def test_a_forged_webhook_is_not_read(header: Any, secret: Any) -> None:
    with pytest.raises(SegOpsWebhookError, match="signature") as caught:
        parse_webhook(BODY, header, secret)
    assert isinstance(caught.value, SegOpsError)
    assert SIGNATURE not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_reading_without_a_signature_must_be_asked_for() -> None:
    with pytest.raises(SegOpsWebhookError):
        parse_webhook(BODY)
    assert parse_webhook(BODY, verify=False).segment_id == 7


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(BODY), **fields}).encode()


def test_unknown_fields_are_passed_over() -> None:
    assert parse_webhook(changed(delivery_id="d-1", nested={"a": [1]}), verify=False).member_count == 31


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-01-05T09:30:00", datetime(2027, 1, 5, 9, 30, tzinfo=timezone.utc)),
        ("2027-01-05T09:30:00.5+00:00", datetime(2027, 1, 5, 9, 30, 0, 500_000, tzinfo=timezone.utc)),
        ("2027-01-05T11:30:00+02:00", datetime(2027, 1, 5, 11, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_the_time_always_has_a_zone(text: str, expected: datetime) -> None:
    computed_at = parse_webhook(changed(computed_at=text), verify=False).computed_at
    assert computed_at == expected
    assert computed_at.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        BODY[:-1],
        BODY + b"x",
        b'{"event":"\xff"}',
        "\ud800",
        b'{"x":' + b"[" * 100_000,
        changed(segment_id="7"),
        changed(member_count=None),
        changed(computed_at="yesterday"),
        None,
        17,
    ],
)
def test_a_body_that_is_not_such_an_event_is_one_clear_error(body: Any) -> None:
    with pytest.raises(SegOpsWebhookError, match="body is not a SegOps webhook"):
        parse_webhook(body, verify=False)


@given(body=st.binary() | st.text(st.characters()))
def test_reading_any_body_raises_nothing_else(body: bytes | str) -> None:
    with pytest.raises(SegOpsWebhookError):
        parse_webhook(body, verify=False)
