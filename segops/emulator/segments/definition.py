"""Parse the definition of a segment into groups of typed conditions.

The meaning of each condition is described in docs/local-segops-choices.md, "Segments".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

import msgspec

from segops.emulator.responses import HTTPError
from segops.emulator.segments.operators import Operator, check_operands

MAX_DEPTH = 10
"""How deeply groups may be nested."""

MAX_CONDITIONS = 100
"""Maximum number of conditions in a definition."""

MAX_STEPS = 20
"""Maximum number of events in an `event_sequence`."""

# Text with U+0000 is rejected, because SQLite's text functions stop there.
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\x00]*$")]
Number: TypeAlias = int | float
Days: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=36500)]
Comparison: TypeAlias = Literal["eq", "neq", "gt", "gte", "lt", "lte"]


class EventCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="event_count"):
    """The number of events, ever or in the last `window_days`."""

    event_type: Name
    operator: Comparison
    value: Number
    window_days: Days | None = None


class Recency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recency"):
    """The number of whole days since the last event."""

    event_type: Name
    operator: Literal["gt", "lt", "eq"]
    window_days: Days


class Monetary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="monetary"):
    """An aggregate of a numeric property, by default the sum of `total` over all events."""

    operator: Comparison
    value: Number
    event_type: Name | None = None
    property: Name = "total"
    metric: Literal["sum", "avg", "max"] = "sum"
    window_days: Days | None = None


class Comparing(msgspec.Struct, frozen=True, kw_only=True):
    """Common fields of conditions on a property."""

    property: Name
    operator: Operator
    value: Any = None
    value2: Any = None


class EventProperty(Comparing, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="event_property"):
    """A property of the latest event of a type."""

    event_type: Name


class UserProperty(Comparing, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="user_property"):
    """A trait, which is a property of the latest `context_identified` event."""

    event_type: ClassVar[str] = "context_identified"


class EventSequence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="event_sequence"):
    """Events in this order within the last `window_days`. If strict, without other events in between."""

    events: Annotated[list[Name], msgspec.Meta(min_length=1, max_length=MAX_STEPS)]
    window_days: Days
    strict: bool = False


class SegmentMembership(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="segment_membership"):
    """Membership in another segment, as last computed."""

    segment_id: Annotated[int, msgspec.Meta(ge=0, le=10**18)]
    operator: Literal["in", "not_in"]


Condition: TypeAlias = (
    EventCount | Recency | Monetary | EventProperty | UserProperty | EventSequence | SegmentMembership
)

T = TypeVar("T")


class Group(msgspec.Struct, frozen=True):
    """Conditions and nested groups, all or any of which must match. An empty group never matches."""

    logic: Literal["AND", "OR"]
    conditions: tuple[Any, ...]  # of Condition (or, for products, ProductCondition) and Group

    def leaves(self) -> Iterator[Any]:
        """Yield the conditions, including those of nested groups, in order of definition."""
        for node in self.conditions:
            if isinstance(node, Group):
                yield from node.leaves()
            else:
                yield node


def parse_definition(value: object, condition: Any = Condition) -> Group:
    """Validate the JSON value of a definition, with conditions of a type.

    Raises:
        HTTPError: 400, with the error of "definition".
    """
    try:
        group = _group(value, condition, "$", MAX_DEPTH)
    except ValueError as error:
        raise HTTPError(400, {"definition": [str(error)]}) from None
    if sum(1 for _ in group.leaves()) > MAX_CONDITIONS:
        raise HTTPError(400, {"definition": [f"Ensure it has no more than {MAX_CONDITIONS} conditions."]})
    return group


def load_definition(stored: str, condition: Any = Condition) -> Group:
    """Return a stored definition."""
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


def _convert(value: Any, into: Any, place: str) -> Any:
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        text = str(error)
        text, _, inner = text.partition(" - at `$")
        raise ValueError(f"{text} - at `{place}{inner.rstrip('`')}`") from None
