"""An independent implementation of segment definitions in plain Python, which shares no code with the local SegOps."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

OPPOSITES = {
    "neq": "eq",
    "not_in": "in",
    "not_between": "between",
    "does_not_contain": "contains",
    "is_not_set": "is_set",
}

MISSING = object()


@dataclass
class Happening:
    user_id: str
    event_type: str
    at: datetime
    payload: dict[str, Any] = field(default_factory=dict)


class World:
    """Events in the order of arrival, and what else a definition can refer to."""

    def __init__(
        self,
        events: list[Happening],
        now: datetime,
        aliases: dict[str, str] | None = None,
        segments: dict[int, set[str]] | None = None,
    ) -> None:
        self.now = now
        self.segments = segments or {}
        self.by_user: dict[str, list[Happening]] = defaultdict(list)
        for event in events:
            self.by_user[(aliases or {}).get(event.user_id, event.user_id)].append(event)
        for history in self.by_user.values():
            history.sort(key=lambda event: event.at)  # stable: arrival decides between equal times

    def members(self, definition: dict[str, Any]) -> list[str]:
        return sorted(user for user in self.by_user if self.holds(definition, user))

    def holds(self, node: dict[str, Any], user: str) -> bool:
        if "conditions" in node:
            found = [self.holds(inner, user) for inner in node["conditions"]]
            return bool(found) and (all(found) if node["logic"] == "AND" else any(found))
        return bool(getattr(self, node["type"])(node, user, self.by_user[user]))

    def event_count(self, node: dict[str, Any], _: str, history: list[Happening]) -> bool:
        return compare(node["operator"], len(self.such(node, history)), node["value"])

    def recency(self, node: dict[str, Any], _: str, history: list[Happening]) -> bool:
        such = [event.at for event in history if event.event_type == node["event_type"]]
        days = max(0, (self.now - max(such)) // timedelta(days=1)) if such else math.inf
        return compare(node["operator"], days, node["window_days"])

    def monetary(self, node: dict[str, Any], _: str, history: list[Happening]) -> bool:
        values = [event.payload.get(node.get("property", "total")) for event in self.such(node, history)]
        numbers: list[Any] = [value for value in values if is_number(value)]
        metric = node.get("metric", "sum")
        if metric == "sum":
            return compare(node["operator"], round(math.fsum(numbers), 6), round(node["value"], 6))
        if not numbers:
            return bool(node["operator"] == "neq")
        if metric == "avg":
            return compare(node["operator"], round(math.fsum(numbers) / len(numbers), 6), round(node["value"], 6))
        return compare(node["operator"], max(numbers), node["value"])

    def event_property(self, node: dict[str, Any], _: str, history: list[Happening]) -> bool:
        such = [event for event in history if event.event_type == node["event_type"]]
        value = such[-1].payload.get(node["property"], MISSING) if such else MISSING
        return suits(node["operator"], MISSING if value is None else value, node.get("value"), node.get("value2"))

    def user_property(self, node: dict[str, Any], user: str, history: list[Happening]) -> bool:
        return self.event_property({**node, "event_type": "context_identified"}, user, history)

    def event_sequence(self, node: dict[str, Any], _: str, history: list[Happening]) -> bool:
        types = [event.event_type for event in self.recent(node, history)]
        wanted = node["events"]
        if node.get("strict"):
            return any(types[start : start + len(wanted)] == wanted for start in range(len(types)))
        remaining = iter(types)
        return all(step in remaining for step in wanted)

    def segment_membership(self, node: dict[str, Any], user: str, _: list[Happening]) -> bool:
        return bool((user in self.segments.get(node["segment_id"], set())) == (node["operator"] == "in"))

    def such(self, node: dict[str, Any], history: list[Happening]) -> list[Happening]:
        wanted = node.get("event_type")
        return [event for event in self.recent(node, history) if wanted in (None, event.event_type)]

    def recent(self, node: dict[str, Any], history: list[Happening]) -> list[Happening]:
        if node.get("window_days") is None:
            return history
        return [event for event in history if event.at >= self.now - timedelta(days=node["window_days"])]


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_kind(a: object, b: object) -> bool:
    return any(isinstance(a, kind) and isinstance(b, kind) for kind in (str, bool)) or (is_number(a) and is_number(b))


def compare(operator: str, a: Any, b: Any) -> bool:
    outcomes = {"eq": a == b, "neq": a != b, "gt": a > b, "gte": a >= b, "lt": a < b, "lte": a <= b}
    return bool(outcomes[operator])


def suits(operator: str, actual: Any, value: Any, value2: Any) -> bool:  # noqa: PLR0911 - one for each operator
    if operator in OPPOSITES:
        return not suits(OPPOSITES[operator], actual, value, value2)
    match operator:
        case "is_set":
            return actual is not MISSING
        case "is_true" | "is_false":
            return actual is (operator == "is_true")
        case "in":
            return any(suits("eq", actual, each, None) for each in value)
        case "contains":
            if isinstance(actual, list):
                return any(suits("eq", each, value, None) for each in actual)
            return isinstance(actual, str) and isinstance(value, str) and value in actual
        case "starts_with":
            return isinstance(actual, str) and actual.startswith(value)
        case "ends_with":
            return isinstance(actual, str) and actual.endswith(value)
        case "matches_regex":
            return (
                isinstance(actual, str)
                and re.search(value, actual, 0 if value.startswith("(?i)") else re.ASCII) is not None
            )
        case "between":
            return same_kind(actual, value) and value <= actual <= value2
        case _:
            return same_kind(actual, value) and compare(operator, actual, value)
