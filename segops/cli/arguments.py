"""What a verb takes, read from the typed signature of its method."""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from segops.plugins.admin import Method

Kind = Literal["text", "int", "float", "bool", "words", "json", "loose", "upload", "target", "progress"]
"""How the text of an argument becomes a value."""

_LABELS: Mapping[Kind, str] = {"int": "N", "float": "SECONDS", "words": "A,B", "json": "FILE", "upload": "FILE"}


class Argument(msgspec.Struct, frozen=True):
    """A parameter of a method, as the command line has it.

    Attributes:
        name: The name of the parameter.
        kind: How text becomes its value.
        is_flag: Whether it is given as `--name`; otherwise by its place.
        is_required: Whether it may not be left out.
        help: What the docstring says about it.
    """

    name: str
    kind: Kind
    is_flag: bool
    is_required: bool
    help: str

    @property
    def flag(self) -> str:
        """How it is written as a flag."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def label(self) -> str:
        """What stands for it in the usage."""
        if self.is_flag:
            return _LABELS.get(self.kind, "TEXT")
        return _LABELS.get(self.kind, self.name.replace("_", "-").upper())


class Shape(msgspec.Struct, frozen=True):
    """All that a verb takes.

    Attributes:
        arguments: The parameters in the order of the signature, without the two below.
        bag: The mapping that takes what is given as further flags, such as `body` or `params`, if any.
        takes_more: Whether further flags are taken.
    """

    arguments: tuple[Argument, ...]
    bag: str | None
    takes_more: bool

    @property
    def json_argument(self) -> str | None:
        """The parameter that is a JSON file, given by its place: the bag, unless there is another one."""
        given = (each.name for each in self.arguments if each.kind == "json" and not each.is_flag)
        return next(given, self.bag)

    def of_kind(self, kind: Kind) -> Argument | None:
        """Return the first argument of a kind, None if there is none."""
        return next((argument for argument in self.arguments if argument.kind == kind), None)


def shape_of(method: Method) -> Shape:
    """Return what a method takes."""
    hints = _hints(method.function)
    notes = method.argument_docs
    parameters = list(method.signature.parameters.values())
    apart = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    bag = next((each.name for each in parameters if _is_bag(each, hints)), None)
    more = any(each.kind is each.VAR_KEYWORD for each in parameters)
    arguments = [
        Argument(
            name=each.name,
            kind=kind_of(hints.get(each.name, Any)),
            is_flag=each.kind is each.KEYWORD_ONLY or each.default is not each.empty,
            is_required=each.default is each.empty,
            help=notes.get(each.name, ""),
        )
        for each in parameters
        if each.name != bag and each.kind not in apart
    ]
    return Shape(tuple(arguments), bag, more or bag is not None)


def kind_of(annotation: Any) -> Kind:
    """Return how text becomes a value of a type."""
    if annotation is Any:
        return "loose"
    members = get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)
    members = tuple(member for member in members if member is not type(None))
    origins = {get_origin(member) or member for member in members}
    if os.PathLike in origins:
        return "upload" if bytes in origins else "target"
    if Callable in origins:
        return "progress"
    if origins & {str, Literal}:
        return "text"
    if origins & {Iterable, Sequence, list, tuple} and all(get_args(member)[:1] == (str,) for member in members):
        return "words"
    for plain, kind in _PLAIN.items():
        if origins == {plain}:
            return kind
    return "json"


_PLAIN: Mapping[Any, Kind] = {bool: "bool", int: "int", float: "float"}


def _is_bag(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> bool:
    """Return whether a parameter is the mapping that takes further flags: by its name, or as nothing else can be it."""
    is_bag = parameter.name in {"body", "params"} or parameter.kind is parameter.POSITIONAL_ONLY
    return is_bag and parameter.default is None and kind_of(hints.get(parameter.name, Any)) == "json"


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of parameters; none if a stranger's annotations name what is not there at run time."""
    try:
        return get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}
