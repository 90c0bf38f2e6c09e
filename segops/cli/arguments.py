"""Derive the command-line arguments of a method from its typed signature."""

from __future__ import annotations

import inspect
import os
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from segops.plugins.admin import Method

ValueType = Literal["text", "int", "float", "bool", "list", "json", "any", "upload", "download", "progress"]
"""How the text of an argument becomes a value."""

_METAVARS: Mapping[ValueType, str] = {
    "int": "N",
    "float": "SECONDS",
    "list": "A,B",
    "json": "FILE",
    "upload": "FILE",
}
_SCALARS: Mapping[Any, ValueType] = {bool: "bool", int: "int", float: "float"}


class Argument(msgspec.Struct, frozen=True):
    """A parameter of a method, as it appears on the command line.

    Attributes:
        name: The name of the parameter.
        type: How its text becomes a value.
        is_flag: Whether it is passed as `--name`; otherwise it is positional.
        is_required: Whether it must be passed.
        help: The help fragment, from the docstring.
    """

    name: str
    type: ValueType
    is_flag: bool
    is_required: bool
    help: str

    @property
    def flag(self) -> str:
        """The argument as a flag."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def metavar(self) -> str:
        """The placeholder in the usage line."""
        fallback = "TEXT" if self.is_flag else self.name.replace("_", "-").upper()
        return _METAVARS.get(self.type, fallback)


class Signature(msgspec.Struct, frozen=True):
    """All arguments of a method.

    Attributes:
        arguments: The parameters in declared order, without the two below.
        extra_fields: The mapping that takes undeclared flags, such as `body` or `params`, if any.
        allows_extra: Whether undeclared flags are accepted.
    """

    arguments: tuple[Argument, ...]
    extra_fields: str | None
    allows_extra: bool

    @property
    def json_argument(self) -> str | None:
        """The positional parameter that is a JSON file, or else the mapping of extra fields."""
        names = (each.name for each in self.arguments if each.type == "json" and not each.is_flag)
        return next(names, self.extra_fields)

    def of_type(self, value_type: ValueType) -> Argument | None:
        """Return the first argument of a type, or None."""
        return next((argument for argument in self.arguments if argument.type == value_type), None)


def signature_of(method: Method) -> Signature:
    """Return the arguments of a method."""
    hints = _type_hints(method.function)
    descriptions = method.argument_docs
    parameters = list(method.signature.parameters.values())
    variadic = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    extra_fields = next((each.name for each in parameters if _takes_extra_fields(each, hints)), None)
    has_keywords = any(each.kind is each.VAR_KEYWORD for each in parameters)
    arguments = [
        Argument(
            name=each.name,
            type=value_type_of(hints.get(each.name, Any)),
            is_flag=each.kind is each.KEYWORD_ONLY or each.default is not each.empty,
            is_required=each.default is each.empty,
            help=to_fragment(descriptions.get(each.name, "")),
        )
        for each in parameters
        if each.name != extra_fields and each.kind not in variadic
    ]
    return Signature(tuple(arguments), extra_fields, has_keywords or extra_fields is not None)


def to_fragment(text: str) -> str:
    """Return sentences as a help fragment: in lower case, joined by semicolons, without a final period."""
    sentences = re.split(r"(?<=[a-z0-9`)\"'])\. (?=[A-Z])", text.strip().removesuffix("."))
    return "; ".join(_lower_first(sentence) for sentence in sentences)


def _lower_first(text: str) -> str:
    """Return text with its first letter in lower case, unless it begins with an acronym such as JSON."""
    is_acronym = text[1:2].isupper()
    return text if is_acronym else text[:1].lower() + text[1:]


def value_type_of(annotation: Any) -> ValueType:
    """Return how text becomes a value of an annotated type."""
    if annotation is Any:
        return "any"
    members = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    members = tuple(member for member in members if member is not type(None))
    origins = {get_origin(member) or member for member in members}
    if os.PathLike in origins:
        return "upload" if bytes in origins else "download"
    if Callable in origins:
        return "progress"
    if origins & {str, Literal}:
        return "text"
    if origins & {Iterable, Sequence, list, tuple} and all(get_args(member)[:1] == (str,) for member in members):
        return "list"
    for scalar, value_type in _SCALARS.items():
        if origins == {scalar}:
            return value_type
    return "json"


def _takes_extra_fields(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    """Return whether a parameter is the mapping of undeclared flags: by its name, or because it is positional-only."""
    is_candidate = parameter.name in {"body", "params"} or parameter.kind is parameter.POSITIONAL_ONLY
    return is_candidate and parameter.default is None and value_type_of(hints.get(parameter.name, Any)) == "json"


def _type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of parameters, or none if third-party annotations cannot be resolved at run time."""
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}
