"""The commands of the program that talk to SegOps: those of each namespace, and `api`, `send`, `whoami`, `doctor`.

What a namespace can do is read from its methods; see `segops.commands.namespaces`. Nothing here is loaded before it is
run: every client imports this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from segops.core import Command, hookimpl

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands"]

_HELP = {
    "api": "Call any endpoint of the API.",
    "send": "Send the events of a file, one JSON object a line.",
    "whoami": "Show which SegOps and which key are used, and whether the key is accepted.",
    "doctor": "Check the key, the way to SegOps, the clock and the plugins.",
    "completion": "Print the completion script for a shell.",
}


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register the commands that belong to no namespace."""
    return [_lazily(name, text) for name, text in _HELP.items()]


def _lazily(name: str, text: str) -> Command:
    module = f"{__name__}.{name}"

    def configure(parser: argparse.ArgumentParser) -> None:
        import_module(module).add_arguments(parser)

    def run(arguments: argparse.Namespace) -> int:
        return int(import_module(module).run(arguments))

    return Command(name=name, help=text, configure=configure, run=run)
