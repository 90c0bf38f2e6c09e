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
    "inspect": "show the stored batches",
    "send": "send the batches that no running process holds",
    "export": "print the events, one JSON object per line, and keep them",
    "purge": "delete the batches that no running process holds",
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
    return [Command(name="spool", help="Inspect, send, export, or empty a disk spool.", configure=_add, run=_run)]


def _add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("--path", metavar="FILE", help="file of the spool (default: SEGOPS_SPOOL)")
        if name in ("inspect", "send", "purge"):
            action.add_argument(
                "-o", "--output", choices=("table", "json"), help="default: a table on a terminal, JSON otherwise"
            )
        if name == "send":
            action.add_argument("--api-url", metavar="URL", help="URL to send to (default: SEGOPS_API_URL)")
            action.add_argument("--api-key", metavar="KEY", help="prefer SEGOPS_API_KEY: process lists show arguments")
            action.add_argument(
                "--timeout",
                metavar="S",
                type=float,
                default=60.0,
                help="seconds to wait (default: %(default)s)",
            )
        if name == "purge":
            action.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def _run(arguments: argparse.Namespace) -> int:
    with needs_modules("the spool"):
        from segops.spool.command import run  # noqa: PLC0415 - loads SQLite, which clients must not

    return run(arguments)
