"""The built-in plugin `spool`: the disk spool and the command `segops spool`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segops.core import Command, Spool, SpoolFactory, hookimpl
from segops.utils import needs_modules

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands", "segops_register_spools"]

_ACTIONS = {
    "inspect": "Show the waiting batches.",
    "send": "Send the events that no running process holds.",
    "export": "Print the events as JSON lines, and keep them.",
    "purge": "Delete the events that no running process holds.",
}


@hookimpl
def segops_register_spools() -> Mapping[str, SpoolFactory]:
    """Register `file:`, which paths are opened with, too."""
    return {"file": _open}


def _open(url: str) -> Spool:
    with needs_modules("the spool"):
        from segops.spool.spool import DiskSpool  # noqa: PLC0415 - loads SQLite, which most programs do not need

    return DiskSpool.from_url(url)


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops spool`."""
    return [Command(name="spool", help="Inspect, send, export or purge a disk spool.", configure=_configure, run=_run)]


def _configure(parser: argparse.ArgumentParser) -> None:
    from segops.cli import add_output_flags  # noqa: PLC0415 - loads argparse, which clients must not

    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("--path", metavar="FILE", help="file of the spool (default: SEGOPS_SPOOL)")
        if name == "send":
            action.add_argument("--api-url", metavar="URL", help="base URL of SegOps (default: SEGOPS_API_URL)")
            action.add_argument(
                "--api-key",
                metavar="KEY",
                help="API key (default: SEGOPS_API_KEY, which process lists do not show)",
            )
            action.add_argument(
                "--timeout",
                metavar="SECONDS",
                type=float,
                default=60.0,
                help="give up after this time (default: %(default)g)",
            )
        if name == "purge":
            action.add_argument("--yes", dest="assume_yes", action="store_true", help="confirm the deletion")
        if name != "export":
            add_output_flags(action)


def _run(args: argparse.Namespace) -> int:
    with needs_modules("the spool"):
        from segops.spool.command import run  # noqa: PLC0415 - loads SQLite, which clients must not

    return run(args)
