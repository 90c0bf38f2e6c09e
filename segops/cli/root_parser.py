"""The parser of `segops` itself, whose help shows commands in groups."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator

from segops.cli.parser import Parser

_GROUPS = {
    "events": ("send", "spool", "forward"),
    "local development": ("dev", "demo"),
    "tools": ("api", "whoami", "doctor", "plugins", "completion"),
}
_BUILT_IN = {name for names in _GROUPS.values() for name in names}


class RootParser(Parser):
    """Parses the name of the command.

    Args:
        namespaces: The names of the commands that are admin namespaces, in the order to show them.
    """

    def __init__(self, namespaces: Collection[str]) -> None:
        super().__init__(
            prog="segops",
            usage="segops COMMAND [options]",
            description="Send events to SegOps, and manage segments, products and pages from the command line.",
            epilog="Run `segops help COMMAND [VERB]` for details.",
            allow_abbrev=False,
        )
        self._namespaces = namespaces

    def format_help(self) -> str:
        """Return the help with a section for each group of commands."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, actions in self._sections():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _sections(self) -> Iterator[tuple[str, list[argparse.Action]]]:
        subparsers = next(each for each in self._actions if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001 - no public name
        lines = {each.dest: each for each in subparsers._choices_actions}  # noqa: SLF001 - argparse offers no other way
        others = [name for name in lines if name not in _BUILT_IN and name not in self._namespaces]
        groups = {"events": _GROUPS["events"], "administration": self._namespaces, **_GROUPS, "plugins": others}
        for title, names in groups.items():
            if actions := [lines[name] for name in names if name in lines]:
                yield title, actions
        yield "options", [action for action in self._actions if action.option_strings]
