"""All commands with their verbs and flags, as the parsers declare them: for completion and documentation."""

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
        name: Its name.
        help: One line.
        usage: The usage line.
        flags: Its flags with their help.
        choices: The allowed values of flags and arguments, by flag, or by "" for arguments.
        children: Its verbs.
    """

    name: str
    help: str
    usage: str
    flags: dict[str, str]
    choices: dict[str, list[str]]
    children: list[Node]


def find_commands() -> dict[str, Command]:
    """Return all commands by name, those of namespaces included; broken plugins are left out."""
    plugins = load_plugins(lambda _error: None)
    return namespace_commands(plugins.resources()) | plugins.commands()


def build_tree(commands: Mapping[str, Command]) -> list[Node]:
    """Return a node for each command, sorted by name."""
    return [_command_node(command) for _, command in sorted(commands.items())]


def _command_node(command: Command) -> Node:
    parser = argparse.ArgumentParser(prog=f"segops {command.name}", add_help=True)
    command.configure(parser)
    return _node(command.name, command.help, parser)


def _node(name: str, text: str, parser: argparse.ArgumentParser) -> Node:
    if isinstance(parser, VerbParser):
        parser.prepare()
    flags: dict[str, str] = {}
    choices: dict[str, list[str]] = {}
    children: list[Node] = []
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to list them
        for option in action.option_strings:
            flags[option] = _expand(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            helps = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001 - as above
            children = [_node(verb, helps.get(verb, ""), child) for verb, child in action.choices.items()]
        elif action.choices is not None:
            for option in action.option_strings or [""]:
                choices[option] = [str(choice) for choice in action.choices]
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return Node(name, text.replace("%%", "%"), usage, flags, choices, children)


def _expand(action: argparse.Action) -> str:
    """Return the help of a flag with its default filled in."""
    try:
        return (action.help or "") % vars(action)
    except (KeyError, TypeError, ValueError):  # an unescaped % of a third-party command
        return action.help or ""
