"""`segops spool`: look into a disk spool, send it, export it, or empty it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segops.core import Command, hookimpl, needs_modules

if TYPE_CHECKING:
    import argparse

__all__ = ["segops_register_commands"]

_ACTIONS = {
    "inspect": "show what waits, batch by batch",
    "send": "send what no running process holds",
    "export": "print the events, one JSON a line; they stay",
    "purge": "delete what no running process holds",
}


@hookimpl
def segops_register_commands() -> list[Command]:
    """Register `segops spool`."""
    return [Command(name="spool", help="Inspect, send, export or empty a disk spool.", configure=_add, run=_run)]


def _add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        action.add_argument("--path", metavar="FILE", help="the spool (default: SEGOPS_SPOOL)")
        if name in ("inspect", "send", "purge"):
            action.add_argument(
                "-o", "--output", choices=("table", "json"), help="default: a table on a terminal, JSON otherwise"
            )
        if name == "send":
            action.add_argument("--api-url", metavar="URL", help="where to (default: SEGOPS_API_URL)")
            action.add_argument("--api-key", metavar="KEY", help="default: SEGOPS_API_KEY, which no process list shows")
            action.add_argument(
                "--timeout", metavar="S", type=float, default=60.0, help="give up after (%(default)s s)"
            )
        if name == "purge":
            action.add_argument("--yes", action="store_true", help="do it without asking")


def _run(arguments: argparse.Namespace) -> int:
    with needs_modules("the spool"):
        from segops.spool.command import run  # noqa: PLC0415 - loads SQLite, which clients must not

    return run(arguments)
