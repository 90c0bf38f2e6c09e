"""`segops plugins`: list the loaded plugins, where they come from, and why others failed to load."""

from __future__ import annotations

import argparse

from segops.cli.output import Output, add_output_flags
from segops.cli.terminal import print_message
from segops.composition import take_inventory

_PREFIX = "segops_register_"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `segops plugins`."""
    add_output_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plugins. JSON includes those that failed to load; other formats name them on stderr."""
    inventory = take_inventory()
    output = Output(args)
    if output.format == "json" and not args.fields:
        output.show(inventory)
        return 0
    rows = [
        {
            "name": entry.name,
            "origin": entry.origin,
            "hooks": ", ".join(hook.removeprefix(_PREFIX) for hook in entry.hooks),
            "provides": "; ".join(", ".join(names) for names in entry.provides.values()),
        }
        for entry in inventory.plugins
    ]
    output.show(inventory.plugins, table=rows)
    for message in inventory.broken:
        print_message(f"segops: {message}")
    return 0
