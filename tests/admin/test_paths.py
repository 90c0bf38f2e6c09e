"""An id is a single segment of a path, or an error (reliability table, row 64)."""

from __future__ import annotations

from enum import Enum
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segops import SegOpsAdmin, SegOpsArgumentError
from segops.plugins.admin.paths import encode_segment, fill
from tests.admin.admin_rig import scripted
from tests.rig.fault_server import FaultServer, respond

ODD = [
    "a/b",
    "%2e",
    "%2e%2e",
    "?x=",
    "#f",
    "a b",
    "zoë@example.org",
    "🛒",
    "a\\b",
    "a;b=c",
    "\x00",
    "...",
    "a\r\nb",
    "&",
    "+",
]


@pytest.mark.parametrize("user_id", ODD)
def test_an_odd_id_is_one_segment(user_id: str) -> None:
    """Row 64."""
    with FaultServer(respond(200, b'{"user_id": "x"}')) as server, SegOpsAdmin("sk_1", base_url=server.url) as admin:
        admin.users.get(user_id)
    prefix, _, encoded = server.journal[0].target.rstrip("/").rpartition("/")
    assert prefix == "/api/explorer/users"
    assert unquote(encoded) == user_id


@pytest.mark.parametrize("user_id", [each for each in ODD if each != "\x00"])
def test_an_odd_id_reaches_its_user(user_id: str, admin: SegOpsAdmin) -> None:
    admin.http.request("POST", "/ingestion/track/", body={"user_id": user_id, "event_type": "order_placed"})
    assert admin.users.get(user_id).user_id == user_id
    assert admin.users.events(user_id)[0].event_type == "order_placed"


@pytest.mark.parametrize("wrong", ["", ".", "..", None, True, 1.5, b"a", ["a"], "\ud800"])
def test_a_value_that_is_not_a_segment_is_rejected(wrong: Any) -> None:
    """Row 64."""
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError, match="user_id"):
        admin.users.get(wrong)
    assert transport.requests == []


def test_other_kinds_of_id() -> None:
    class Color(Enum):
        RED = "re/d"

    assert encode_segment("id", UUID(int=7)) == str(UUID(int=7))  # type: ignore[arg-type]
    assert encode_segment("id", Color.RED) == "re%2Fd"  # type: ignore[arg-type]
    assert encode_segment("id", -5) == "-5"


@given(st.text())
def test_any_text_is_one_segment_or_refused(text: str) -> None:
    """Row 64."""
    try:
        path = fill("/x/{id}/y/", {"id": text})
    except SegOpsArgumentError:
        assert text in {"", ".", ".."}
        return
    assert path.isascii()
    assert path.count("/") == 4
    assert not {"?", "#", " "} & set(path)
    assert unquote(path.split("/")[2]) == text
