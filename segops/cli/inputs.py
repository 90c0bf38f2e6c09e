"""Convert text into values: flags, JSON files, and standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from segops import SegOpsArgumentError
from segops.cli.arguments import Argument, ValueType
from segops.cli.terminal import open_binary
from segops.utils import decode_text, expand_home

STDIN = "-"
"""The file name of standard input, or of standard output for a download."""

_PREVIEW = 40
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_value(argument: Argument, text: str) -> Any:
    """Return the value of an argument.

    Raises:
        SegOpsArgumentError: The text is not a value of the argument's type.
    """
    name = argument.flag if argument.is_flag else argument.metavar
    if argument.type in _SCALARS:
        return _SCALARS[argument.type](name, text)
    if argument.type == "list":
        return [item.strip() for item in text.split(",") if item.strip()]
    if argument.type == "json" or (argument.type == "any" and (text == STDIN or text.endswith(".json"))):
        return read_json(text)
    if argument.type == "any":
        return guess_value(text)
    if text == STDIN and argument.type in {"upload", "download"}:
        return sys.stdin.buffer if argument.type == "upload" else open_binary()
    return text


def read_json(text: str) -> Any:
    """Return the JSON of a file, of standard input ("-"), or of the text itself if it looks like JSON.

    Raises:
        SegOpsArgumentError: The file cannot be read, or does not contain JSON.
    """
    if text.lstrip()[:1] in {"{", "["}:
        return decode_json(text.encode("utf-8", "surrogateescape"), "the argument")
    return decode_json(read_bytes(text), describe_file(text))


def describe_file(name: str) -> str:
    """Return what to call a file in a message."""
    return "standard input" if name == STDIN else name


def decode_json(content: bytes, source: str) -> Any:
    """Return decoded JSON.

    Args:
        content: The bytes.
        source: What to call them in a message.

    Raises:
        SegOpsArgumentError: The content is not JSON.
    """
    try:
        text = decode_text(content)
    except ValueError as error:
        raise SegOpsArgumentError(f"{source} is not valid JSON ({error})") from None
    if not text.strip():
        raise SegOpsArgumentError(f"{source} is empty: expected JSON")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SegOpsArgumentError(
            f"{source} is not valid JSON ({error}): check it with `python -m json.tool`"
        ) from None


def read_bytes(name: str) -> bytes:
    """Return the content of a file, or of standard input ("-").

    Raises:
        SegOpsArgumentError: It cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(expand_home(name)).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsArgumentError(
            f"cannot read {name!r} ({reason}): pass a file name, or - for standard input"
        ) from None


def guess_value(text: str | bool) -> Any:  # noqa: FBT001 - a flag without a value is True
    """Return the value of an undeclared field: decoded if the text is JSON, otherwise the text."""
    if isinstance(text, bool):
        return text
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, RecursionError):
        return text


def check_target(name: str) -> None:
    """Check that a file can be written, before long work is started for it.

    Raises:
        SegOpsArgumentError: It certainly cannot.
    """
    path = Path(expand_home(name))
    if name != STDIN and (not name or path.is_dir() or not path.parent.is_dir()):
        reason = "it is a directory" if path.is_dir() else f"directory {path.parent} does not exist"
        raise SegOpsArgumentError(f"cannot write {name!r} ({reason}): pass a file name")


def _parse_int(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _mismatch(name, text, "a whole number") from None


def _parse_float(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _mismatch(name, text, "a number") from None


def _parse_bool(name: str, text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise _mismatch(name, text, "true or false")
    return _BOOLEANS[text.lower()]


def _mismatch(name: str, text: str, expected: str) -> SegOpsArgumentError:
    return SegOpsArgumentError(f"{name} must be {expected}, got {text[:_PREVIEW]!r}")


_SCALARS: Mapping[ValueType, Callable[[str, str], Any]] = {
    "int": _parse_int,
    "float": _parse_float,
    "bool": _parse_bool,
}
