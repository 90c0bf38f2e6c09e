"""Compile the operators that compare a JSON property to SQL.

Numbers are compared with numbers only, text with text (by code point, case-sensitive), and booleans with booleans. A
negative operator (`neq`, `not_in`, `not_between`, `does_not_contain`, `is_not_set`) matches exactly where the positive
one does not, which includes missing properties. Null counts as missing.
"""

# ruff: noqa: S608 - SQL is what this module makes; its parts come from fixed tables, every value is bound

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from segops.emulator.segments.regex import compile_regex

MAX_ITEMS = 1000
"""Maximum number of values of `in` and `not_in`."""

_Comparing: TypeAlias = Literal["eq", "neq", "gt", "gte", "lt", "lte", "between", "not_between", "in", "not_in"]
_Matching: TypeAlias = Literal["contains", "does_not_contain", "starts_with", "ends_with", "matches_regex"]
_Unary: TypeAlias = Literal["is_set", "is_not_set", "is_true", "is_false"]
Operator: TypeAlias = Literal[_Comparing, _Matching, _Unary]

POSITIVE: Mapping[str, str] = {
    "neq": "eq",
    "not_between": "between",
    "not_in": "in",
    "does_not_contain": "contains",
    "is_not_set": "is_set",
}
"""The positive operator that each negative one negates."""

COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

_NO_OPERAND = {"is_set": "kind <> 'null'", "is_true": "kind = 'true'", "is_false": "kind = 'false'"}
_TEXT_ONLY = {
    "starts_with": "substr(actual, 1, length({0})) = {0}",
    "ends_with": "substr(actual, length(actual) - length({0}) + 1) = {0}",
    "matches_regex": "actual REGEXP {0}",
}
_IS_NUMBER = "kind IN ('integer', 'real')"
_IS_TEXT = "kind = 'text'"
_INT64 = range(-(2**63), 2**63)


class Comparison(Protocol):
    """An operator and its operands."""

    @property
    def operator(self) -> str:
        """The operator."""
        ...

    @property
    def value(self) -> Any:
        """The operand; the lower bound of `between` and `not_between`."""

    @property
    def value2(self) -> Any:
        """The upper bound of `between` and `not_between`."""


class Bindings:
    """The bound values of a statement, by the name of their placeholder."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def __call__(self, value: object) -> str:
        """Bind a value, and return its placeholder."""
        if isinstance(value, int) and value not in _INT64:
            value = float(value)
        name = f"p{len(self.values) + 1}"
        self.values[name] = value
        return f":{name}"


def check_operands(operator: str, value: Any, value2: Any, place: str) -> None:
    """Check that an operator accepts its operands.

    Raises:
        ValueError: It does not. The message names the place.
    """
    operator = POSITIVE.get(operator, operator)
    if operator in _NO_OPERAND:
        return
    if operator == "in":
        if not isinstance(value, list) or len(value) > MAX_ITEMS or not all(map(_is_scalar, value)):
            raise ValueError(
                f"Expected an array of at most {MAX_ITEMS} texts, numbers and booleans - at `{place}.value`"
            )
    elif operator == "between":
        if _kind(value) != _kind(value2) or _kind(value) not in ("text", "number"):
            raise ValueError(f"Expected two numbers or two texts - at `{place}.value` and `{place}.value2`")
    elif operator in _TEXT_ONLY:
        if _kind(value) != "text":
            raise ValueError(f"Expected text without U+0000 - at `{place}.value`")
        if operator == "matches_regex":
            _check_regex(value, place)
    elif not _is_scalar(value) or (operator in ("gt", "gte", "lt", "lte") and isinstance(value, bool)):
        raise ValueError(f"Expected text, a number or, to compare for equality, a boolean - at `{place}.value`")


def property_test(source: str, name: str, comparison: Comparison, bind: Bindings) -> str:
    """Return SQL that is 1 where a property matches a comparison, otherwise 0.

    `source` is SQL of a JSON object or null, and `name` a literal key.
    """
    positive = POSITIVE.get(comparison.operator, comparison.operator)
    members = f"SELECT type AS kind, value AS actual FROM json_each({source}) WHERE key = {bind(name)}"
    test = _test(positive, comparison.value, comparison.value2, bind)
    found = f"EXISTS (SELECT 1 FROM ({members} ORDER BY id DESC LIMIT 1) WHERE {test})"
    return found if positive == comparison.operator else f"NOT {found}"


def number_of(source: str, name: str, bind: Bindings) -> str:
    """Return SQL of a numeric property, or null if it is not a number. The last of repeated keys counts."""
    return (
        f"(SELECT CASE WHEN type IN ('integer', 'real') THEN value END FROM json_each({source}) "
        f"WHERE key = {bind(name)} ORDER BY id DESC LIMIT 1)"
    )


def _test(operator: str, value: Any, value2: Any, bind: Bindings) -> str:
    if operator in _NO_OPERAND:
        return _NO_OPERAND[operator]
    if operator in _TEXT_ONLY:
        return f"{_IS_TEXT} AND {_TEXT_ONLY[operator].format(bind(value))}"
    if operator == "in":
        return _is_one_of(value, bind)
    if operator == "contains":
        return _contains(value, bind)
    if operator == "between":
        return f"{_compares('>=', value, bind)} AND actual <= {bind(value2)}"
    return _compares(COMPARISONS[operator], value, bind)


def _compares(sign: str, value: Any, bind: Bindings, kind: str = "kind", actual: str = "actual") -> str:
    if isinstance(value, bool):
        return f"{kind} = '{'true' if value else 'false'}'"
    kinds = "'text'" if isinstance(value, str) else "'integer', 'real'"
    return f"{kind} IN ({kinds}) AND {actual} {sign} {bind(value)}"


def _contains(value: Any, bind: Bindings) -> str:
    # The columns of the items keep their names, because SQLite confuses columns with the same name.
    items = "json_each(CASE WHEN kind = 'array' THEN actual ELSE '[]' END)"
    found = f"EXISTS (SELECT 1 FROM {items} WHERE {_compares('=', value, bind, 'type', 'value')})"
    return f"({_IS_TEXT} AND instr(actual, {bind(value)}) > 0 OR {found})" if isinstance(value, str) else found


def _is_one_of(values: list[Any], bind: Bindings) -> str:
    tests = [f"kind = '{'true' if value else 'false'}'" for value in values if isinstance(value, bool)]
    for kind, condition in (("text", _IS_TEXT), ("number", _IS_NUMBER)):
        some = [value for value in values if _kind(value) == kind]
        if some:
            array = bind(msgspec.json.encode(some).decode())
            tests.append(f"{condition} AND actual IN (SELECT value FROM json_each({array}))")
    return f"({' OR '.join(tests) or '0'})"


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "other" if "\0" in value else "text"
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else "other"


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool) or _kind(value) != "other"


def _check_regex(pattern: str, place: str) -> None:
    try:
        compile_regex(pattern)
    except ValueError as error:
        raise ValueError(f"{error} - at `{place}.value`") from None
