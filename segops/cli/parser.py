"""Parse command lines: argparse, with the grammar of docs/cli.md, "Arguments and flags"."""

from __future__ import annotations

import argparse
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from segops.cli.terminal import write, write_stderr
from segops.utils import escape, nearest

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_NUMBER = re.compile(r"-\d+(\.\d+)?")

ExtraFlags = list[tuple[str, "str | bool"]]
"""Undeclared flags in the order in which they were passed."""


class Positional(msgspec.Struct, frozen=True):
    """An argument without a flag.

    Attributes:
        dest: The attribute that it sets.
        metavar: The placeholder in the usage line.
        is_required: Whether it must be passed.
    """

    dest: str
    metavar: str
    is_required: bool


class Parser(argparse.ArgumentParser):
    """A parser that escapes its messages, works without stderr, and suggests the nearest command for an unknown one."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, escaped, and exit."""
        super().error(escape(message))

    def fail_with_unknown(self, noun: str, name: str, known: Iterable[str]) -> NoReturn:
        """Print that a command or verb does not exist, with the nearest one that does, and exit."""
        help_command = " ".join(["segops help", *self.prog.split()[1:]])
        self.error(f"unknown {noun} {name!r}: {suggest(name, known)}see `{help_command}`")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001 - no public name
            self.fail_with_unknown(str(action.metavar).lower(), value, action.choices)
        super()._check_value(action, value)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is sys.stdout:
            write(message)
        else:
            write_stderr(message)


class VerbParser(Parser):
    """Parses what follows a verb: arguments and flags in any order, and undeclared flags.

    Arguments are defined on first use, so that only the chosen verb costs time.

    Args:
        define: Adds arguments and flags.
        options: The options of `ArgumentParser`.
    """

    def __init__(self, *, define: Callable[[VerbParser], None] = lambda _parser: None, **options: Any) -> None:
        super().__init__(**options)
        self._define = define
        self._is_defined = False
        self.positionals: list[Positional] = []
        self.allows_extra = False

    def prepare(self) -> VerbParser:
        """Add arguments and flags once, and return the parser."""
        if not self._is_defined:
            self._is_defined = True
            self._define(self)
            metavars = [each.metavar if each.is_required else f"[{each.metavar}]" for each in self.positionals]
            extra = ["[--name=value …]"] if self.allows_extra else []
            self.usage = " ".join([self.prog, *metavars, "[options]", *extra])
        return self

    def add_positional(self, dest: str, metavar: str, *, is_required: bool, description: str) -> None:
        """Add an argument without a flag."""
        self.positionals.append(Positional(dest, metavar, is_required))
        self.add_argument(dest, metavar=metavar, nargs="?", help=description)  # shown in the help; `_bind` reads it

    def parse_known_args(  # type: ignore[override] # only as subparsers call it
        self, args: Iterable[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments; undeclared flags become the attribute `extra_flags`."""
        self.prepare()
        plain, flags, extra_flags = self._sort(deque(args or ()))
        known, rest = super().parse_known_args(flags, namespace or argparse.Namespace())
        if rest:
            self.error(f"unknown option {' '.join(rest)}; put -- before arguments that begin with a hyphen")
        self._bind(plain, known)
        known.extra_flags = extra_flags
        return known, []

    def _sort(self, args: deque[str]) -> tuple[list[str], list[str], ExtraFlags]:
        """Separate positional arguments, declared flags, and undeclared flags."""
        plain: list[str] = []
        flags: list[str] = []
        extra: ExtraFlags = []
        while args:
            arg = args.popleft()
            name, equals, value = arg.partition("=")
            flag = name if name in self._option_string_actions else name.replace("_", "-")
            if arg == "--":
                return plain + list(args), flags, extra
            if arg == "-" or not arg.startswith("-") or _NUMBER.fullmatch(arg):
                plain.append(arg)
            elif not arg.startswith("--"):
                flags += [arg, *self._take_value(arg, args)]
            elif flag in self._option_string_actions:
                flags.append("=".join([flag, *([value] if equals else self._take_value(flag, args))]))
            elif self.allows_extra and len(name) > len("--"):
                extra.append((name[2:], value if equals else _take_extra_value(args)))
            else:
                flags.append(arg)
        return plain, flags, extra

    def _take_value(self, flag: str, args: deque[str]) -> list[str]:
        action = self._option_string_actions.get(flag)
        takes_value = action is not None and action.nargs != 0
        return [args.popleft()] if takes_value and args and not args[0].startswith("--") else []

    def _bind(self, plain: list[str], namespace: argparse.Namespace) -> None:
        required = [each for each in self.positionals if each.is_required]
        if missing := [each.metavar for each in required[len(plain) :]]:
            self.error(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        if len(plain) > len(self.positionals):
            self.error(f"too many arguments: {plain[len(self.positionals)]!r}")
        for each, text in zip(self.positionals, plain, strict=False):
            setattr(namespace, each.dest, text)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return "did you mean …? " with the nearest of the known names; empty if none is near."""
    near = nearest(name, known)
    return f"did you mean {near!r}? " if near else ""


def _take_extra_value(args: deque[str]) -> str | bool:
    """Return the value of an undeclared flag; True if another flag follows."""
    return args.popleft() if args and not args[0].startswith("--") else True
