"""The commands of the program that talk to SegOps: those of each namespace, and `api`, `send`, `whoami`, `doctor`.

What a namespace can do is read from its methods; see `segops.cli.namespaces`. Nothing here is loaded before it is
run: every client imports this package.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from segops.core import Command, hookimpl

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands"]


def _api() -> ModuleType:
    from segops.cli import api  # noqa: PLC0415 - each is loaded if it is run, and imported so that freezers find it

    return api


def _send() -> ModuleType:
    from segops.cli import send  # noqa: PLC0415

    return send


def _whoami() -> ModuleType:
    from segops.cli import whoami  # noqa: PLC0415

    return whoami


def _doctor() -> ModuleType:
    from segops.cli import doctor  # noqa: PLC0415

    return doctor


def _completion() -> ModuleType:
    from segops.cli import completion  # noqa: PLC0415

    return completion


_COMMANDS = {
    "api": (_api, "Call any endpoint of the API."),
    "send": (_send, "Send the events of a file, one JSON object a line."),
    "whoami": (_whoami, "Show which SegOps and which key are used, and whether the key is accepted."),
    "doctor": (_doctor, "Check the key, the way to SegOps, the clock and the plugins."),
    "completion": (_completion, "Print the completion script for a shell."),
}


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register the commands that belong to no namespace."""
    return [_lazily(name, load, text) for name, (load, text) in _COMMANDS.items()]


def _lazily(name: str, load: Callable[[], ModuleType], text: str) -> Command:
    def configure(parser: argparse.ArgumentParser) -> None:
        load().add_arguments(parser)

    def run(arguments: argparse.Namespace) -> int:
        return int(load().run(arguments))

    return Command(name=name, help=text, configure=configure, run=run)
