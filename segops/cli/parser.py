"""The parser of one verb: argparse, with the grammar of the product's command line.

Source: wire-protocol.md, section 9.1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from segops.cli.terminal import draw, write
from segops.utils import escape

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_NUMBER = re.compile(r"-\d+(\.\d+)?")

More = list[tuple[str, "str | bool"]]
"""Flags that no parameter declares, in the order in which they were given."""


class Positional(msgspec.Struct, frozen=True):
    """An argument without a flag.

    Attributes:
        dest: The attribute that it sets.
        label: What it is called in the usage.
        is_required: Whether it may not be left out.
    """

    dest: str
    label: str
    is_required: bool


class Parser(argparse.ArgumentParser):
    """A parser whose messages steer no terminal, and need no stderr."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave; what was typed may come from elsewhere."""
        super().error(escape(message))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            write(message)
        else:
            draw(message)


class VerbParser(Parser):
    """Reads the words after a verb: arguments and flags in any order, and flags that nobody declared.

    What it knows is defined when it is first used, so that only the chosen verb costs anything.

    Args:
        define: Adds arguments and flags.
        options: What `ArgumentParser` takes.
    """

    def __init__(self, *, define: Callable[[VerbParser], None] = lambda _parser: None, **options: Any) -> None:
        super().__init__(**options)
        self._define = define
        self._is_defined = False
        self.positionals: list[Positional] = []
        self.takes_more = False

    def prepare(self) -> VerbParser:
        """Add arguments and flags, once; return itself."""
        if not self._is_defined:
            self._is_defined = True
            self._define(self)
            labels = [each.label if each.is_required else f"[{each.label}]" for each in self.positionals]
            more = ["[--name=value …]"] if self.takes_more else []
            self.usage = " ".join([self.prog, *labels, "[options]", *more])
        return self

    def add_positional(self, dest: str, label: str, *, is_required: bool, text: str) -> None:
        """Add an argument without a flag."""
        self.positionals.append(Positional(dest, label, is_required))
        self.add_argument(dest, metavar=label, nargs="?", help=text)  # for the help: it is read in `_bind`

    def parse_known_args(  # type: ignore[override] # only as subparsers call it
        self, args: Iterable[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Read the words; the flags that nobody declared become the attribute `more`."""
        self.prepare()
        plain, flags, more = self._sort(deque(args or ()))
        known, rest = super().parse_known_args(flags, namespace or argparse.Namespace())
        if rest:
            self.error(f"unknown: {' '.join(rest)}; write -- in front of arguments that begin with a hyphen")
        self._bind(plain, known)
        known.more = more
        return known, []

    def _sort(self, words: deque[str]) -> tuple[list[str], list[str], More]:
        """Tell arguments, declared flags and other flags apart."""
        plain: list[str] = []
        flags: list[str] = []
        more: More = []
        while words:
            word = words.popleft()
            name, equals, value = word.partition("=")
            flag = name if name in self._option_string_actions else name.replace("_", "-")
            if word == "--":
                return plain + list(words), flags, more
            if word == "-" or not word.startswith("-") or _NUMBER.fullmatch(word):
                plain.append(word)
            elif not word.startswith("--"):
                flags += [word, *self._value_of(word, words)]
            elif flag in self._option_string_actions:
                flags.append("=".join([flag, *([value] if equals else self._value_of(flag, words))]))
            elif self.takes_more and len(name) > len("--"):
                more.append((name[2:], value if equals else _next(words)))
            else:
                flags.append(word)
        return plain, flags, more

    def _value_of(self, flag: str, words: deque[str]) -> list[str]:
        action = self._option_string_actions.get(flag)
        takes_value = action is not None and action.nargs != 0
        return [words.popleft()] if takes_value and words and not words[0].startswith("--") else []

    def _bind(self, plain: list[str], namespace: argparse.Namespace) -> None:
        required = [each for each in self.positionals if each.is_required]
        if len(plain) < len(required):
            self.error(f"{' and '.join(each.label for each in required[len(plain) :])} missing")
        if len(plain) > len(self.positionals):
            self.error(f"one argument too many: {plain[len(self.positionals)]!r}")
        for each, text in zip(self.positionals, plain, strict=False):
            setattr(namespace, each.dest, text)


def _next(words: deque[str]) -> str | bool:
    """Return the value of a flag; True if the next word is a flag, too."""
    return words.popleft() if words and not words[0].startswith("--") else True
