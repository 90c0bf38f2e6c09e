"""Register the commands that belong to no namespace.

Nothing else is loaded before a command runs: every client imports this module.
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
    from segops.cli import api  # noqa: PLC0415 - loaded when it runs, by a statement that freezers can follow

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


def _plugins() -> ModuleType:
    from segops.cli import plugins_command  # noqa: PLC0415

    return plugins_command


def _completion() -> ModuleType:
    from segops.cli import completion  # noqa: PLC0415

    return completion


_COMMANDS = {
    "api": (_api, "Call any endpoint of the API."),
    "send": (_send, "Send events from a file."),
    "whoami": (_whoami, "Show the URL and the key in use, and check the key."),
    "doctor": (_doctor, "Check the key, the connection to SegOps, the clock and the plugins."),
    "plugins": (_plugins, "List plugins, and those that failed to load."),
    "completion": (_completion, "Print the completion script for a shell."),
}


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register the commands."""
    return [_lazy_command(name, load, text) for name, (load, text) in _COMMANDS.items()]


def _lazy_command(name: str, load: Callable[[], ModuleType], text: str) -> Command:
    def configure(parser: argparse.ArgumentParser) -> None:
        load().add_arguments(parser)

    def run(args: argparse.Namespace) -> int:
        return int(load().run(args))

    return Command(name=name, help=text, configure=configure, run=run)
