"""Sign user ids: known signatures, and bad arguments. Source: docs/webhooks-and-signing.md."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops.core import SegOpsConfigError, SegOpsError
from segops.signing import sign_user_id

SECRET = "00112233445566778899aabbccddeeff"


@pytest.mark.parametrize(
    ("secret", "user_id", "ts", "signature"),
    [
        (SECRET, "user-123", 1767225600, "2162f24fefa89ecf15d185fd5ffdd1e61ad55d1a6578d9edc111e684a8f2802b"),
        (
            "ff" * 32,
            "zoë|x@example.org",
            1767225600,
            "0f33c39bef01a531a46d7d6000a2f63e4fafbeca410cbcfdc52c4bbbc7af061d",
        ),
        ("0a" * 32, "u", 0, "ab6db82217ee1fc710e53b83a1d87a73fced88e31cde75ce06168cec91033792"),
    ],
)
def test_vectors(secret: str, user_id: str, ts: int, signature: str) -> None:
    assert sign_user_id(secret, user_id, ts) == {"user_id": user_id, "user_id_sig": signature, "user_id_ts": ts}


def test_the_case_of_the_secret_makes_no_difference() -> None:
    assert sign_user_id(SECRET.upper(), "u", 1) == sign_user_id(SECRET, "u", 1)


def test_the_time_is_now_in_whole_seconds_if_left_out() -> None:
    before = int(time.time())
    signed = sign_user_id(SECRET, "user-123")
    assert before <= signed["user_id_ts"] <= int(time.time())
    assert signed == sign_user_id(SECRET, "user-123", signed["user_id_ts"])


@pytest.mark.parametrize(
    "secret", ["", "   ", "abc", "zz" * 16, "sk_live_0123456789", "ключ", "00\ud800", None, b"00ff", 17]
)
def test_a_bad_secret_is_refused_and_not_shown(secret: Any) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        sign_user_id(secret, "user-123", 1)
    assert isinstance(caught.value, ValueError)
    if isinstance(secret, str) and secret.strip():
        assert secret not in str(caught.value)


@pytest.mark.parametrize("user_id", ["", None, 7, b"user-123", "half \udc9f of zoe@example.org"])
def test_a_bad_user_id_is_refused_and_not_shown(user_id: Any) -> None:
    with pytest.raises(SegOpsConfigError) as caught:
        sign_user_id(SECRET, user_id, 1)
    assert "zoe@example.org" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("ts", [-1, 1.5, True, "1767225600"])
def test_a_bad_time_is_refused(ts: Any) -> None:
    with pytest.raises(SegOpsConfigError, match="whole seconds"):
        sign_user_id(SECRET, "user-123", ts)


@given(secret=st.text(), user_id=st.text(st.characters(), max_size=20), ts=st.integers())
def test_any_text_is_signed_or_refused_with_an_error_of_ours(secret: str, user_id: str, ts: int) -> None:
    try:
        signed = sign_user_id(secret, user_id, ts)
    except SegOpsError:
        return
    assert len(signed["user_id_sig"]) == 64


@given(first=st.text(min_size=1, max_size=20), second=st.text(min_size=1, max_size=20))
def test_two_users_never_share_a_signature(first: str, second: str) -> None:
    one, two = (sign_user_id(SECRET, user_id, 1)["user_id_sig"] for user_id in (first, second))
    assert (one == two) is (first == second)
