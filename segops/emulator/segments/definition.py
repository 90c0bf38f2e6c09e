"""The definition of a segment: groups of typed conditions.

Source: wire-protocol.md, section 7. Where it is silent, docs/local-segops-choices.md says what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

import msgspec

from segops.emulator.answers import invalid
from segops.emulator.segments.operators import Operator, check_operands

MAX_DEPTH = 10
"""How deeply groups may be nested."""

MAX_CONDITIONS = 100
"""The most conditions of one definition."""

MAX_STEPS = 20
"""The most events of one `event_sequence`."""

# Text with U+0000 is refused: SQLite's text functions stop there.
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\x00]*$")]
Number: TypeAlias = int | float
Days: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=36500)]
Comparison: TypeAlias = Literal["eq", "neq", "gt", "gte", "lt", "lte"]


class EventCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="event_count"):
    """How many such events, ever or in the last `window_days`."""

    event_type: Name
    operator: Comparison
    value: Number
    window_days: Days | None = None


class Recency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recency"):
    """How many whole days ago the last such event was."""

    event_type: Name
    operator: Literal["gt", "lt", "eq"]
    window_days: Days


class Monetary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="monetary"):
    """A numeric property added up over all such events; the bare form means the sum of `total` over all events."""

    operator: Comparison
    value: Number
    event_type: Name | None = None
    property: Name = "total"
    metric: Literal["sum", "avg", "max"] = "sum"
    window_days: Days | None = None


class Comparing(msgspec.Struct, frozen=True, kw_only=True):
    """What all conditions on a property share."""

    property: Name
    operator: Operator
    value: Any = None
    value2: Any = None


class EventProperty(Comparing, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="event_property"):
    """A property of the latest such event."""

    event_type: Name


class UserProperty(Comparing, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="user_property"):
    """A trait: a property of the latest `context_identified` event."""

    event_type: ClassVar[str] = "context_identified"


class EventSequence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="event_sequence"):
    """These events in this order, all in the last `window_days`; if strict, with no other event in between."""

    events: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=MAX_STEPS)]
    window_days: Days
    strict: bool = False


class SegmentMembership(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="segment_membership"):
    """Whether the user is in another segment, as that was last computed."""

    segment_id: Annotated[int, msgspec.Meta(ge=0, le=10**18)]
    operator: Literal["in", "not_in"]


Condition: TypeAlias = (
    EventCount | Recency | Monetary | EventProperty | UserProperty | EventSequence | SegmentMembership
)

T = TypeVar("T")


class Group(msgspec.Struct, frozen=True):
    """Conditions and further groups of which all or any must hold; an empty group never holds."""

    logic: Literal["AND", "OR"]
    conditions: tuple[Any, ...]  # of Condition (or, for products, ProductCondition) and Group

    def leaves(self) -> Iterator[Any]:
        """Yield the conditions, also those of nested groups, in the order of definition."""
        for node in self.conditions:
            if isinstance(node, Group):
                yield from node.leaves()
            else:
                yield node


def parse_definition(value: object, condition: Any = Condition) -> Group:
    """Check a definition.

    Args:
        value: The JSON value of the definition.
        condition: The type of its conditions.

    Raises:
        Refusal: 400 with what is wrong in "definition".
    """
    try:
        group = _group(value, condition, "$", MAX_DEPTH)
    except ValueError as error:
        raise invalid({"definition": [str(error)]}) from None
    if sum(1 for _ in group.leaves()) > MAX_CONDITIONS:
        raise invalid({"definition": [f"Ensure it has no more than {MAX_CONDITIONS} conditions."]})
    return group


def load_definition(stored: str, condition: Any = Condition) -> Group:
    """Return a definition that was checked and stored."""
    return parse_definition(msgspec.json.decode(stored), condition)


def _group(value: Any, condition: Any, place: str, depth: int) -> Group:
    if not depth:
        raise ValueError(f"Groups are nested more than {MAX_DEPTH} deep - at `{place}`")
    head = _convert(value, _Head, place)
    return Group(
        head.logic,
        tuple(
            _node(node, condition, f"{place}.conditions[{position}]", depth)
            for position, node in enumerate(head.conditions)
        ),
    )


def _node(value: Any, condition: Any, place: str, depth: int) -> Any:
    if isinstance(value, dict) and "type" not in value and "conditions" in value:
        return _group(value, condition, place, depth - 1)
    node = _convert(value, condition, place)
    if isinstance(node, Comparing):
        check_operands(node.operator, node.value, node.value2, place)
    return node


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    logic: Literal["AND", "OR"]
    conditions: list[Any]


def _convert(value: Any, wanted: Any, place: str) -> Any:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        text = str(error)
        text, _, inner = text.partition(" - at `$")
        raise ValueError(f"{text} - at `{place}{inner.rstrip('`')}`") from None
