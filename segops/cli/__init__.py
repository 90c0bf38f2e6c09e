"""Build commands of the `segops` program: output formats, progress, prompts, connection flags, and exit codes.

The built-in commands and those of third-party plugins use the same names, so that all of them print, fail and prompt
alike. Names load on first use: a client imports this package to find commands, and must not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segops.bulk.sending import EventSender
    from segops.cli.connection import add_address_flags, add_connection_flags, open_admin, read_key
    from segops.cli.errors import ExitCode, fail
    from segops.cli.output import Output, add_output_flags
    from segops.cli.progress import ProgressBar
    from segops.cli.prompts import confirm
    from segops.cli.terminal import print_message, print_report, print_status, until_stopped, write

__all__ = [
    "EventSender",
    "ExitCode",
    "Output",
    "ProgressBar",
    "add_address_flags",
    "add_connection_flags",
    "add_output_flags",
    "confirm",
    "fail",
    "open_admin",
    "print_message",
    "print_report",
    "print_status",
    "read_key",
    "until_stopped",
    "write",
]

_MODULES = {
    "segops.bulk.sending": ("EventSender",),
    "segops.cli.connection": ("add_address_flags", "add_connection_flags", "open_admin", "read_key"),
    "segops.cli.errors": ("ExitCode", "fail"),
    "segops.cli.output": ("Output", "add_output_flags"),
    "segops.cli.progress": ("ProgressBar",),
    "segops.cli.prompts": ("confirm",),
    "segops.cli.terminal": ("print_message", "print_report", "print_status", "until_stopped", "write"),
}

_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # or type checkers accept every misspelled name

    def __getattr__(name: str) -> Any:
        """Load the module of a public name on first use."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULE_OF[name]), name)

    def __dir__() -> list[str]:
        """List the public names, loaded or not."""
        return sorted({*globals(), *__all__})
