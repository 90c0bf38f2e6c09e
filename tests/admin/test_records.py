"""Records: documented fields as attributes, everything else unchanged."""

from __future__ import annotations

import copy
import json
import pickle
from collections import ChainMap
from datetime import date
from enum import Enum
from pprint import pformat
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

import pytest

from segops.plugins.admin import Receipt, Record, Segment, User
from tests.admin.admin_rig import ok, query, scripted

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
    with pytest.raises(AttributeError, match="'Segment' has no field 'name': the server sent id"):
        segment.name  # noqa: B018 - the look-up is what is tested
    with pytest.raises(KeyError):
        segment["name"]
    assert not hasattr(Segment({"_x": 1}), "_x")


def test_what_to_dict_returns_is_a_copy() -> None:
    segment = Segment({"id": 1})
    segment.to_dict()["id"] = 2
    assert segment.id == 1


def test_a_record_is_a_dict() -> None:
    segment = Segment(SENT)
    assert segment == SENT
    assert segment != Segment({"id": 2})
    assert {**segment} == SENT
    assert json.loads(json.dumps(segment)) == SENT
    assert segment["items"] == [1]
    assert dict(segment.items()) == SENT


@pytest.mark.parametrize("name", ["items", "extra", "to_dict"])
def test_a_field_named_like_what_all_records_have_cannot_be_documented(name: str) -> None:
    with pytest.raises(TypeError, match=f"Order annotates {name!r}, an attribute of every record: read it as an item"):
        type("Order", (Record,), {"__annotations__": {name: "list[str]"}})


def test_a_documented_field_has_no_default() -> None:
    with pytest.raises(TypeError, match=r"Order gives 'size' a default, but fields have none: use get\('size'"):
        type("Order", (Record,), {"__annotations__": {"size": "int"}, "size": 5})


def test_a_class_variable_is_not_a_field() -> None:
    class Order(Record):
        __slots__ = ()
        kind: ClassVar = "order"
        size: int

    evaluated = type("Order", (Record,), {"__annotations__": {"kind": ClassVar[str], "size": int}, "kind": "order"})
    for order in (Order({"kind": 1, "size": 2}), evaluated({"kind": 1, "size": 2})):
        assert (order.kind, order.size, order.extra) == ("order", 2, {"kind": 1})


def test_a_kind_of_record_can_be_made_of_another() -> None:
    class Order(Segment):
        __slots__ = ()
        name: str  # documented again
        size: int

        @property
        def double(self) -> int:
            return 2 * self.size

    order = Order({"id": 1, "name": "n", "size": 3, "tenant": 4})
    assert (order.id, order.name, order.size, order.double) == (1, "n", 3, 6)
    assert order.extra == {"tenant": 4}


def test_records_can_be_copied_and_pickled() -> None:
    segment = Segment(SENT)
    pickled = [pickle.loads(pickle.dumps(segment, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in [copy.copy(segment), copy.deepcopy(segment), *pickled]:
        assert (type(other), other) == (Segment, segment)
        assert other is not segment


def test_a_repr_holds_no_personal_data() -> None:
    segment = Segment(SENT)
    assert repr([segment]) == f"[{segment}]" == pformat([segment]) == "[<Segment 7>]"
    assert repr(ValueError(segment)) == "ValueError(<Segment 7>)"
    assert repr(User({"user_id": "zoe@example.org", "id": "zoe@example.org"})) == "<User>"


def test_a_record_is_a_body_as_well() -> None:
    admin, transport, _ = scripted(ok({}))
    admin.segments.update(1, Segment({"name": "n", "definition": Receipt({"a": 1})}))
    assert transport.requests[0].body == b'{"name":"n","definition":{"a":1}}'


def test_bodies_and_filters_take_what_applications_have() -> None:
    class Safe(str):
        __slots__ = ()

    class Color(Enum):
        RED = "red"

    admin, transport, _ = scripted(ok({"id": 1}), ok([]))
    admin.products.create(MappingProxyType({"name": Safe("n")}), data=ChainMap({"a": UUID(int=7), "color": Color.RED}))
    admin.products.list(color=Color.RED, since=date(2027, 1, 5), maker=UUID(int=7))
    made, listed = transport.requests
    assert made.body == b'{"name":"n","data":{"a":"00000000-0000-0000-0000-000000000007","color":"red"}}'
    assert query(listed) == {"color": "red", "since": "2027-01-05", "maker": str(UUID(int=7))}
