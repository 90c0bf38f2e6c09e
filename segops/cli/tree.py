"""All commands with their verbs and flags, as the parsers know them: for completion and for the documentation."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import msgspec

from segops.cli.namespaces import namespace_commands
from segops.cli.parser import VerbParser
from segops.composition import load_plugins
from segops.core import Command


class Node(msgspec.Struct, frozen=True):
    """A command or a verb.

    Attributes:
        name: The word.
        help: One line.
        usage: How it is written.
        flags: Its flags with their help.
        choices: The values that flags and arguments can have, by flag or, for arguments, by "".
        children: Its verbs.
    """

    name: str
    help: str
    usage: str
    flags: dict[str, str]
    choices: dict[str, list[str]]
    children: list[Node]


def find_commands() -> dict[str, Command]:
    """Return all commands by name, those of namespaces too; what is broken is left out."""
    plugins = load_plugins(lambda _error: None)
    return namespace_commands(plugins.resources()) | plugins.commands()


def grow(commands: Mapping[str, Command]) -> list[Node]:
    """Return a node for each command, by name."""
    return [_grow_command(command) for _, command in sorted(commands.items())]


def _grow_command(command: Command) -> Node:
    parser = argparse.ArgumentParser(prog=f"segops {command.name}", add_help=True)
    command.configure(parser)
    return _grow(command.name, command.help, parser)


def _grow(name: str, text: str, parser: argparse.ArgumentParser) -> Node:
    if isinstance(parser, VerbParser):
        parser.prepare()
    flags: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    children: list[Node] = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to be asked
        for option in action.option_strings:
            flags[option] = action.help or ""
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            helps = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001 - as above
            children = [_grow(verb, helps.get(verb, ""), child) for verb, child in action.choices.items()]
        elif action.choices is not None:
            for option in action.option_strings or [""]:
                choices[option] = [str(choice) for choice in action.choices]
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return Node(name, text.replace("%%", "%"), usage, flags, choices, children)
