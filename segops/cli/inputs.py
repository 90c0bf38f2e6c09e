"""From text to values: flags, JSON files, and what is piped in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from segops import SegOpsArgumentError
from segops.cli.arguments import Argument
from segops.cli.terminal import open_binary
from segops.utils import decode_text, expand_home

STDIN = "-"
"""The file name that stands for what is piped in, or out."""

_SHOWN = 40


def read_value(argument: Argument, text: str) -> Any:
    """Return the value of an argument.

    Raises:
        SegOpsArgumentError: It cannot be understood.
    """
    name = argument.flag if argument.is_flag else argument.label
    if argument.kind in {"int", "float"}:
        return _read_number(name, text, int if argument.kind == "int" else float)
    if argument.kind == "bool":
        return _read_truth(name, text)
    if argument.kind == "words":
        return [word.strip() for word in text.split(",") if word.strip()]
    if argument.kind == "json":
        return read_json(text)
    if argument.kind == "loose":
        return read_json(text) if _names_file(text) else guess(text)
    if argument.kind == "upload" and text == STDIN:
        return sys.stdin.buffer
    if argument.kind == "target" and text == STDIN:
        return open_binary()
    return text


def read_json(text: str) -> Any:
    """Return the JSON of a file, of what is piped in ("-"), or of the text itself if it looks like JSON.

    Raises:
        SegOpsArgumentError: The file cannot be read, or is no JSON.
    """
    if text.lstrip()[:1] in {"{", "["}:
        return decode(text.encode("utf-8", "surrogateescape"), "the argument")
    return decode(read_bytes(text), text if text != STDIN else "the standard input")


def decode(content: bytes, what: str) -> Any:
    """Return the JSON in some bytes.

    Raises:
        SegOpsArgumentError: It is no JSON.
    """
    try:
        text = decode_text(content)
    except ValueError as error:
        raise SegOpsArgumentError(f"{what} is no JSON ({error})") from None
    if not text.strip():
        raise SegOpsArgumentError(f"{what} is empty: give JSON")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SegOpsArgumentError(f"{what} is no JSON ({error}): check it with `python -m json.tool`") from None


def read_bytes(name: str) -> bytes:
    """Return the content of a file, or what is piped in ("-").

    Raises:
        SegOpsArgumentError: It cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(expand_home(name)).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SegOpsArgumentError(
            f"{name!r} cannot be read ({reason}): give the name of a file, or - to pipe it in"
        ) from None


def guess(text: str | bool) -> Any:  # noqa: FBT001 - a flag without a value is True
    """Return the value of a field that no parameter declares: JSON if it is that, otherwise text."""
    if isinstance(text, bool):
        return text
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogateescape"))
    except (msgspec.DecodeError, RecursionError):
        return text


def check_target(name: str) -> None:
    """Look whether a file can be written there, before long work is started for it.

    Raises:
        SegOpsArgumentError: It certainly cannot.
    """
    path = Path(expand_home(name))
    if name != STDIN and (not name or path.is_dir() or not path.parent.is_dir()):
        reason = "it is a directory" if path.is_dir() else f"there is no directory {path.parent}"
        raise SegOpsArgumentError(f"{name!r} cannot be written ({reason}): give the name of a file")


def _names_file(text: str) -> bool:
    return text == STDIN or text.endswith(".json")


def _read_number(name: str, text: str, kind: type[int | float]) -> int | float:
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SegOpsArgumentError(f"{name} is {text[:_SHOWN]!r}: give {wanted}") from None


def _read_truth(name: str, text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise SegOpsArgumentError(f"{name} is {text[:_SHOWN]!r}: give true or false")
    return known[text.lower()]
