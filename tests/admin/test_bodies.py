"""Bodies of requests are encoded like payloads of events, without silent losses."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pydantic
import pytest

from segops import SegOpsAdmin, SegOpsArgumentError
from segops.core import SegOpsEncodingError
from tests.admin.admin_rig import ok, scripted
from tests.rig.tracking import Outcome

UTC = timezone.utc


class Timestamp(datetime):
    """As pandas has it."""


class NaT(datetime):
    """As pandas has it: a datetime that equals nothing."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


@dataclass
class Size:
    width: Decimal


class Model(pydantic.BaseModel):
    price: Decimal


class Status(Enum):
    OPEN = "open"


class SafeString(str):
    __slots__ = ()


VALUES: list[Any] = [
    Decimal("12.50"),
    Decimal("NaN"),
    np.int64(3),
    np.float64(1.5),
    np.array([1, 2]),
    np.datetime64("2024-01-02T03:04:05"),
    np.True_,
    Timestamp(2024, 1, 2, tzinfo=UTC),
    Timestamp(2024, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30, seconds=29))),
    NaT(1, 1, 1),
    float("nan"),
    2**64,
    Size(Decimal("1.5")),
    Model(price=Decimal("1.5")),
    Status.OPEN,
    SafeString("x"),
    UUID(int=7),
    {1: "a", None.__class__.__name__: 2},
    MappingProxyType({"a": (1, 2)}),
    b"\x00\xff",
    timedelta(days=1),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_has_the_form_that_it_has_in_an_event(value: Any) -> None:
    admin, transport, _ = scripted(ok({"id": 1}), ok({"created": 1, "updated": 0, "errors": []}))
    admin.segments.create(name=value)
    admin.products.bulk_upsert([{"sku": "A", "data": {"value": value}}])
    single, bulk = (json.loads(request.body) for request in transport.requests)
    tracked = Outcome(payload={"value": value}).payload["value"]
    assert single["name"] == tracked
    assert bulk["products"][0]["data"]["value"] == tracked


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": object()}, "body.name is of type object"),
        ({"name": "\ud800"}, "lone surrogates"),
        ({"name": {1: "a", "1": "b"}}, "keys that are the same"),
        ({"name": {"a": 1, None: ["b"]}}, "None as a key"),
        ({"name": {("a",): 1}}, "a key in body.name is of type tuple"),
    ],
)
def test_what_would_be_lost_is_an_error_before_anything_is_sent(body: dict[str, Any], said: str) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsEncodingError, match=said):
        admin.segments.create(body)
    assert transport.requests == []


def test_a_row_of_a_csv_file_with_more_values_than_its_header_is_reported_with_its_place() -> None:
    rows = csv.DictReader(io.StringIO("sku,name\nA,Hat\nB,Cap,red,9.90\nC\n"))
    with SegOpsAdmin(base_url="local:") as admin:
        report = admin.products.bulk_upsert(rows)
        assert report["created"] + len(report["errors"]) == 3
    [error] = [each for each in report["errors"] if each["index"] == 1]
    assert "csv.DictReader" in str(error)


def test_ids_and_filters_may_be_scalars_of_numpy() -> None:
    admin, transport, _ = scripted(ok({"id": 3}), ok([]))
    admin.segments.get(np.int64(3))
    admin.products.list(page=np.int32(2), sku=np.str_("A"), min_price=Decimal("1.5"), after=np.datetime64(1, "ns"))
    assert [request.path for request in transport.requests] == [
        "/api/segments/3/",
        "/api/pim/products/?page=2&sku=A&min_price=1.5&after=1970-01-01T00%3A00%3A00",
    ]


@pytest.mark.parametrize("value", [float("nan"), NaT(1, 1, 1), np.datetime64("NaT"), np.array([1, 2])])
def test_a_filter_that_is_missing_or_many_is_refused(value: Any) -> None:
    admin, transport, _ = scripted()
    with pytest.raises(SegOpsArgumentError):
        admin.products.list(after=value)
    assert transport.requests == []
