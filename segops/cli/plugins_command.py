"""The command `segops plugins`: what is loaded, from where, and what is broken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from segops.cli.terminal import is_terminal, write
from segops.composition import Entry, Inventory, take_inventory
from segops.core import Command, hookimpl
from segops.utils import escape, format_json

if TYPE_CHECKING:
    import argparse

_PREFIX = "segops_register_"


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
    as_table = arguments.output == "table" or (arguments.output is None and is_terminal())
    write(f"{_table(inventory) if as_table else format_json(msgspec.to_builtins(inventory), indent=2)}\n")
    return 0


def _table(inventory: Inventory) -> str:
    rows = [("NAME", "ORIGIN", "HOOKS", "PROVIDES")]
    rows += [
        (entry.name, entry.origin, ", ".join(hook.removeprefix(_PREFIX) for hook in entry.hooks), _inline(entry))
        for entry in inventory.plugins
    ]
    lines = _aligned(rows)
    if inventory.broken:
        lines += ["", "BROKEN", *map(escape, inventory.broken)]
    return "\n".join(lines)


def _inline(entry: Entry) -> str:
    return "; ".join(", ".join(names) for names in entry.provides.values())


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    rows = [tuple(map(escape, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
