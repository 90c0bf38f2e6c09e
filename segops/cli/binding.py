"""Bind what the command line gives to the parameters of a method."""

from __future__ import annotations

import argparse
from typing import Any

from segops import SegOpsArgumentError
from segops.cli.arguments import Argument, Signature, signature_of
from segops.cli.inputs import guess_value, read_json, read_value
from segops.cli.parser import ExtraFlags
from segops.plugins.admin import Method

PREFIX = "arg_"
"""Prefix of parameter names in the parsed namespace, so that they do not clash with other flags."""


class BoundArguments:
    """The arguments of a method, ready for the call.

    Args:
        method: The method.
        args: The parsed command line.

    Attributes:
        signature: The arguments that the method takes.
        texts: The text of each argument that was passed.

    Raises:
        SegOpsArgumentError: An argument is invalid or missing.
    """

    def __init__(self, method: Method, args: argparse.Namespace) -> None:
        self.signature = signature_of(method)
        texts = {name.removeprefix(PREFIX): text for name, text in vars(args).items() if name.startswith(PREFIX)}
        if (file := getattr(args, "file", None)) is not None:
            texts = _with_file(texts, file, self.signature)
        self.texts: dict[str, str] = {name: text for name, text in texts.items() if text is not None}
        self._extra = _collect_extra(args.extra_flags, is_body=method.is_mutation)
        self._values = self._read()

    def positional(self) -> list[Any]:
        """Return the positional arguments, without the body or the filters."""
        return [self._values[each.name] for each in self.signature.arguments if not each.is_flag]

    def body(self) -> list[dict[str, Any]]:
        """Return the body or the filters as a last positional argument; empty if the method takes neither.

        Raises:
            SegOpsArgumentError: The file cannot be read, or does not contain a JSON object.
        """
        name = self.signature.extra_fields
        if name is None:
            return []
        fields = read_json(self.texts[name]) if name in self.texts else {}
        if not isinstance(fields, dict):
            raise SegOpsArgumentError(f"{self.texts[name]} must contain a JSON object, got {type(fields).__name__}")
        return [{**fields, **self._extra}]

    def named(self) -> dict[str, Any]:
        """Return the keyword arguments."""
        flags = [each.name for each in self.signature.arguments if each.is_flag and each.name in self._values]
        named = {name: self._values[name] for name in flags}
        return named if self.signature.extra_fields is not None else {**named, **self._extra}

    def _read(self) -> dict[str, Any]:
        for each in self.signature.arguments:
            if each.is_required and each.name not in self.texts:
                raise SegOpsArgumentError(f"{each.metavar} is missing: {each.help or 'pass it as an argument'}")
        passed = [each for each in self.signature.arguments if each.name in self.texts]
        return {each.name: read_value(each, self.texts[each.name]) for each in passed}


def is_passed(argument: Argument, args: argparse.Namespace) -> bool:
    """Return whether a flag was passed."""
    return argument.is_flag and getattr(args, f"{PREFIX}{argument.name}", None) is not None


def passed_flags(signature: Signature, args: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the flags that were passed, by parameter name."""
    passed = [each for each in signature.arguments if is_passed(each, args)]
    return {each.name: read_value(each, getattr(args, f"{PREFIX}{each.name}")) for each in passed}


def _collect_extra(extra_flags: ExtraFlags, *, is_body: bool) -> dict[str, Any]:
    """Return the undeclared flags by name; a repeated flag becomes a list.

    In a body, hyphens become underscores and JSON is decoded. Filters are left as they are.
    """
    values: dict[str, list[Any]] = {}
    for flag, text in extra_flags:
        name, value = (flag.replace("-", "_"), guess_value(text)) if is_body else (flag, text)
        values.setdefault(name, []).append(value)
    return {name: each[0] if len(each) == 1 else each for name, each in values.items()}


def _with_file(texts: dict[str, str | None], file: str, signature: Signature) -> dict[str, str | None]:
    """Use the value of `-f` for the argument that is a JSON file."""
    name = signature.json_argument
    if name is None or texts.get(name) is not None:
        raise SegOpsArgumentError("the JSON file is given twice: pass it with -f or as an argument")
    return {**texts, name: file}
