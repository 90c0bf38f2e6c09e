"""Encoding: dataclasses, attrs, msgspec and pydantic models, by their fields."""

from dataclasses import InitVar, dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, ClassVar

import attrs
import msgspec
import pydantic
import pytest

from tests.rig.tracking import Outcome, sent

WHEN = datetime(2027, 1, 5, tzinfo=timezone.utc)


@dataclass
class DataLine:
    sku: str
    total: Decimal
    kind: ClassVar[str] = "line"
    source: InitVar[str] = "web"
    tags: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SlotsLine:
    sku: str


@attrs.define
class AttrsLine:
    sku: str
    when: datetime


class StructLine(msgspec.Struct):
    sku: str
    when: datetime


class ModelLine(pydantic.BaseModel):
    sku: str
    total: Decimal
    nested: list[SlotsLine] = []


class Skus(pydantic.RootModel[list[str]]):
    pass


class Secret(pydantic.BaseModel):
    key: pydantic.SecretStr


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (DataLine("a", Decimal("1.5"), tags={"x"}), {"sku": "a", "total": 1.5, "tags": ["x"]}),
        (SlotsLine("a"), {"sku": "a"}),
        (AttrsLine("a", WHEN), {"sku": "a", "when": "2027-01-05T00:00:00Z"}),
        (StructLine("a", WHEN), {"sku": "a", "when": "2027-01-05T00:00:00Z"}),
        (
            ModelLine(sku="a", total=Decimal("1.5"), nested=[SlotsLine("b")]),
            {"sku": "a", "total": 1.5, "nested": [{"sku": "b"}]},
        ),
        (Skus(["a", "b"]), ["a", "b"]),
        ([SlotsLine("a"), SlotsLine("b")], [{"sku": "a"}, {"sku": "b"}]),
    ],
    ids=lambda case: type(case).__name__,
)
def test_a_model_is_an_object_of_its_fields(value: Any, form: Any) -> None:
    """Row 58."""
    assert sent(value) == form


@pytest.mark.parametrize("value", [DataLine, SlotsLine, AttrsLine, StructLine, ModelLine])
def test_a_class_is_not_its_instance(value: type) -> None:
    assert "convert it first" in str(Outcome(payload={"value": value}).dropped("invalid"))


def test_a_secret_of_pydantic_is_refused_rather_than_sent() -> None:
    error = Outcome(payload={"value": Secret(key=pydantic.SecretStr("hunter2"))}).dropped("invalid")
    assert "hunter2" not in str(error)


def test_a_field_that_is_missing_drops_the_event() -> None:
    line = AttrsLine("a", WHEN)
    del line.when
    assert "raised AttributeError" in str(Outcome(payload={"value": line}).dropped("invalid"))
