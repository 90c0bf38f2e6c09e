"""Records: documented fields as attributes, everything else kept as it came."""

from __future__ import annotations

import copy
import pickle

import pytest
from admin_rig import ok, scripted

from segops.plugins.admin import Receipt, Record, Segment, User

SENT = {"id": 7, "name": "Zoë", "member_count": 3, "tenant": 1, "items": [1], "_x": 2}


def test_attributes_items_and_what_was_sent() -> None:
    admin, _, _ = scripted(ok(SENT))
    segment = admin.segments.get(7)
    assert (segment.id, segment.name, segment.member_count, segment["tenant"]) == (7, "Zoë", 3, 1)
    assert segment.extra == {"tenant": 1, "items": [1], "_x": 2}
    assert segment.to_dict() == SENT
    assert list(segment) == list(SENT)
    assert len(segment) == len(SENT)
    assert "tenant" in segment
    assert segment.get("nothing", 5) == 5
    assert {"member_count", "tenant", "to_dict"} <= set(dir(segment))


def test_a_missing_field_says_what_there_is() -> None:
    segment = Segment({"id": 1})
    with pytest.raises(AttributeError, match="'Segment' has no 'name': the server sent id"):
        segment.name  # noqa: B018 - the look-up is what is tested
    with pytest.raises(KeyError):
        segment["name"]
    assert not hasattr(Segment({"_x": 1}), "_x")


def test_what_to_dict_returns_is_a_copy() -> None:
    segment = Segment({"id": 1})
    segment.to_dict()["id"] = 2
    assert segment.id == 1


def test_records_compare_by_kind_and_content() -> None:
    assert Segment({"id": 1}) == Segment({"id": 1})
    assert Segment({"id": 1}) != Segment({"id": 2})
    assert Segment({"id": 1}) != Record({"id": 1})
    assert Segment({"id": 1}) != {"id": 1}


def test_records_can_be_copied_and_pickled() -> None:
    segment = Segment(SENT)
    assert copy.copy(segment) == copy.deepcopy(segment) == pickle.loads(pickle.dumps(segment)) == segment


def test_a_repr_holds_no_personal_data() -> None:
    assert repr(Segment(SENT)) == "<Segment 7>"
    assert repr(User({"user_id": "zoe@example.org", "id": "zoe@example.org"})) == "<User>"


def test_a_record_is_a_body_as_well() -> None:
    admin, transport, _ = scripted(ok({}))
    admin.segments.update(1, Segment({"name": "n", "definition": Receipt({"a": 1})}))
    assert transport.requests[0].body == b'{"name":"n","definition":{"a":1}}'
