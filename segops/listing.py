"""The command `segops plugins`: what is loaded, from where, and what is broken."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

import msgspec

from segops.assembly import load_plugins
from segops.core import Command, Enricher, SegOpsPluginError, hookimpl
from segops.core.plugins import Plugin, Plugins

_PREFIX = "segops_register_"


class Entry(msgspec.Struct, frozen=True):
    """A loaded plugin.

    Attributes:
        name: What it is called, also in `SEGOPS_PLUGINS`.
        origin: "built in", or the distribution that brought it.
        hooks: The hooks that it implements.
        provides: What it gave, by kind: URL schemes of transports, enrichers with their event types, names of
            observers, namespaces of resources, commands.
    """

    name: str
    origin: str
    hooks: list[str]
    provides: dict[str, list[str]]


class Inventory(msgspec.Struct, frozen=True):
    """All plugins.

    Attributes:
        plugins: Those that are loaded, in the order in which their enrichers run.
        broken: What is wrong with the others, each with its name and where it is from.
    """

    plugins: list[Entry]
    broken: list[str]


def take_inventory() -> Inventory:
    """Load all plugins and ask each of them what it provides."""
    broken: list[str] = []
    loaded = load_plugins(lambda error: broken.append(str(error)))
    for ask in (loaded.transports, loaded.enrichers, loaded.observers, loaded.resources, loaded.commands):
        ask()  # a plugin may be found broken only now
    entries = [
        Entry(plugin.name, plugin.origin, loaded.hooks_of(plugin), _provided_by(plugin)) for plugin in loaded.loaded
    ]
    return Inventory(entries, broken)


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops plugins`."""
    return [
        Command(
            name="plugins", help="List the plugins that are loaded and those that are broken.", configure=_add, run=_run
        )
    ]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "json"),
        help="how to print them (default: a table on a terminal, JSON otherwise)",
    )


def _run(arguments: argparse.Namespace) -> int:
    inventory = take_inventory()
    as_table = arguments.output == "table" or (arguments.output is None and sys.stdout.isatty())
    text = _table(inventory) if as_table else msgspec.json.format(msgspec.json.encode(inventory)).decode()
    sys.stdout.write(f"{text}\n")
    return 0


def _provided_by(plugin: Plugin) -> dict[str, list[str]]:
    """Ask one plugin alone, so that nothing another one gave is taken for its own."""
    try:
        alone = Plugins({}, given=[plugin.implementation], selection="none", report=_ignore)
        found = {
            "transports": [f"{scheme}:" for scheme in alone.transports()],
            "enrichers": [_describe(enricher) for enricher in alone.enrichers()],
            "observers": [type(observer).__name__ for observer in alone.observers()],
            "resources": list(alone.resources()),
            "commands": list(alone.commands()),
        }
    except SegOpsPluginError:  # which the inventory lists among the broken
        return {}
    return {kind: names for kind, names in found.items() if names}


def _ignore(error: Exception) -> None:
    """Drop what is reported: a given plugin raises instead."""


def _describe(enricher: Enricher) -> str:
    if enricher.event_types is None:
        return f"{enricher.name} (all events)"
    return f"{enricher.name} ({', '.join(sorted(enricher.event_types))})"


def _table(inventory: Inventory) -> str:
    rows = [("NAME", "ORIGIN", "HOOKS", "PROVIDES")]
    rows += [
        (entry.name, entry.origin, ", ".join(hook.removeprefix(_PREFIX) for hook in entry.hooks), _inline(entry))
        for entry in inventory.plugins
    ]
    lines = _aligned(rows)
    if inventory.broken:
        lines += ["", "BROKEN", *inventory.broken]
    return "\n".join(lines)


def _inline(entry: Entry) -> str:
    return "; ".join(", ".join(names) for names in entry.provides.values())


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
