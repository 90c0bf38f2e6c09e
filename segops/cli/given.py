"""What was given for a method on the command line, as the arguments of a call."""

from __future__ import annotations

import argparse
from typing import Any

from segops import SegOpsArgumentError
from segops.cli.arguments import Argument, Shape, shape_of
from segops.cli.inputs import guess, read_json, read_value
from segops.cli.parser import More
from segops.plugins.admin import Method

PREFIX = "arg_"
"""In front of the names of parameters, so that they meet no name of ours."""


class Given:
    """What was given for a method, ready to call it.

    Args:
        method: The method.
        words: What the parser read.

    Attributes:
        shape: What the method takes.
        texts: What was given for each parameter, as text.

    Raises:
        SegOpsArgumentError: Something cannot be understood, or is missing.
    """

    def __init__(self, method: Method, words: argparse.Namespace) -> None:
        self.shape = shape_of(method)
        given = {name.removeprefix(PREFIX): text for name, text in vars(words).items() if name.startswith(PREFIX)}
        file = getattr(words, "file", None)
        if file is not None:
            given = _with_file(given, file, self.shape)
        self.texts: dict[str, str] = {name: text for name, text in given.items() if text is not None}
        self._more = _gather(words.more, is_body=method.is_mutation)
        self._values = self._read()

    def positional(self) -> list[Any]:
        """Return the arguments that go by their place, without the body or the filters."""
        return [self._values[each.name] for each in self.shape.arguments if not each.is_flag]

    def body(self) -> list[dict[str, Any]]:
        """Return the body or the filters, as the last of the arguments that go by their place; none if none is taken.

        Raises:
            SegOpsArgumentError: The file cannot be read, or holds no JSON object.
        """
        name = self.shape.bag
        if name is None:
            return []
        fields = read_json(self.texts[name]) if name in self.texts else {}
        if not isinstance(fields, dict):
            raise SegOpsArgumentError(f"{self.texts[name]} holds a {type(fields).__name__}: give a JSON object")
        return [{**fields, **self._more}]

    def named(self) -> dict[str, Any]:
        """Return the arguments that go by name."""
        flags = [each.name for each in self.shape.arguments if each.is_flag and each.name in self._values]
        named = {name: self._values[name] for name in flags}
        return named if self.shape.bag is not None else {**named, **self._more}

    def _read(self) -> dict[str, Any]:
        for each in self.shape.arguments:
            if each.is_required and each.name not in self.texts:
                raise SegOpsArgumentError(f"{each.label} is missing: {each.help or 'give it as an argument'}")
        given = [each for each in self.shape.arguments if each.name in self.texts]
        return {each.name: read_value(each, self.texts[each.name]) for each in given}


def is_given(argument: Argument, words: argparse.Namespace) -> bool:
    """Return whether a flag was given."""
    return argument.is_flag and getattr(words, f"{PREFIX}{argument.name}", None) is not None


def named_flags(shape: Shape, words: argparse.Namespace) -> dict[str, Any]:
    """Return the flags of a method that were given, by the names of its parameters."""
    given = [each for each in shape.arguments if is_given(each, words)]
    return {each.name: read_value(each, getattr(words, f"{PREFIX}{each.name}")) for each in given}


def _gather(more: More, *, is_body: bool) -> dict[str, Any]:
    """Return the flags that no parameter declares; one that is given twice is a list.

    In a body hyphens stand for underscores and JSON for what it says; filters are left as they are.
    """
    flags: dict[str, list[Any]] = {}
    for flag, text in more:
        name, value = (flag.replace("-", "_"), guess(text)) if is_body else (flag, text)
        flags.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in flags.items()}


def _with_file(given: dict[str, str | None], file: str, shape: Shape) -> dict[str, str | None]:
    """Let -f stand for the argument that is a JSON file."""
    name = shape.json_argument
    if name is None or given.get(name) is not None:
        raise SegOpsArgumentError("the file is given twice: leave out -f, or the argument")
    return {**given, name: file}
